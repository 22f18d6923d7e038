"""Users of the local API: made by signing up, as a person would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from infra.local.steps import LocalError


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    id: str
    email: str
    token: str


def sign_up(api_url: str, key: str, email: str, password: str) -> Person:
    """Makes the user; one that is there already is signed in."""
    reply = _auth(api_url, key, "signup", email, password)
    if reply.is_success:
        return _person(reply.json())
    return sign_in(api_url, key, email, password)


def sign_in(api_url: str, key: str, email: str, password: str) -> Person:
    """Signs in with a password."""
    reply = _auth(api_url, key, "token?grant_type=password", email, password)
    if not reply.is_success:
        raise LocalError(f"cannot sign in as {email}: {reply.text[:300]}")
    return _person(reply.json())


def _auth(api_url: str, key: str, path: str, email: str, password: str) -> httpx.Response:
    body = {"email": email, "password": password}
    return httpx.post(f"{api_url}/auth/v1/{path}", headers={"apikey": key}, json=body, timeout=20)


def _person(reply: dict[str, Any]) -> Person:
    return Person(reply["user"]["id"], reply["user"]["email"], reply["access_token"])
