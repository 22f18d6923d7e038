"""Reports that are made in the cloud, and what they are made of."""

from collections.abc import Mapping
from typing import Any

from watchkeeper.store import Json, Store


class Reports(Store):
    """Admins plan, responders and auditors ask for one, everybody with a role reads."""

    def save_report_plan(self, plan: Mapping[str, Any]) -> Json:
        """Create the plan, or replace the one of that name; returns it whole."""
        return self._object("save_report_plan", {"plan": plan}, repeatable=True)

    def delete_report_plan(self, name: str) -> None:
        """Remove the plan; the reports made after it stay. PT404: there is none."""
        self._rpc("delete_report_plan", {"name": name})

    def list_report_plans(self) -> list[Json]:
        """Every plan, and the `newest` report made after it, None before the first."""
        return self._rows("list_report_plans", {}, repeatable=True)

    def request_report(self, from_time: str, to_time: str, **wanted: Any) -> Json:
        """Ask for a report: `kind`, `match`, `objective`, `formats`, `channels`, `title`. Returns it, not yet made.

        PT409: a hundred wait to be made already.
        """
        return self._object("request_report", {"from_time": from_time, "to_time": to_time, **wanted})

    def renew_report(self, report_id: str) -> Json:
        """New links to a report that was made, another try of one that failed; returns it.

        PT404: there is none. PT409: it waits or is being made already.
        """
        return self._object("renew_report", {"report_id": report_id})

    def list_reports(
        self, before: str | None = None, max_rows: int = 50, before_id: str | None = None
    ) -> list[Json]:
        """Reports, newest first; `before` and `before_id` page on. Links are shown for as long as they work."""
        args = {"before": before, "max_rows": max_rows, "before_id": before_id}
        return self._rows("list_reports", args, repeatable=True)

    def get_compliance_report(self, from_time: str, to_time: str) -> Json:
        """Who had access, what changed, and how the installation stands. For auditors and admins."""
        args = {"from_time": from_time, "to_time": to_time}
        return self._object("get_compliance_report", args, repeatable=True)
