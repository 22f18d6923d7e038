"""Which alert goes where, and who is told when nobody reacts."""

from collections.abc import Mapping
from typing import Any

from watchkeeper.store import Json, Store


class Routes(Store):
    """Admins configure, everybody with a role reads."""

    def save_route(self, route: Mapping[str, Any]) -> Json:
        """Create the route, or replace the one of that name; returns it whole."""
        return self._object("save_route", {"route": route}, repeatable=True)

    def delete_route(self, name: str) -> None:
        """Remove the route. PT404: there is none."""
        self._rpc("delete_route", {"name": name})

    def list_routes(self) -> list[Json]:
        """Every route, in the order in which they are tried."""
        return self._rows("list_routes", {}, repeatable=True)

    def save_escalation(self, escalation: Mapping[str, Any]) -> Json:
        """Create the escalation, or replace the one of that name; returns it whole."""
        return self._object("save_escalation", {"escalation": escalation}, repeatable=True)

    def delete_escalation(self, name: str) -> None:
        """Remove the escalation. PT404: there is none. PT409: a route still uses it."""
        self._rpc("delete_escalation", {"name": name})

    def list_escalations(self) -> list[Json]:
        """Every escalation with its steps."""
        return self._rows("list_escalations", {}, repeatable=True)
