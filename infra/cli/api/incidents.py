"""Incidents, with their timeline and their postmortem."""

from collections.abc import Sequence

from watchkeeper.store import Json, Store


class Incidents(Store):
    """Responders change, everybody with a role reads. What changes an incident returns it whole.

    `version` is the one that a change is based upon, each change makes the next. PT409 of it: somebody else changed
    the incident since. PT404 of an `incident_id`: there is none.
    """

    def create_incident(
        self,
        title: str,
        severity: str,
        description: str | None = None,
        affected_systems: Sequence[str] = (),
        *,
        incident_type: str = "manual",
        alert_ids: Sequence[str] = (),
    ) -> Json:
        """Open an incident. `severity`: low, medium, high or critical."""
        args = {
            "title": title,
            "severity": severity,
            "description": description,
            "incident_type": incident_type,
        }
        lists = {"affected_systems": list(affected_systems), "alert_ids": list(alert_ids)}
        return self._object("create_incident", {**args, **lists})

    def update_incident_status(
        self, incident_id: str, status: str, version: int, notes: str | None = None
    ) -> Json:
        """Investigating, resolved, closed, or open again. PT409 of `status`: not from where it is.

        `notes` say why; only for investigating they may be left out.
        """
        args = {"incident_id": incident_id, "status": status, "version": version, "notes": notes}
        return self._object("update_incident_status", args)

    def add_incident_note(self, incident_id: str, note: str, kind: str = "note") -> Json:
        """Write into the timeline: a note, or a remediation."""
        return self._object("add_incident_note", {"incident_id": incident_id, "note": note, "kind": kind})

    def assign_incident(self, incident_id: str, email: str | None, version: int) -> Json:
        """Who is on it; None: nobody."""
        args = {"incident_id": incident_id, "email": email, "version": version}
        return self._object("assign_incident", args)

    def change_incident_severity(self, incident_id: str, severity: str, version: int) -> Json:
        """How bad it is after all."""
        args = {"incident_id": incident_id, "severity": severity, "version": version}
        return self._object("change_incident_severity", args)

    def set_affected_systems(self, incident_id: str, affected_systems: Sequence[str], version: int) -> Json:
        """What it is about, in place of what was said before."""
        args = {"incident_id": incident_id, "affected_systems": list(affected_systems), "version": version}
        return self._object("set_affected_systems", args)

    def link_alert(self, incident_id: str, alert_id: str) -> Json:
        """The alert belongs to the incident. PT404 of `alert_id`: there is none."""
        args = {"incident_id": incident_id, "alert_id": alert_id}
        return self._object("link_alert", args, repeatable=True)

    def save_postmortem(self, incident_id: str, postmortem: str, version: int) -> Json:
        """Keep the postmortem, as Markdown."""
        args = {"incident_id": incident_id, "postmortem": postmortem, "version": version}
        return self._object("save_postmortem", args)

    def draft_postmortem(self, incident_id: str) -> str:
        """A postmortem to begin with, as Markdown, from the timeline."""
        return str(self._rpc("draft_postmortem", {"incident_id": incident_id}, repeatable=True))

    def get_incident(self, incident_id: str) -> Json:
        """The incident with its timeline, alerts and postmortem."""
        return self._object("get_incident", {"incident_id": incident_id}, repeatable=True)

    def list_incidents(
        self,
        status: str | None = None,
        severity: str | None = None,
        assigned_to: str | None = None,
        *,
        before: str | None = None,
        before_id: str | None = None,
        max_rows: int = 50,
        **filters: str | None,
    ) -> list[Json]:
        """Incidents, newest first; `before` and `before_id` page on. Also by network, search, from_time, to_time."""
        args = {"status": status, "severity": severity, "assigned_to": assigned_to, **filters}
        page = {"before": before, "before_id": before_id, "max_rows": max_rows}
        return self._rows("list_incidents", {**args, **page}, repeatable=True)
