"""The nouns of Watchkeeper. No I/O; everything is frozen, finite and checked where it is made."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

KINDS = ("blockchain", "p2p", "mempool", "quantum", "economics", "uptime")

Outcome = Literal["ok", "fail", "unknown"]
State = Literal["breach", "clear", "unknown"]
Severity = Literal["info", "warning", "error", "critical"]
SampleSeverity = Literal["info", "warning", "critical"]
IncidentSeverity = Literal["low", "medium", "high", "critical"]
IncidentStatus = Literal["open", "investigating", "resolved", "closed"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error", "critical")
LEVELS: dict[IncidentSeverity, Severity] = {
    "low": "info",
    "medium": "warning",
    "high": "error",
    "critical": "critical",
}

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A whole number that fits a Postgres bigint."""
Number = int | float | Decimal


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


def worst(*severities: Severity) -> Severity:
    return max(severities, key=SEVERITIES.index)


class Task(BaseModel):
    """One due check, as `claim_due_checks` returns it and as it travels through the queue.

    Keys it does not know are left alone: a database one migration ahead must not blind the functions.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, defer_build=True)

    probe_id: UUID | None = Field(default=None, description="a target that is only tried out, not recorded")
    check_id: UUID
    target_id: UUID
    target: str
    kind: str
    due_at: AwareDatetime
    region: str | None = Field(default=None, description="whose look it is, where several regions must agree")
    delay_s: float = Field(default=0, ge=0, description="seconds until due, by the database's clock")
    interval_s: int = Field(ge=1)
    timeout_s: float = Field(gt=0)
    chain: str | None = None
    network: str | None = None
    endpoint: str | None = None
    settings: dict[str, Any] = {}
    params: dict[str, Any] = {}
    correlation_id: str | None = Field(default=None, description="the tick that claimed it")


class Head(Model):
    """The newest block a target knows. None: not known."""

    height: Count | None
    total_blocks: Count | None
    hash: str | None = None
    block_at: AwareDatetime | None
    avg_block_time_s: Decimal | None = Field(default=None, ge=0)
    syncing: bool | None = None
    sync_lag_blocks: Count | None = None
    observed_at: AwareDatetime | None = Field(default=None, description="the source's clock; None: take ours")


class Peers(Model):
    """The neighbours of a node. `active`: usable now; reputation 0..100 points over those not banned."""

    active: Count | None
    total: Count | None = None
    avg_reputation: Decimal | None = Field(default=None, ge=0)
    observed_at: AwareDatetime | None = None


class Mempool(Model):
    """Transactions that wait. Fees in the chain's own token, exact."""

    pending: Count | None
    queued: Count | None = None
    total_fees: Decimal | None = None
    size_bytes: Count | None = None
    oldest_at: AwareDatetime | None = None
    observed_at: AwareDatetime | None = None


class Keys(Model):
    """Cached keys. `active` leaves out expired ones; hits and lookups count the settings' cache window."""

    active: Count | None
    total: Count | None = None
    expiring_7d: Count | None = None
    cache_hits: Count | None = None
    cache_lookups: Count | None = None
    observed_at: AwareDatetime | None = None


class Economy(Model):
    """Sums over all balances, in tokens, exact."""

    accounts: Count | None
    active_accounts: Count | None = None
    supply: Decimal | None = None
    locked: Decimal | None = None
    earned: Decimal | None = None
    spent: Decimal | None = None
    negative_accounts: Count | None = None
    observed_at: AwareDatetime | None = None


class Probe(Model):
    """One try to reach a service. `url` is as asked, secrets and all; `error`: why it was not reached."""

    url: str
    reached: bool
    status: int | None = None
    latency_ms: float | None = Field(default=None, ge=0)
    body: str = Field(default="", description="the first part of the body, when asked for")
    tls_not_after: AwareDatetime | None = None
    error: str | None = None


class Sample(Model):
    """One measured number. A number that is not known has no sample."""

    name: str
    value: Decimal
    unit: str | None = None
    severity: SampleSeverity = "info"


class Finding(Model):
    """What one rule says now. The database counts findings against the thresholds and moves the alert."""

    alert_type: str
    state: State
    severity: Severity
    message: str
    failure_threshold: int = Field(default=1, ge=1)
    success_threshold: int = Field(default=1, ge=1)

    def sample_severity(self) -> SampleSeverity:
        """How to mark the number behind this finding."""
        if self.state != "breach":
            return "info"
        return "critical" if self.severity == "critical" else "warning"


class UptimeReading(Model):
    """One row of `uptime_checks`; `endpoint` is redacted. `is_up` None: could not tell."""

    service_name: str
    endpoint: str
    status_code: int | None = None
    response_time_ms: float | None = Field(default=None, ge=0)
    is_up: bool | None
    error_message: str | None = None


