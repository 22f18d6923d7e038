"""The nouns of a check, from task to result. No I/O; everything is frozen, finite and checked where it is made."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
)

KINDS = ("blockchain", "p2p", "mempool", "quantum", "economics", "uptime")

Outcome = Literal["ok", "fail", "unknown"]
State = Literal["breach", "clear", "unknown"]
Severity = Literal["info", "warning", "error", "critical"]
SampleSeverity = Literal["info", "warning", "critical"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error", "critical")

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A whole number that fits a Postgres bigint."""
Number = int | float | Decimal


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Received(BaseModel):
    """What the database tells. Keys it does not know are left alone: one migration ahead must not blind functions."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, defer_build=True)


def worst(*severities: Severity) -> Severity:
    return max(severities, key=SEVERITIES.index)


class Task(Received):
    """One due check, as `claim_due_checks` returns it and as it travels through the queue."""

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
