"""Who may: the roles of people, and the tokens of tools."""

from watchkeeper.store import Json, Store


class Members(Store):
    """For admins. Roles of people: admin, responder, viewer, auditor."""

    def grant_role(self, email: str, role: str) -> Json:
        """Give the person a role in place of the one they have: {email, role, user_id, granted_at}.

        PT404: nobody has signed up so. PT409: several accounts have the address, or this is the last admin.
        """
        return self._object("grant_role", {"email": email, "role": role}, repeatable=True)

    def revoke_role(self, email: str) -> Json:
        """Take the person's role away; returns what it was. PT404: they have none. PT409: this is the last admin."""
        return self._object("revoke_role", {"email": email})

    def list_members(self) -> list[Json]:
        """Who has which role: {email, role, user_id, granted_at}."""
        return self._rows("list_members", {}, repeatable=True)

    def create_api_token(self, name: str, role: str, expires_in_days: int = 90) -> Json:
        """Register a token of a tool; returns the claims to be signed: {jti, name, role, created_at, expires_at}.

        `role`: watchkeeper_ingest or watchkeeper_metrics. PT409: there is a token of this name. Not repeated after a
        lost reply: the name is taken then.
        """
        args = {"name": name, "role": role, "expires_in_days": expires_in_days}
        return self._object("create_api_token", args)

    def revoke_api_token(self, name: str) -> None:
        """End the token of that name. PT404: there is none, or it is revoked already."""
        self._rpc("revoke_api_token", {"name": name})

    def list_api_tokens(self) -> list[Json]:
        """Which tools have a token, had one, and when it was used last; never the token itself."""
        return self._rows("list_api_tokens", {}, repeatable=True)
