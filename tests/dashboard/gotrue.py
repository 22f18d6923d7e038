"""The second factor of Supabase Auth, played for one browser: the local API has none, and the real one cannot run here.

Played as it documents itself and as the types of @supabase/auth-js have it: /factors, /factors/ID/challenge,
/factors/ID/verify, and the person's factors in whatever answers with a person. The codes are real ones (RFC 6238), and
so are the tokens: signed with the installation's secret, so that the database itself judges `aal`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
import time
from typing import Any
from uuid import uuid4

from playwright.sync_api import Page, Route

from tests.dashboard.site import Site

Json = dict[str, Any]

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
QR = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" width="200" height="200">'
    + "".join(
        f'<rect x="{8 * (n % 25)}" y="{8 * (n // 25)}" width="8" height="8" fill="#000"/>'
        for n in range(625)
        if hashlib.sha256(bytes([n % 251, n // 25])).digest()[0] % 2
    )
    + "</svg>"
)


STEP_S = 30


def code_of(secret: str, ago_s: int = 0) -> str:
    """What an authenticator app shows now, or showed then."""
    step = (int(time.time()) - ago_s) // STEP_S
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def wrong_code(secret: str) -> str:
    """Six digits that are not it, whatever the second."""
    return f"{(int(code_of(secret)) + 500_000) % 1_000_000:06}"


class Gotrue:
    """The factors of the one person who signs in there."""

    def __init__(self, page: Page, site: Site) -> None:
        self.factors: list[Json] = []
        self._key = site.jwt_secret
        self._strong = False
        self._refresh = ""
        page.route("**/auth/v1/factors**", self._factor)
        page.route("**/auth/v1/user", self._person)
        page.route("**/auth/v1/token?**", self._session)

    def _factor(self, route: Route) -> None:
        request = route.request
        _, _, rest = request.url.partition("/factors")
        factor_id, _, verb = rest.strip("/").partition("/")
        given = request.post_data_json or {}
        if not factor_id:
            factor = {
                "id": str(uuid4()), "status": "unverified", "factor_type": given["factor_type"],
                "friendly_name": given["friendly_name"], "created_at": "2026-11-01T10:00:00Z",
            }  # fmt: skip
            self.factors.append(factor)
            totp = {"qr_code": QR, "secret": SECRET, "uri": f"otpauth://totp/x?secret={SECRET}"}
            said = {
                "id": factor["id"],
                "type": "totp",
                "friendly_name": factor["friendly_name"],
                "totp": totp,
            }
            return _answer(route, 200, said)
        (factor,) = (each for each in self.factors if each["id"] == factor_id)
        if request.method == "DELETE":
            if factor["status"] == "verified" and not self._strong:
                return _answer(
                    route, 422, _problem("insufficient_aal", "AAL2 required to unenroll verified factor")
                )
            self.factors.remove(factor)
            self._strong = bool(self.factors)
            return _answer(route, 200, {"id": factor_id})
        if verb == "challenge":
            return _answer(
                route, 200, {"id": str(uuid4()), "type": "totp", "expires_at": int(time.time()) + 300}
            )
        # Supabase Auth takes the code before, too: it may have changed while it was typed.
        if given["code"] not in {code_of(SECRET), code_of(SECRET, STEP_S)}:
            return _answer(route, 422, _problem("mfa_verification_failed", "Invalid TOTP code entered"))
        factor["status"] = "verified"
        self._strong = True
        token = request.headers["authorization"].removeprefix("Bearer ")
        user = {"id": _claims(token)["sub"], "email": _claims(token).get("email"), "factors": self.factors}
        session = {"token_type": "bearer", "expires_in": 3600, "refresh_token": self._refresh, "user": user}
        return _answer(route, 200, {**session, "access_token": self._signed(token)})

    def _person(self, route: Route) -> None:
        person = route.fetch().json()
        _answer(route, 200, {**person, "factors": self.factors})

    def _session(self, route: Route) -> None:
        """By a password one has one factor; a renewed session keeps what it had."""
        reply = route.fetch()
        session = reply.json()
        if reply.ok:
            self._strong = self._strong and "grant_type=refresh_token" in route.request.url
            self._refresh = session["refresh_token"]
            session["user"]["factors"] = self.factors
            session["access_token"] = self._signed(session["access_token"])
        _answer(route, reply.status, session)

    def _signed(self, token: str) -> str:
        """The API's own token, with the level that this session has."""
        head = token.partition(".")[0]
        claims = {**_claims(token), "aal": "aal2" if self._strong else "aal1"}
        body = f"{head}.{_packed(json.dumps(claims).encode())}"
        return f"{body}.{_packed(hmac.digest(self._key.encode(), body.encode(), 'sha256'))}"


def _claims(token: str) -> Json:
    body = token.split(".")[1]
    claims: Json = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _problem(code: str, message: str) -> Json:
    return {"code": 422, "error_code": code, "msg": message}


def _answer(route: Route, status: int, body: Json) -> None:
    headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "application/json"}
    route.fulfill(status=status, headers=headers, body=json.dumps(body))
