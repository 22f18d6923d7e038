"""Histories nobody would think of, against a model of the rules in twenty lines of Python."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.supabase.world import Db, Json, World, finding, result

KINDS = ("blockchain", "p2p", "mempool")
RANK = ["info", "warning", "error", "critical"]
ALERTS = ("endpoint_unreachable", "node_syncing")
SPEAKS_S = 2 * 60 + 10 + 30


@dataclass
class Rule:
    """What one check says of one alert type."""

    firing: bool = False
    failures: int = 0
    successes: int = 0


@dataclass
class Alert:
    severity: str
    occurrences: int
    first_seen: int
    last_seen: int


@dataclass
class Model:
    """The rules, said once more."""

    rules: dict[tuple[str, str], Rule] = field(default_factory=dict)
    firing: dict[str, Alert] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    recorded: set[tuple[str, int]] = field(default_factory=set)
    first_breach: dict[tuple[str, str], int] = field(default_factory=dict)
    opened: Counter[str] = field(default_factory=Counter)

    def record(
        self, kind: str, slot: int, outcome: str, findings: list[Json], at: int, blind_threshold: int
    ) -> str:
        if (kind, slot) in self.recorded:
            return "repeated"
        self.recorded.add((kind, slot))
        if slot <= self.newest.get(kind, -1) or slot <= at - SPEAKS_S:
            return "late"
        self.newest[kind] = slot
        self.apply(kind, slot, outcome, findings, at, blind_threshold)
        return "recorded"

    def apply(
        self, kind: str, slot: int, outcome: str, findings: list[Json], at: int, blind_threshold: int
    ) -> None:
        blind = finding(
            "breach" if outcome == "unknown" else "clear", "blind", "error", failure_threshold=blind_threshold
        )
        for each in (*findings, blind):
            if each["state"] != "unknown":
                self.judge((kind, each["alert_type"]), each, slot, at)

    def judge(self, key: tuple[str, str], said: Json, slot: int, at: int) -> None:
        rule, alert_type = self.rules.setdefault(key, Rule()), key[1]
        was = rule.firing
        if said["state"] == "breach":
            if rule.failures == 0 and not was:
                self.first_breach[key] = slot
            rule.failures, rule.successes = rule.failures + 1, 0
            rule.firing = was or rule.failures >= said.get("failure_threshold", 1)
            if rule.firing:
                self.raise_alert(
                    alert_type, said["severity"], 1 if was else rule.failures, self.first_breach[key], at
                )
        else:
            rule.failures, rule.successes = 0, rule.successes + 1
            rule.firing = was and rule.successes < said.get("success_threshold", 1)
            if was and not any(each.firing for (_, other), each in self.rules.items() if other == alert_type):
                self.firing.pop(alert_type)

    def raise_alert(self, alert_type: str, severity: str, occurrences: int, first_seen: int, at: int) -> None:
        alert = self.firing.get(alert_type)
        if alert is None:
            self.opened[alert_type] += 1
            self.firing[alert_type] = Alert(severity, occurrences, first_seen, at)
            return
        alert.severity = max(alert.severity, severity, key=RANK.index)
        alert.occurrences += occurrences
        alert.first_seen = min(alert.first_seen, first_seen)
        alert.last_seen = max(alert.last_seen, at)


severities = st.sampled_from(RANK)
said = st.fixed_dictionaries({
    alert_type: st.tuples(st.sampled_from(["breach", "breach", "clear", "clear", "unknown"]), severities)
    for alert_type in ALERTS
})  # fmt: skip
# One minute of one check: what came of it, when its result arrives (minutes later: late or missed), how often.
moment = st.fixed_dictionaries({
    "outcome": st.sampled_from(["ok", "fail", "unknown", "unknown"]),
    "said": said,
    "delay": st.sampled_from([0, 0, 0, 0, 1, 2, 99]),
    "copies": st.sampled_from([1, 1, 1, 2]),
})  # fmt: skip
history = st.lists(st.fixed_dictionaries(dict.fromkeys(KINDS, moment)), min_size=1, max_size=12)
thresholds = st.fixed_dictionaries({
    "failure_threshold": st.integers(1, 3), "success_threshold": st.integers(1, 3),
    "blind_threshold": st.integers(1, 3),
})  # fmt: skip


def findings_of(event: Json, limits: Json) -> list[Json]:
    """An unknown outcome judges nothing."""
    return [
        finding("unknown" if event["outcome"] == "unknown" else state, alert_type, severity,
                failure_threshold=limits["failure_threshold"], success_threshold=limits["success_threshold"])
        for alert_type, (state, severity) in event["said"].items()
    ]  # fmt: skip


def state(world: World) -> dict[str, Alert]:
    rows = world.db.rows(
        "select alert_type, severity, occurrences, first_seen_at, last_seen_at from system_alerts "
        "where status = 'firing'"
    )
    assert len({row[0] for row in rows}) == len(rows), "two firing alerts of one kind"

    def seconds(at: Any) -> int:
        return int((at - world.start).total_seconds())

    return {row[0]: Alert(row[1], row[2], seconds(row[3]), seconds(row[4])) for row in rows}


def play(world: World, events: list[Json], limits: Json) -> None:
    world.never_flapping()
    world.target(
        checks={
            kind: {"interval_s": 60, "params": {"blind_threshold": limits["blind_threshold"]}}
            for kind in KINDS
        }
    )
    model = Model()
    waiting: list[tuple[int, Json, Json]] = []
    kinds = {world.check_id(world.targets(0)[0], kind): kind for kind in KINDS}
    for minute in range(len(events) + 4):
        at = 60 * minute
        missed_before = {(row[0], row[1]) for row in missed(world)}
        tasks = world.tick(at)
        for check_id, due_at in missed(world):
            if (check_id, due_at) not in missed_before:
                slot = round((due_at - world.start).total_seconds())
                if slot > model.newest.get(kinds[str(check_id)], -1):
                    model.apply(kinds[str(check_id)], slot, "unknown", [], at, limits["blind_threshold"])
        assert state(world) == model.firing, "after the tick"
        if minute < len(events):
            waiting += [(minute + events[minute][task["kind"]]["delay"], task, events[minute][task["kind"]])
                        for task in tasks if task["delay_s"] == 0]  # fmt: skip
        for n, (when, task, event) in enumerate(waiting):
            if when != minute:
                continue
            for copy in range(event["copies"]):
                now = at + 30 + n % 20
                slot = 60 * int((World.moment(task["due_at"]) - world.start).total_seconds() // 60)
                findings = findings_of(event, limits)
                answer = world.record(now, [
                    result(task, event["outcome"], *findings, blind_threshold=limits["blind_threshold"])
                ])  # fmt: skip
                verdict = model.record(
                    task["kind"], slot, event["outcome"], findings, now, limits["blind_threshold"]
                )
                assert answer[verdict] == 1, (verdict, answer)
                assert copy == 0 or answer["transitions"] == []
                assert state(world) == model.firing, (minute, task["kind"], event)
    opened = Counter(world.db.values("select alert_type from system_alerts"))
    assert opened == +model.opened
    for severities in world.db.values(
        "select array_agg(severity order by id) from watchkeeper.alert_transitions group by alert_id"
    ):
        assert severities == sorted(severities, key=RANK.index), "severity fell"
    assert set(model.firing) == {each for (_, each), rule in model.rules.items() if rule.firing}


def missed(world: World) -> list[tuple[Any, Any]]:
    return world.db.rows(
        "select check_id, due_at from watchkeeper.runs where missed order by due_at, check_id"
    )


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(events=history, limits=thresholds)
def test_any_history_gives_what_the_model_says(
    connection: psycopg.Connection, events: list[Json], limits: Json
) -> None:
    with connection.transaction(force_rollback=True):
        play(World(Db(connection)), events, limits)
