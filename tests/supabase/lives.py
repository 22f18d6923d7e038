"""Lives of watched targets: random histories played to the database, and beside them an oracle that only keeps what
happened and looks at each moment by the rule, as a person would with a pencil."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.supabase.world import Json, World, a_target, result

Step = tuple[Any, ...]
Interval = tuple[datetime, datetime]

STATES = ("up", "down", "unknown", "maintenance")
OLDEST_NEWS = timedelta(minutes=30)

# What happened ------------------------------------------------------------------------------------------------------


@dataclass
class Service:
    """What happened to one target, and nothing derived from it."""

    target_id: str
    watched_from: datetime
    tier: str
    watched_until: datetime | None = None
    # moment, state, how long it speaks, whether the slot is missed
    observations: list[tuple[datetime, str, timedelta, bool]] = field(default_factory=list)
    # the check that speaks for the target, and since when
    speaker: str | None = None
    speaks_since: datetime | None = None
    # from when on nobody looked
    stops: list[datetime] = field(default_factory=list)
    maintenance: list[Interval] = field(default_factory=list)

    def hear(
        self, moment: datetime, outcome: str, speaks: timedelta, since: datetime, *, missed: bool, late: bool
    ) -> None:
        """Takes an observation at its place in time, if since then its check speaks; a missed slot only at the end."""
        late = late or self.is_before(moment)
        if missed and late:
            return
        if late:
            self.make_room(moment, speaks, since)
        state = {"ok": "up", "fail": "down"}.get(outcome, "unknown")
        self.observations.append((moment, state, speaks, missed))
        self.observations.sort(key=lambda each: each[0])

    def is_before(self, moment: datetime) -> bool:
        return bool(self.observations) and moment < self.observations[-1][0]

    def make_room(self, moment: datetime, speaks: timedelta, since: datetime) -> None:
        """Missed slots give way where results speak: the late one, and the one before it."""
        since = max(since, moment - speaks)
        earlier = [each[0] for each in self.observations if not each[3] and since <= each[0] < moment]
        later = [each[0] for each in self.observations if not each[3] and each[0] > moment]
        ends = min([moment + speaks, *later])
        told = [(moment, ends), *((max(earlier), min(max(earlier) + speaks, moment)) for _ in earlier[:1])]
        self.observations = [
            each for each in self.observations
            if not (each[3] and any(begins <= each[0] < until for begins, until in told))
        ]  # fmt: skip

    def state(self, moment: datetime) -> str:
        """What the time right after the moment counts as."""
        if any(begins <= moment < ends for begins, ends in self.maintenance):
            return "maintenance"
        said = [each for each in self.observations if each[0] <= moment]
        if not said:
            return "unknown"
        heard, state, speaks, _ = said[-1]
        stopped = any(heard <= stop <= moment for stop in self.stops)
        return "unknown" if stopped or moment >= heard + speaks else state

    def pieces(self, begins: datetime, ends: datetime, now: datetime) -> list[tuple[datetime, datetime, str]]:
        """The period, as far as it was watched and is over, cut wherever something may have changed."""
        begins = max(begins, self.watched_from)
        ends = min(ends, now, self.watched_until or now)
        if begins >= ends:
            return []
        moments = {begins, ends, *self.stops}
        moments |= {each for heard, _, speaks, _ in self.observations for each in (heard, heard + speaks)}
        moments |= {each for interval in self.maintenance for each in interval}
        inside = sorted(moment for moment in moments if begins <= moment <= ends)
        return [(a, b, self.state(a)) for a, b in pairwise(inside)]

    def seconds(self, begins: datetime, ends: datetime, now: datetime) -> dict[str, Decimal]:
        """How much of the period was what."""
        pieces = self.pieces(begins, ends, now)
        spent = {state: sum((b - a for a, b, was in pieces if was == state), timedelta()) for state in STATES}
        spent["watched"] = sum((b - a for a, b, _ in pieces), timedelta())
        return {name: exact(length) for name, length in spent.items()}

    def downtimes(self, begins: datetime, ends: datetime, now: datetime) -> list[Interval]:
        """When it was down, neighbours joined."""
        joined: list[Interval] = []
        for a, b, state in self.pieces(begins, ends, now):
            if state == "down" and joined and joined[-1][1] == a:
                joined[-1] = (joined[-1][0], b)
            elif state == "down":
                joined.append((a, b))
        return joined


def exact(length: timedelta) -> Decimal:
    """Seconds, to the microsecond."""
    return Decimal(length // timedelta(microseconds=1)) / 1_000_000


@dataclass(frozen=True)
class Window:
    """A maintenance window as it is written into a silence."""

    starts_at: datetime
    lasts: timedelta
    zone: str
    rrule: str | None
    tier: str | None

    def document(self) -> Json:
        """As save_silence takes it."""
        text = "%Y-%m-%dT%H:%M:%S"
        return {
            "kind": "maintenance", "comment": "a move", "time_zone": self.zone, "rrule": self.rrule,
            "starts_at": self.starts_at.strftime(text), "ends_at": (self.starts_at + self.lasts).strftime(text),
            "match": {"labels": {"tier": self.tier}} if self.tier else {},
        }  # fmt: skip

    def between(self, begins: datetime, ends: datetime) -> list[Interval]:
        """What it covers of the time between."""
        found = []
        for day in self.days((ends - begins).days + 60):
            first = self.starts_at + timedelta(days=day)
            a, b = (utc(moment, self.zone) for moment in (first, first + self.lasts))
            if max(a, begins) < min(b, ends):
                found.append((max(a, begins), min(b, ends)))
        return found

    def days(self, most: int) -> list[int]:
        """On which days after its first day it begins."""
        match self.rrule:
            case None:
                return [0]
            case "FREQ=DAILY;COUNT=2":
                return [0, 1]
            case "FREQ=DAILY;INTERVAL=2":
                return list(range(0, most, 2))
            case "FREQ=WEEKLY;BYDAY=SA,SU":
                return [n for n in range(most) if (self.starts_at + timedelta(days=n)).weekday() >= 5]
        return list(range(most))


def utc(local: datetime, zone: str) -> datetime:
    """A wall clock's moment; where the clocks change, standard time counts."""
    offset = min(
        local.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() or timedelta() for fold in (0, 1)
    )
    return (local - offset).replace(tzinfo=UTC)


