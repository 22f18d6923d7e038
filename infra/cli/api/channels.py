"""Channels, and the ledger of what was delivered to them."""

from collections.abc import Mapping
from typing import Any

from watchkeeper.store import Json, Store


class Channels(Store):
    """Admins configure, responders try again, everybody with a role reads."""

    def save_channel(self, channel: Mapping[str, Any]) -> Json:
        """Create the channel, or replace the one of that name; returns it whole."""
        return self._object("save_channel", {"channel": channel}, repeatable=True)

    def delete_channel(self, name: str) -> None:
        """Remove the channel; what waits for it is routed anew. Its ledger stays.

        PT404: there is none. PT409: an escalation or a plan of reports still uses it.
        """
        self._rpc("delete_channel", {"name": name})

    def list_channels(self) -> list[Json]:
        """Every channel with its status, how many are `pending` and `dead`, and its last error."""
        return self._rows("list_channels", {}, repeatable=True)

    def send_test(self, channel: str) -> Json:
        """Enqueue a test message; returns its line in the ledger. PT409: the channel is switched off."""
        return self._object("send_test", {"channel": channel})

    def list_deliveries(
        self,
        alert_id: str | None = None,
        channel: str | None = None,
        status: str | None = None,
        before_seq: int | None = None,
        max_rows: int = 50,
    ) -> list[Json]:
        """The ledger, newest first; `before_seq` pages on."""
        args = {"alert_id": alert_id, "channel": channel, "status": status, "before_seq": before_seq}
        return self._rows("list_deliveries", {**args, "max_rows": max_rows}, repeatable=True)

    def retry_delivery(self, delivery_id: str) -> Json:
        """Try a dead letter once more, or a waiting one at once; returns its new line in the ledger.

        PT404: there is no such line. PT409: it was sent or cancelled, is tried again already, or its channel is gone.
        """
        return self._object("retry_delivery", {"delivery_id": delivery_id})

    def get_alert_latency(self, window_s: int = 604_800) -> list[Json]:
        """How long alerts took from due and detected to delivered, in seconds, per kind of check."""
        return self._rows("get_alert_latency", {"window_s": window_s}, repeatable=True)
