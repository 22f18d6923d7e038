"""What a message can be about: an alert, an incident or a report, as it is told to people and services. No I/O."""

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from watchkeeper.model import Received, Severity

IncidentSeverity = Literal["low", "medium", "high", "critical"]
IncidentStatus = Literal["open", "investigating", "resolved", "closed"]

LEVELS: dict[IncidentSeverity, Severity] = {
    "low": "info",
    "medium": "warning",
    "high": "error",
    "critical": "critical",
}


class LastValue(Received):
    """The newest value of a metric; not `known`: it was once, at `observed_at`."""

    name: str
    value: str | None
    unit: str | None = None
    observed_at: AwareDatetime | None = None
    known: bool = True


class Notice(Received):
    """What a message is about. What services sort by has one name for all of them."""

    noun: ClassVar[str]
    id: UUID

    @property
    def level(self) -> Severity:
        return "info"

    @property
    def place(self) -> str:
        """Where it is, in a word."""
        return "watchkeeper"

    @property
    def topic(self) -> str:
        """What kind of trouble it is, in a word."""
        return self.noun

    @property
    def group(self) -> object:
        """The network."""
        return None

    @property
    def began_at(self) -> datetime | None:
        return None


class AlertNotice(Notice):
    """An alert as it is told to people and services."""

    noun = "alert"
    target: str | None = None
    alert_type: str
    severity: Severity
    message: str
    source: str | None = None
    status: Literal["firing", "resolved"] = "firing"
    occurrences: int = 1
    first_seen_at: AwareDatetime
    created_at: AwareDatetime
    resolved_at: AwareDatetime | None = None
    resolution: str | None = None
    acknowledged: bool = False
    acknowledged_by_email: str | None = None
    acknowledged_at: AwareDatetime | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    values: tuple[LastValue, ...] = ()

    @property
    def level(self) -> Severity:
        return self.severity

    @property
    def place(self) -> str:
        """The target, or whoever reported it."""
        return self.target or self.source or super().place

    @property
    def topic(self) -> str:
        return self.alert_type

    @property
    def group(self) -> object:
        return self.metadata.get("network")

    @property
    def began_at(self) -> datetime:
        return self.first_seen_at


class IncidentNotice(Notice):
    """An incident as it is told. `change`: what made this message, in words."""

    noun = "incident"
    incident_type: str = "manual"
    title: str
    severity: IncidentSeverity
    status: IncidentStatus
    description: str | None = None
    affected_systems: tuple[str, ...] = ()
    network: str | None = None
    assigned_to_email: str | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime | None = None
    resolved_at: AwareDatetime | None = None
    resolution_notes: str | None = None
    change: str | None = None

    @property
    def over(self) -> bool:
        return self.status in ("resolved", "closed")

    @property
    def level(self) -> Severity:
        return "info" if self.over else LEVELS[self.severity]

    @property
    def place(self) -> str:
        return ", ".join(self.affected_systems) or self.network or super().place

    @property
    def topic(self) -> str:
        return self.incident_type

    @property
    def group(self) -> object:
        return self.network

    @property
    def began_at(self) -> datetime:
        return self.created_at


class ReportSummary(Received):
    """The numbers of a report that fit into a message. None: not measured, or not asked for."""

    availability_percent: float | None = None
    objective_percent: float | None = None
    met: bool | None = None
    incidents: int | None = None


class ReportFile(Received):
    """A file of a report, for whoever wants to know that they got all of it."""

    format: str
    bytes: int | None = None
    sha256: str | None = None


class ReportNotice(Notice):
    """A report that is made. `links` work until `links_expire_at`."""

    noun = "report"
    title: str
    kind: str = "sla"
    from_time: AwareDatetime = Field(alias="from")
    to_time: AwareDatetime = Field(alias="to")
    summary: ReportSummary = ReportSummary()
    links: dict[str, str] = Field(default_factory=dict)
    links_expire_at: AwareDatetime | None = None
    files: tuple[ReportFile, ...] = ()

    @field_validator("summary", "links", "files", mode="before")
    @classmethod
    def _none_yet(cls, given: object, info: ValidationInfo) -> object:
        """Null while the files are being made anew: the message goes out without them."""
        field = cls.model_fields[info.field_name or ""]
        return field.get_default(call_default_factory=True) if given is None else given


Subject = AlertNotice | IncidentNotice | ReportNotice
"""What a message can be about."""
