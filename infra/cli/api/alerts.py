"""Alerts, and the silences that hold them back."""

from collections.abc import Mapping
from typing import Any

from watchkeeper.store import Json, Store


class Alerts(Store):
    """Reading is for everybody with a role; responders silence."""

    def list_alerts(
        self,
        status: str | None = None,
        severity: str | None = None,
        target_id: str | None = None,
        before: str | None = None,
        max_rows: int = 50,
    ) -> list[Json]:
        """Alerts, newest first; `before` pages on. `status`: firing or resolved."""
        args = {"status": status, "severity": severity, "target_id": target_id, "before": before}
        return self._rows("list_alerts", {**args, "max_rows": max_rows}, repeatable=True)

    def save_silence(self, silence: Mapping[str, Any]) -> Json:
        """Create the silence, or replace the one of that id; returns it with its `id`.

        Not repeated after a lost reply: without an id it would be a second one.
        """
        return self._object("save_silence", {"silence": silence})

    def end_silence(self, silence_id: str) -> None:
        """End the silence now. PT404: there is none."""
        self._rpc("end_silence", {"silence_id": silence_id})

    def list_silences(self) -> list[Json]:
        """Every silence and maintenance window; whether it is `active`, and `until` when."""
        return self._rows("list_silences", {}, repeatable=True)

    def preview_silence(self, silence: Mapping[str, Any]) -> Json:
        """What the silence would hold back if it were active now: {active, alerts, fired_in_30_days}."""
        return self._object("preview_silence", {"silence": silence}, repeatable=True)