class CheckResult(Model):
    """One finished run, as `record_check_results` takes it."""

    check_id: UUID
    due_at: AwareDatetime
    region: str | None = None
    outcome: Outcome
    reason: str | None = None
    started_at: AwareDatetime
    finished_at: AwareDatetime
    samples: tuple[Sample, ...] = ()
    findings: tuple[Finding, ...] = ()
    blind_threshold: int = Field(default=3, ge=1)
    uptime: UptimeReading | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; decimals as text, so that nothing is rounded on the way."""
        return self.model_dump(mode="json", exclude=None if self.region else {"region"})


Event = Literal["trigger", "escalate", "remind", "acknowledge", "update", "resolve", "report", "test"]


class Received(BaseModel):
    """What the database tells. Keys it does not know are left alone, as in a Task."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, defer_build=True)


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
    metadata: dict[str, Any] = {}
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
    links: dict[str, str] = {}
    links_expire_at: AwareDatetime | None = None
    files: tuple[ReportFile, ...] = ()

    @field_validator("summary", "links", "files", mode="before")
    @classmethod
    def _none_yet(cls, given: object, info: ValidationInfo) -> object:
        """Null while the files are being made anew: the message goes out without them."""
        return cls.model_fields[info.field_name or ""].default if given is None else given


Subject = AlertNotice | IncidentNotice | ReportNotice
"""What a message can be about."""


class Channel(Received):
    """A configured destination. `secrets` says where each secret is kept, never what it is."""

    id: UUID
    name: str
    kind: str
    config: dict[str, Any] = {}
    secrets: dict[str, str] = {}


class Delivery(Received):
    """One row of the outbox. `dedup_key` is the same for every attempt; about nothing: a test message."""

    id: UUID
    dedup_key: str
    attempt: int = 1
    why: str = ""
    created_at: AwareDatetime
    thread: dict[str, Any] | None = None
    alert: AlertNotice | None = None
    incident: IncidentNotice | None = None
    report: ReportNotice | None = None

    @property
    def subject(self) -> Subject | None:
        return self.alert or self.incident or self.report


class Message(Received):
    """What goes out at once, as `claim_deliveries` returns it: one delivery, or several merged."""

    lease_id: UUID
    event: Event
    channel: Channel
    deliveries: tuple[Delivery, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _tells_of_something(self) -> Self:
        if self.event != "test" and not all(delivery.subject for delivery in self.deliveries):
            raise ValueError("a delivery is about nothing")
        return self

    def alerts(self) -> list[AlertNotice]:
        return [delivery.alert for delivery in self.deliveries if delivery.alert]

    @property
    def subject(self) -> Subject | None:
        """What it is about, if that is one thing."""
        return None if self.merged else self.deliveries[0].subject

    @property
    def merged(self) -> bool:
        return len(self.deliveries) > 1

    @property
    def dedup_key(self) -> str:
        """The same for every attempt at these deliveries."""
        keys = sorted(delivery.dedup_key for delivery in self.deliveries)
        return f"merged:{sha256(' '.join(keys).encode()).hexdigest()}" if self.merged else keys[0]

    @property
    def thread(self) -> dict[str, Any] | None:
        """Where the message before this one is, if all deliveries had the same."""
        first = self.deliveries[0].thread
        return first if all(delivery.thread == first for delivery in self.deliveries) else None

    @property
    def outdated(self) -> dict[str, Any] | None:
        """The first message, if what it says is no longer so; what tells of others too is left alone."""
        changed = self.event in ("update", "resolve")
        return self.thread if changed and self.thread and not self.thread.get("shared") else None


class Receipt(Model):
    """What the service said. `thread`: what it takes to answer under this message later."""

    provider_id: str | None = None
    thread: dict[str, Any] | None = None


class Settlement(Model):
    """How one delivery ended, as `settle_deliveries` takes it."""

    delivery_id: UUID
    lease_id: UUID
    outcome: Literal["sent", "retry", "dead"]
    provider_id: str | None = Field(default=None, max_length=500)
    thread: dict[str, Any] | None = None
    error: str | None = Field(default=None, max_length=500)
    retry_after_s: float | None = Field(default=None, ge=0, le=86400)

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def samples(
    units: Mapping[str, str | None],
    values: Mapping[str, Number | None],
    severities: Mapping[str, SampleSeverity] | None = None,
) -> tuple[Sample, ...]:
    """A sample for each value that is known; `units` names the metrics a check may give."""
    marks = severities or {}
    return tuple(
        Sample(name=name, value=Decimal(str(value)), unit=units[name], severity=marks.get(name, "info"))
        for name, value in values.items()
        if value is not None
    )
