"""Heartbeats: jobs that report in, and are missed when they do not."""

from collections.abc import Mapping
from typing import Any

from watchkeeper.store import Json, Store


class Heartbeats(Store):
    """Admins configure, everybody with a role reads; who has a heartbeat's token may report."""

    def save_heartbeat(self, heartbeat: Mapping[str, Any]) -> Json:
        """Create the heartbeat, or replace the one of that name. The `token` of a new one is shown this once."""
        return self._object("save_heartbeat", {"heartbeat": heartbeat})

    def delete_heartbeat(self, name: str) -> None:
        """Remove the heartbeat; its token is of no use any more. PT404: there is none."""
        self._rpc("delete_heartbeat", {"name": name})

    def list_heartbeats(self) -> list[Json]:
        """Every heartbeat with its status, its last event and when the next is due."""
        return self._rows("list_heartbeats", {}, repeatable=True)

    def record_heartbeat(self, token: str, event: str = "success", body: str | None = None) -> Json:
        """A job reports success, start or fail: {heartbeat, due_at}. PT404: no heartbeat has this token."""
        args = {"token": token, "event": event, "body": body}
        return self._object("record_heartbeat", args, repeatable=True)
