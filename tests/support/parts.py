"""What the fixtures hand to a test."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
from psycopg import sql

from infra.cli.api import OperatorStore
from infra.local.people import Person, sign_up
from infra.local.postgres import SUPERUSER
from infra.local.stack import Stack


@dataclass(frozen=True)
class Database:
    """A migrated database. `url` connects as postgres: what migrations run as, no superuser."""

    url: str
    superuser_url: str

    def connect(self, *, autocommit: bool = True) -> psycopg.Connection[Any]:
        """A connection as postgres."""
        return psycopg.connect(self.url, autocommit=autocommit)


class Cluster:
    """Makes databases that are copies of the stack's own before or after migrating, 0.1 s each.

    Roles are shared by all databases of the cluster.
    """

    def __init__(self, stack: Stack) -> None:
        self._url = stack.postgres.url

    def keep(self, template: str) -> None:
        """Keeps the stack's own database as it is now, to make copies of."""
        self._run(sql.SQL("create database {} template postgres").format(sql.Identifier(template)))

    def copy(self, template: str) -> Database:
        """A new database like the one kept."""
        name = f"copy_{secrets.token_hex(4)}"
        new = sql.Identifier(name)
        self._run(
            sql.SQL("create database {} template {} owner postgres").format(new, sql.Identifier(template))
        )
        self._run(sql.SQL('alter database {} set search_path to "$user", public, extensions').format(new))
        return Database(_renamed(self._url(), name), _renamed(self._url(SUPERUSER), name))

    def drop(self, database: Database) -> None:
        """Removes it, whoever is connected."""
        name = sql.Identifier(database.url.rpartition("/")[2])
        self._run(sql.SQL("drop database {} with (force)").format(name))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(_renamed(self._url(SUPERUSER), "template1"), autocommit=True) as db:
            db.execute(statement)


def _renamed(url: str, database: str) -> str:
    return f"{url.rpartition('/')[0]}/{database}"


@dataclass(frozen=True)
class Api:
    """The running API. `call` is a caller's view of it, `store` the operator's, and the functions'."""

    url: str
    publishable_key: str
    secret_key: str

    def store(self) -> OperatorStore:
        """A client with the secret key; close it."""
        return OperatorStore(self.url, self.secret_key)

    def person(self, role: str | None = None) -> Person:
        """Somebody new who is signed in, with a role of ours or none."""
        email = f"{secrets.token_hex(6)}@example.org"
        person = sign_up(self.url, self.publishable_key, email, secrets.token_urlsafe(12))
        if role is not None:
            with self.store() as store:
                store.grant_role(email, role)
        return person

    def call(self, function: str, *, person: Person | None = None, **arguments: object) -> httpx.Response:
        """Calls an RPC as somebody signed in, or as nobody."""
        headers = {"apikey": self.publishable_key}
        if person is not None:
            headers["authorization"] = f"Bearer {person.token}"
        return httpx.post(f"{self.url}/rest/v1/rpc/{function}", headers=headers, json=arguments, timeout=60)
