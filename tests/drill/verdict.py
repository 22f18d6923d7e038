"""Compares what the database says with what the receivers kept. Pure: rows and arrivals in, violations out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.drill.receivers import GONE, Arrival
from tests.drill.site import EVERYBODY_ELSE, TEAMS


@dataclass(frozen=True)
class Alert:
    """`fired` and `resolved` are from the transitions, not from the outbox."""

    id: str
    alert_type: str
    team: str | None
    fired: bool
    resolved: bool


@dataclass(frozen=True)
class Row:
    """One delivery of the ledger."""

    seq: int
    alert_id: str
    channel: str
    event: str
    key: str
    status: str
    error: str | None = None


@dataclass
class Verdict:
    """`distinct` and `repeats` count deliveries by channel and event."""

    violations: list[str] = field(default_factory=list)
    ledger: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    distinct: Counter[tuple[str, str]] = field(default_factory=Counter)
    repeats: Counter[tuple[str, str]] = field(default_factory=Counter)


def judge(
    alerts: Sequence[Alert], rows: Sequence[Row], arrivals: Iterable[Arrival], merged: Mapping[str, list[str]]
) -> Verdict:
    """`merged`: the keys that went out under one."""
    verdict = Verdict()
    first = _first_arrivals(verdict, {row.key: row for row in rows}, arrivals, merged)
    for row in rows:
        verdict.ledger[row.channel, row.event, row.status] += 1
        _judge_row(verdict, row, first)
    by_way: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.seq):
        by_way[row.alert_id, row.channel].append(row)
    for way in by_way.values():
        _judge_order(verdict, way, first)
    for alert in alerts:
        for channel in expected_channels(alert):
            _judge_duty(verdict, alert, channel, by_way[alert.id, channel])
    _judge_dead_letters(verdict, alerts, rows)
    return verdict


def expected_channels(alert: Alert) -> tuple[str, ...]:
    return TEAMS[alert.team] if alert.team else EVERYBODY_ELSE


def _first_arrivals(
    verdict: Verdict, rows: Mapping[str, Row], arrivals: Iterable[Arrival], merged: Mapping[str, list[str]]
) -> dict[str, int]:
    """When each delivery came first, counted in arrivals."""
    first: dict[str, int] = {}
    for n, arrival in enumerate(arrivals):
        for key in merged.get(arrival.key, [arrival.key]):
            row = rows.get(key)
            if row is None or row.channel != arrival.channel:
                verdict.violations.append(f"{arrival.channel} kept {key}, which the ledger does not know")
                continue
            if arrival.event and (arrival.event, arrival.alert_ids) != (row.event, (row.alert_id,)):
                verdict.violations.append(f"{key} arrived as {arrival.event} of {arrival.alert_ids}")
            counter = verdict.repeats if key in first else verdict.distinct
            counter[row.channel, row.event] += 1
            first.setdefault(key, n)
    return first


def _judge_row(verdict: Verdict, row: Row, first: Mapping[str, int]) -> None:
    if row.status == "pending":
        verdict.violations.append(f"{row.key} is still pending: {row.error}")
    elif row.status == "sent" and row.key not in first:
        verdict.violations.append(f"LOST: {row.key} is said to be sent and did not arrive")
    elif row.status in ("dead", "cancelled") and row.channel != GONE:
        verdict.violations.append(f"{row.key} is {row.status}, and {row.channel} takes messages: {row.error}")


def _judge_order(verdict: Verdict, way: Sequence[Row], first: Mapping[str, int]) -> None:
    """In the order of the ledger, so a resolve after its trigger; and each event that is told once has one key."""
    came = [row for row in way if row.key in first]
    for earlier, later in pairwise(came):
        if first[earlier.key] > first[later.key]:
            verdict.violations.append(f"ORDER: {later.key} arrived before {earlier.key}")
    for event, count in Counter(row.event for row in way).items():
        if event in ("trigger", "resolve", "acknowledge") and count > 1:
            verdict.violations.append(f"{way[0].alert_id} has {count} keys for {event} at {way[0].channel}")


def _judge_duty(verdict: Verdict, alert: Alert, channel: str, way: Sequence[Row]) -> None:
    """The alert's own history says what must have been told, whatever the outbox holds."""
    done = "dead" if channel == GONE else "sent"
    told = {(row.event, row.status) for row in way}
    if alert.fired and ("trigger", done) not in told:
        verdict.violations.append(f"LOST: {channel} was never told that {alert.id} fired")
    if alert.resolved and channel != GONE and ("resolve", "sent") not in told:
        verdict.violations.append(f"LOST: {channel} was never told that {alert.id} is resolved")


def _judge_dead_letters(verdict: Verdict, alerts: Sequence[Alert], rows: Sequence[Row]) -> None:
    """That something died has to be told by another channel; _judge_duty sees to its arrival."""
    dead = any(row.status == "dead" for row in rows)
    if dead and not any(alert.alert_type == "delivery_dead" and alert.fired for alert in alerts):
        verdict.violations.append("there are dead letters and no alert about them")
