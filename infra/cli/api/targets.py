"""Targets, and the metrics that are recorded of them or by tools."""

from collections.abc import Mapping, Sequence
from typing import Any

from watchkeeper.store import Json, Store


class Targets(Store):
    """Admins change, responders have one checked, tools record, everybody with a role reads.

    PT404 of a `target_id`: there is no such target.
    """

    def save_target(self, target: Mapping[str, Any]) -> Json:
        """Create the target, or replace the one of that id or name; returns it whole."""
        return self._object("save_target", {"target": target}, repeatable=True)

    def apply_targets(
        self, targets: Sequence[Mapping[str, Any]], *, prune: bool = False, dry_run: bool = False
    ) -> dict[str, list[str]]:
        """Save all targets or none; returns the names created, changed, unchanged and deleted."""
        args = {"targets": list(targets), "prune": prune, "dry_run": dry_run}
        return self._object("apply_targets", args)

    def pause_target(self, target_id: str, *, paused: bool = True) -> Json:
        """Stop checking the target, or go on; returns it."""
        return self._object("pause_target", {"target_id": target_id, "paused": paused}, repeatable=True)

    def delete_target(self, target_id: str) -> None:
        """Remove the target with all that was recorded of it."""
        self._rpc("delete_target", {"target_id": target_id})

    def run_check_now(self, target_id: str, kind: str | None = None) -> Json:
        """Make the target's checks due, {due} of them; the next tick claims them. PT409: it is paused."""
        return self._object("run_check_now", {"target_id": target_id, "kind": kind}, repeatable=True)

    def list_targets(self) -> list[Json]:
        """Every target with its settings, status and newest values."""
        return self._rows("list_targets", {}, repeatable=True)

    def get_metric_series(
        self, target_id: str, metric_name: str, from_time: str, to_time: str, *, points: int = 200
    ) -> list[Json]:
        """One metric over time, in that many points of {at, avg, min, max, n}."""
        args = {"target_id": target_id, "metric_name": metric_name, "points": points}
        span = {"from_time": from_time, "to_time": to_time}
        return self._rows("get_metric_series", {**args, **span}, repeatable=True)

    def record_system_metric(
        self,
        metric_name: str,
        metric_value: float | str,
        metric_unit: str | None = None,
        severity: str = "info",
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Record one value; a critical one opens an alert. Returns the row's id."""
        args = {
            "metric_name_param": metric_name,
            "metric_value_param": metric_value,
            "metric_unit_param": metric_unit,
            "severity_param": severity,
            "metadata_param": metadata or {},
        }
        return str(self._rpc("record_system_metric", args))
