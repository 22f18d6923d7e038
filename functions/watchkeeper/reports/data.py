"""What a report is made from, as the database tells it. What it leaves out or does not know is None or empty."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from watchkeeper.errors import clean

NAME_CHARS = 250
TEXT_CHARS = 2000


def _given(value: Any) -> Any:
    """A key with null in it is a key that is not there."""
    return (
        {key: part for key, part in value.items() if part is not None}
        if isinstance(value, Mapping)
        else value
    )


def _name(value: Any) -> Any:
    return (clean(value, NAME_CHARS) or "(no name)") if isinstance(value, str) else value


def _text(value: Any) -> str:
    return clean(value if isinstance(value, str) else str(value), TEXT_CHARS)


# Cleaned before they are looked at: half a character would be refused.
Name = Annotated[str, BeforeValidator(_name)]
Text = Annotated[str, BeforeValidator(_text)]
Seconds = Annotated[Decimal, Field(ge=0)] | None
Percent = Annotated[Decimal, Field(ge=0, le=100)] | None
Counted = Annotated[int, Field(ge=0)]
Numbers = Annotated[dict[str, Counted], BeforeValidator(_given)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        return _given(value)


class Measured(Part):
    """Seconds of each kind; together they are what was watched."""

    watched_s: Seconds = None
    up_s: Seconds = None
    down_s: Seconds = None
    unknown_s: Seconds = None
    maintenance_s: Seconds = None


class Level(Measured):
    """Seconds held against an objective."""

    availability_percent: Percent = None
    measured_percent: Percent = None
    budget_s: Seconds = None
    spent_s: Seconds = None
    met: bool | None = None

    @property
    def known_down_s(self) -> Decimal | None:
        """Of a time in which nothing was measured nobody can say that it had no downtime."""
        return self.down_s if self.down_s or self.up_s or self.availability_percent is not None else None


class Objective(Part):
    name: Name = "default"
    percent: Percent = None
    counts_unknown: Literal["apart", "down"] = "apart"


class Downtime(Part):
    from_at: AwareDatetime = Field(alias="from")
    to_at: AwareDatetime | None = Field(default=None, alias="to")
    seconds: Seconds = None


class Latency(Part):
    p50_ms: Seconds = None
    p95_ms: Seconds = None
    p99_ms: Seconds = None


class Target(Level):
    target_id: str = ""
    name: Name = "(no name)"
    network: Name | None = None
    watched_from: AwareDatetime | None = None
    watched_until: AwareDatetime | None = None
    downtimes: tuple[Downtime, ...] = ()
    downtimes_count: Counted | None = None
    latency: Latency = Latency()
    checks: Counted | None = None
    failures: Counted | None = None


class Day(Measured):
    day: date


class Incident(Part):
    id: str = ""
    title: Name = "(no title)"
    severity: Name = "unknown"
    status: Name = "unknown"
    created_at: AwareDatetime | None = None
    resolved_at: AwareDatetime | None = None


class Incidents(Part):
    count: Counted | None = None
    open: Counted | None = None
    by_severity: Numbers = {}
    mttr_s: Seconds = None
    list: tuple[Incident, ...] = ()


class Share(Part):
    """So many of so many."""

    within: Counted | None = None
    of: Counted | None = None
    percent: Percent = None

    @model_validator(mode="before")
    @classmethod
    def _of_any_limit(cls, value: Any) -> Any:
        """The count's key names its limit: within_5_min, within_30_s."""
        within = (
            [key for key in _given(value) if key.startswith("within_")] if isinstance(value, Mapping) else []
        )
        return {"within": value[within[0]], **_given(value)} if within else value


class Alerts(Part):
    count: Counted | None = None
    by_severity: Numbers = {}
    mtta_s: Seconds = None
    mttr_s: Seconds = None
    acknowledged: Share = Share()
    delivered: Share = Share()


class Goal(Level):
    """An objective of its own, as it stands."""

    name: Name = "(no name)"
    percent: Percent = None
    left_s: Decimal | None = None
    status: Name | None = None


class Close(Part):
    month: Annotated[str, Field(pattern=r"^\d{4}-\d{2}(-\d{2})?$")]
    hash: Annotated[str, Field(pattern=r"^(\\x)?[0-9a-fA-F]{8,128}$")]


class Period(Part):
    """What every kind of report has."""

    title: Name | None = None
    from_at: AwareDatetime = Field(alias="from")
    to_at: AwareDatetime = Field(alias="to")
    generated_at: AwareDatetime | None = None
    as_of: AwareDatetime | None = None

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.to_at <= self.from_at:
            raise ValueError("to: must be later than from")
        return self

    @property
    def made_at(self) -> AwareDatetime:
        return self.generated_at or self.as_of or self.to_at


class ServiceLevels(Period):
    match: dict[str, Any] | None = None
    rules: Annotated[dict[str, Text], BeforeValidator(_given)] = {}
    objective: Objective | None = None
    totals: Level = Level()
    targets: tuple[Target, ...] = ()
    days: tuple[Day, ...] = ()
    incidents: Incidents = Incidents()
    alerts: Alerts = Alerts()
    objectives: tuple[Goal, ...] = ()
    close: Close | None = None