# How it is played ----------------------------------------------------------------------------------------------------


class Lives:
    """Plays steps to the database and keeps what happened."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = 0.0
        self.services: list[Service] = []
        self.target: Json | None = None
        self.tasks: list[Json] = []
        self.last_due: dict[str, datetime] = {}
        self.last_tick: datetime | None = None
        self.silences: dict[str, Window] = {}
        self.noted_at: datetime | None = None

    def play(self, step: Step) -> None:
        """One step, a second after the one before."""
        verb, *args = step
        self.now += 1
        getattr(self, verb)(*args)

    @property
    def at(self) -> datetime:
        return self.world.at(self.now)

    @property
    def service(self) -> Service:
        return self.services[-1]

    def checks(self) -> dict[str, Any]:
        """id -> kind, interval, timeout, enabled, watched since"""
        rows = self.world.db.rows(
            "select id::text, kind, interval_s, timeout_s, enabled, watched_since from watchkeeper.checks"
        )
        return {row[0]: row[1:] for row in rows}

    # Targets

    def save(self, checks: Json, tier: str) -> None:
        document = a_target("node", checks, labels={"tier": tier})
        saved = self.world.db.value("select watchkeeper.save_target(%s, %s)", document, self.at)
        if self.target is None:
            self.services.append(Service(saved["id"], self.at, tier))
        self.target = saved
        self.service.tier = tier
        if self.speaker() != self.service.speaker:
            self.service.speaker, self.service.speaks_since = self.speaker(), self.at
        if not any(check.get("enabled", True) for check in checks.values()):
            self.service.stops.append(self.at)

    def pause(self, paused: bool) -> None:
        if self.target is None:
            return
        if paused and not self.target["paused"]:
            self.service.stops.append(self.at)
        self.target = self.world.db.value(
            "select watchkeeper.pause_target(%s, %s, %s)", self.target["id"], paused, self.at
        )

    def drop(self) -> None:
        if self.target is not None:
            self.world.db.run("select watchkeeper.delete_target(%s, %s)", self.target["id"], self.at)
            self.service.watched_until = self.at
            self.target = None

    # Looks

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def tick(self) -> None:
        standstill = self.last_tick is not None and self.last_tick < self.at - timedelta(seconds=150)
        self.last_tick = self.at
        self.tasks = (self.tasks + self.world.tick(self.now))[-20:]
        missed = self.world.db.rows(
            "select check_id::text, due_at from watchkeeper.runs where missed and recorded_at = %s order by due_at",
            self.at,
        )  # fmt: skip
        for check_id, due_at in missed:
            if not standstill and due_at > self.last_due.get(check_id, self.world.start):
                self.hear(check_id, "unknown", due_at, missed=True)

    def look(self, which: int, outcome: str, took_s: float) -> None:
        """Records the result of a task that was claimed some time ago, perhaps for the second time."""
        if not self.tasks:
            return
        task = self.tasks[which % len(self.tasks)]
        due_at = datetime.fromisoformat(task["due_at"])
        if due_at > self.at:
            return
        finished_at = min(due_at + timedelta(seconds=took_s), self.at)
        was_missed = self.world.db.value(
            "select missed from watchkeeper.runs where check_id = %s and due_at = %s",
            task["check_id"],
            due_at,
        )
        verdict = self.world.record(self.now, [result(task, outcome, finished_at=finished_at.isoformat())])
        if verdict["recorded"]:
            self.last_due[task["check_id"]] = due_at
        if verdict["recorded"] or verdict["late"]:
            late = bool(was_missed or verdict["late"])
            self.hear(task["check_id"], outcome, finished_at, late=late)

    def speaker(self) -> str | None:
        """The kind of check that speaks for the target."""
        kinds = sorted(each[0] for each in self.checks().values() if each[3])
        return next((each for each in ("uptime", "blockchain") if each in kinds), kinds[0] if kinds else None)

    def hear(
        self, check_id: str, outcome: str, moment: datetime, *, missed: bool = False, late: bool = False
    ) -> None:
        """What came of a slot: does it speak for the target?"""
        kind, interval_s, timeout_s, enabled, watched_since = self.checks()[check_id]
        if not enabled or self.target is None or self.target["paused"] or kind != self.speaker():
            return
        old = self.at - moment > OLDEST_NEWS
        since = max(watched_since, self.service.speaks_since or watched_since)
        if missed and (moment < watched_since or old):
            return
        if not missed and (late or old or self.service.is_before(moment)) and moment < since:
            return
        if moment >= watched_since:
            speaks = timedelta(seconds=2 * interval_s + timeout_s + 30)
            self.service.hear(moment, outcome, speaks, since, missed=missed, late=late or old)

    def steady(self, outcome: str, minutes: int) -> None:
        """A stretch without surprises."""
        for _ in range(minutes):
            self.tick()
            begins = self.at
            self.now += 60
            for n, task in enumerate(self.tasks):
                if begins <= datetime.fromisoformat(task["due_at"]) <= self.at:
                    self.look(n, outcome, 0.25)

    def blink(self, outcome: str) -> None:
        """Paused and resumed while a look is on its way."""
        self.tick()
        for paused in (True, False):
            self.now += 3
            self.pause(paused)
        self.look(-1, outcome, 0.5)

    def dawdle(self, outcome: str, seconds: float) -> None:
        """A result that is the newest, and long on its way."""
        self.tick()
        self.now += seconds
        self.look(-1, outcome, 0.5)

    # Maintenance

    def move(self, minutes: int, outcome: str) -> None:
        """A window in the middle of what is being seen."""
        begins = self.at.replace(tzinfo=None, microsecond=0) + timedelta(seconds=90)
        self.maintain(Window(begins, timedelta(minutes=minutes), "UTC", None, None))
        self.steady(outcome, 4)

    def maintain(self, window: Window) -> None:
        silence = self.world.db.value(
            "select watchkeeper.save_setting('silence', %s, %s)", window.document(), self.at
        )
        self.silences[silence["id"]] = window

    def edit(self, which: int, window: Window) -> None:
        if self.silences:
            silence_id = list(self.silences)[which % len(self.silences)]
            given = {"id": silence_id, **window.document()}
            self.world.db.run("select watchkeeper.save_setting('silence', %s, %s)", given, self.at)
            self.silences[silence_id] = window

    def end(self, which: int) -> None:
        if self.silences:
            silence_id = list(self.silences)[which % len(self.silences)]
            self.world.db.run("select watchkeeper.end_silence(%s, %s)", silence_id, self.at)
            self.work(self.silences.pop(silence_id))

    def sweep(self) -> None:
        self.world.db.run("select watchkeeper.sweep(%s)", self.at)
        for window in self.silences.values():
            self.work(window)
        self.noted_at = self.at

    def work(self, window: Window) -> None:
        """The window was in force since the last sweep."""
        for service in self.services:
            since = self.noted_at or self.services[0].watched_from
            if window.tier in (None, service.tier):
                service.maintenance += window.between(since, self.at)


# Random steps --------------------------------------------------------------------------------------------------------

STARTS = tuple(
    datetime.fromisoformat(text)
    # evenings before the clocks change: Berlin, New York, Lord Howe
    for text in (
        "2025-03-29T15:00:00+00:00", "2025-10-25T18:00:00+00:00", "2025-11-01T20:00:00+00:00",
        "2025-04-05T06:30:00+00:00",
    )
)  # fmt: skip
TIERS = st.sampled_from(["gold", "tin"])
CHECK = st.fixed_dictionaries(
    {
        "interval_s": st.sampled_from([60, 20, 900, 43200]),
        "timeout_s": st.sampled_from([5, 20]),
        "enabled": st.sampled_from([True] * 5 + [False]),
    }
)
OFTEN = st.fixed_dictionaries({"uptime": CHECK}, optional={"blockchain": CHECK, "p2p": CHECK})
SELDOM = st.dictionaries(st.sampled_from(["uptime", "blockchain", "mempool", "p2p"]), CHECK, max_size=2)
CHECKS = st.one_of(OFTEN, OFTEN, SELDOM)
OUTCOMES = st.sampled_from(["ok", "ok", "fail", "unknown"])


def windows(start: datetime) -> st.SearchStrategy[Window]:
    """Windows around the start of a history."""

    def local(zone: str, minutes: int) -> datetime:
        return start.astimezone(ZoneInfo(zone)).replace(tzinfo=None) + timedelta(minutes=minutes)

    return st.builds(
        lambda zone, minutes, lasts, rrule, tier: Window(local(zone, minutes), lasts, zone, rrule, tier),
        zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        minutes=st.one_of(st.integers(-3, 30), st.integers(-1500, 4500)),
        lasts=st.sampled_from([2, 10, 180, 1560]).map(lambda minutes: timedelta(minutes=minutes)),
        rrule=st.sampled_from(
            [
                None,
                None,
                "FREQ=DAILY",
                "FREQ=DAILY;COUNT=2",
                "FREQ=DAILY;INTERVAL=2",
                "FREQ=WEEKLY;BYDAY=SA,SU",
            ]
        ),
        tier=st.sampled_from([None, "gold"]),
    )


def histories(start: datetime) -> st.SearchStrategy[list[Step]]:
    """Histories of a target; the first step makes it."""
    save = st.tuples(st.just("save"), CHECKS, TIERS)
    wait = st.tuples(st.just("wait"), st.sampled_from([20, 1, 60, 100, 200, 1000, 4000, 30_000]))
    look = st.tuples(
        st.just("look"), st.integers(-3, 20), OUTCOMES, st.sampled_from([0, 0.25, 7.000001, 40, 3000])
    )
    steady = st.tuples(st.just("steady"), OUTCOMES, st.integers(1, 4))
    maintain = st.tuples(st.just("maintain"), windows(start))
    tick, sweep, drop = (st.tuples(st.just(verb)) for verb in ("tick", "sweep", "drop"))
    pause, resume = (st.tuples(st.just("pause"), st.just(paused)) for paused in (True, False))
    edit = st.tuples(st.just("edit"), st.integers(0, 5), windows(start))
    end = st.tuples(st.just("end"), st.integers(0, 5))
    move = st.tuples(st.just("move"), st.integers(1, 3), st.sampled_from(["fail", "fail", "ok"]))
    blink = st.tuples(st.just("blink"), OUTCOMES)
    dawdle = st.tuples(st.just("dawdle"), OUTCOMES, st.sampled_from([1700, 1900]))
    usual = st.one_of(steady, look, wait, tick, move)
    rare = st.one_of(save, maintain, sweep, pause, resume, edit, end, blink, dawdle)
    step = st.one_of(steady, usual, usual, usual, rare, rare, st.one_of(rare, rare, st.one_of(drop, save)))
    first = st.tuples(st.just("save"), OFTEN, TIERS)
    return st.tuples(first, st.lists(step, min_size=12, max_size=40)).map(lambda drawn: [drawn[0], *drawn[1]])
