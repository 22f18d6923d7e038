"""What goes out: a message, the channel it takes, and how its delivery ended. No I/O."""

from hashlib import sha256
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from watchkeeper.model import Model, Received
from watchkeeper.notices import AlertNotice, IncidentNotice, ReportNotice, Subject

Event = Literal["trigger", "escalate", "remind", "acknowledge", "update", "resolve", "report", "test"]


class Channel(Received):
    """A configured destination. `secrets` says where each secret is kept, never what it is."""

    id: UUID
    name: str
    kind: str
    config: dict[str, Any] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(default_factory=dict)


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
