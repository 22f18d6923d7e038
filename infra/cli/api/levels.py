"""Service levels: uptime, the objectives it is held against, and the months that are closed."""

from collections.abc import Mapping
from typing import Any

from watchkeeper.store import Json, Store


class Levels(Store):
    """Admins promise, everybody with a role reads. Spans are `..._s`, in seconds; a percent that is None is unknown."""

    def get_uptime_summary(
        self, target_id: str | None = None, *, days: int = 90, time_zone: str = "UTC"
    ) -> Json:
        """Up, down, unknown and maintenance of each of `targets`, over windows and day by day."""
        args = {"target_id": target_id, "days": days, "time_zone": time_zone}
        return self._object("get_uptime_summary", args, repeatable=True)

    def save_objective(self, objective: Mapping[str, Any]) -> Json:
        """Create the objective, or replace the one of that name; returns it whole."""
        return self._object("save_objective", {"objective": objective}, repeatable=True)

    def delete_objective(self, name: str) -> None:
        """Remove the objective; closed months keep theirs. PT404: there is none. PT409: a plan of reports uses it."""
        self._rpc("delete_objective", {"name": name})

    def list_objectives(self) -> list[Json]:
        """Every objective as it stands; last, without a name, what is in none."""
        return self._rows("list_objectives", {}, repeatable=True)

    def get_sla_report(
        self,
        from_time: str,
        to_time: str,
        match: Mapping[str, Any] | None = None,
        objective: str | None = None,
    ) -> Json:
        """Service levels of a period, held against an objective: {totals, targets, days, alerts, incidents, ...}."""
        args = {"from_time": from_time, "to_time": to_time, "match": match or {}, "objective": objective}
        return self._object("get_sla_report", args, repeatable=True)

    def list_sla_closes(self) -> list[Json]:
        """Every closed month, newest first; one that was removed is `missing`."""
        return self._rows("list_sla_closes", {}, repeatable=True)

    def get_sla_close(self, month: str) -> Json:
        """A closed month such as 2026-10, with its `report` and the `inputs` of that. PT404: it is not closed."""
        return self._object("get_sla_close", {"month": month}, repeatable=True)

    def verify_sla_close(self, month: str) -> Json:
        """Is the closed month what the tables still say: {ok, problems_count, problems, hash, month}.

        A problem is {where, closed, now}; at most 200 are told. PT404: the month is not closed.
        """
        return self._object("verify_sla_close", {"month": month}, repeatable=True)
