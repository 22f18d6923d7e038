"""Random histories under a moved clock: ladders, flapping, parents, reminders, and a clock that jumps."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.supabase.test_outbox import acknowledge
from tests.supabase.world import Json, World, allowing, finding, result

Step = tuple[Any, ...]
few = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # fmt: skip
SEVERITIES = st.sampled_from(["warning", "error", "critical"])
WAITS = st.sampled_from([5, 20, 60, 90, 200])


class History:
    """Plays steps on sources; each test adds what must hold."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = 0.0

    def play(self, step: Step) -> None:
        verb, *args = step
        self.now += 1
        getattr(self, verb)(*args)

    def fire(self, source: str, severity: str) -> None:
        self.world.fire(self.now, source, severity)

    def end(self, source: str) -> None:
        self.world.end(self.now, source)

    def acknowledge(self, source: str) -> None:
        if (source, False) in self.firing():
            acknowledge(self.world, self.now, source)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.world.send(self.now)

    def firing(self) -> list[tuple[str, bool]]:
        """(source, acknowledged)"""
        return self.world.db.rows(
            "select source, acknowledged from system_alerts where status = 'firing' and alert_type = 'service_down'"
        )

    def lanes(self) -> list[list[Any]]:
        """What each channel is told of each alert: (event, seconds, status, occasion)."""
        lanes = defaultdict(list)
        for alert, channel, event, at, status, occasion in self.world.db.rows(
            "select alert_id, channel_id, event, created_at, status, split_part(dedup_key, ':', 3) "
            "from watchkeeper.deliveries order by seq"
        ):
            lanes[alert, channel].append((event, (at - self.world.start).total_seconds(), status, occasion))
        return list(lanes.values())

    def in_order(self) -> None:
        for lane in self.lanes():
            events = [row[0] for row in lane]
            assert (events[0], events.count("trigger")) == ("trigger", 1)
            assert "resolve" not in events[:-1]

    def nobody_is_owed_the_end(self) -> None:
        owed = self.world.db.values(
            "select d.why from watchkeeper.deliveries as d join system_alerts as a on a.id = d.alert_id "
            "where d.event = 'trigger' and d.status = 'sent' and a.status = 'resolved' and not exists ("
            "select from watchkeeper.deliveries as r where r.alert_id = d.alert_id "
            "and r.channel_id = d.channel_id and r.event = 'resolve' and r.status in ('sent', 'dead'))"
        )
        assert owed == []


# Ladders ---------------------------------------------------------------------------------------------------------

PEOPLE = ("anna", "bert")
HANDOVER_S = 420.0
LADDERS = st.fixed_dictionaries(
    {
        "repeats": st.integers(0, 2),
        "steps": st.lists(
            st.fixed_dictionaries(
                {
                    "after_s": st.sampled_from([0, 30, 60, 180]),
                    "channels": st.lists(st.sampled_from(["chat", "boss"]), unique=True, min_size=1),
                    "on_call": st.sampled_from([[], ["primary"]]),
                }
            ),
            min_size=1,
            max_size=3,
        ),
    }
)
CLIMB = st.one_of(
    st.tuples(st.just("wait"), WAITS),
    st.tuples(st.just("wait"), WAITS),
    st.tuples(st.just("fire"), st.just("anvil"), SEVERITIES),
    st.tuples(st.just("silence"), st.sampled_from([30, 150])),
    st.tuples(st.just("acknowledge"), st.just("anvil")),
    st.tuples(st.just("end"), st.just("anvil")),
)


class Climb(History):
    """Beside the ladder a second one, of the same steps, in Python."""

    def __init__(self, world: World, ladder: Json) -> None:
        super().__init__(world)
        world.never_flapping()
        for name in ("chat", "boss"):
            world.channel(name, "pager")
        for name in PEOPLE:
            world.channel(name, "pager", person=f"{name}@example.org")
        world.setting("rotation", name="primary", people=[f"{name}@example.org" for name in PEOPLE], shift_days=1,
                      starts_at=f"{world.at(HANDOVER_S - 86400):%Y-%m-%dT%H:%M}")  # fmt: skip
        world.setting("escalation", name="ladder", **ladder)
        world.route("chat", escalation="ladder")
        self.steps, self.repeats = ladder["steps"], ladder["repeats"]
        self.held_until = 0.0
        self.rung: list[float] | None = None  # round, step, next
        self.waits_for_routing = False
        self.expected: list[tuple[float, str]] = []

    def start(self) -> None:
        self.waits_for_routing = self.now < self.held_until
        self.rung = None if self.waits_for_routing else [0, 0, self.now + self.steps[0]["after_s"]]

    def fire(self, source: str, severity: str) -> None:
        fresh = not self.firing()
        super().fire(source, severity)
        if fresh:
            self.start()

    def end(self, source: str) -> None:
        super().end(source)
        self.rung, self.waits_for_routing = None, False

    def acknowledge(self, source: str) -> None:
        super().acknowledge(source)
        self.rung, self.waits_for_routing = None, False

    def silence(self, seconds: float) -> None:
        self.held_until = max(self.held_until, self.now + seconds)
        self.world.silence(self.world.at(self.now), self.world.at(self.now + seconds))

    def wait(self, seconds: float) -> None:
        """Once a sweep, so that the copy climbs as often."""
        self.now += seconds
        self.world.settle(self.now, self.world.claim(self.now))
        if self.waits_for_routing and self.now >= self.held_until:
            self.start()
        if self.rung and self.now >= max(self.held_until, self.rung[2]):
            on_call = PEOPLE[0 if self.now < HANDOVER_S else 1]
            turn, index = int(self.rung[0]), int(self.rung[1])
            step = self.steps[index]
            channels = {*step["channels"], *([on_call] if step["on_call"] else [])}
            self.expected += [(self.now, name) for name in sorted(channels)]
            if index + 1 < len(self.steps):
                self.rung = [turn, index + 1, self.now + self.steps[index + 1]["after_s"]]
            elif turn < self.repeats:
                self.rung = [turn + 1, 0, self.now + max(60, self.steps[0]["after_s"])]
            else:
                self.rung = None

    def look(self) -> None:
        told = self.world.db.rows(
            "select extract(epoch from d.created_at - %s)::float, c.name from watchkeeper.deliveries as d "
            "join watchkeeper.channels as c on c.id = d.channel_id "
            "where d.why like 'escalation: %%' or d.why like 'on call: %%' order by d.created_at, c.name",
            self.world.start,
        )
        assert told == self.expected


@few
@example(  # it rises after the ladder's end
    ladder={"repeats": 0, "steps": [{"after_s": 0, "channels": ["boss"], "on_call": []}]},
    steps=[("wait", 5), ("fire", "anvil", "critical"), ("wait", 60)],
)
@given(ladder=LADDERS, steps=st.lists(CLIMB, min_size=4, max_size=25))
def test_each_step_is_told_once_a_round_while_nobody_stops_the_ladder(
    world: World, ladder: Json, steps: list[Step]
) -> None:
    with world.db.connection.transaction(force_rollback=True):
        climb = Climb(world, ladder)
        for step in [("fire", "anvil", "warning"), *steps]:
            climb.play(step)
            climb.look()
        climb.in_order()


# Flapping --------------------------------------------------------------------------------------------------------

SOURCES = ("anvil", "web")
SOURCE = st.sampled_from(SOURCES)
FLAP = st.one_of(
    st.tuples(st.just("flip"), SOURCE),
    st.tuples(st.just("flip"), SOURCE),
    st.tuples(st.just("flip"), st.just("anvil")),
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 30, 100])),
)


class Flapping(History):
    def __init__(self, world: World, changes: int) -> None:
        super().__init__(world)
        world.channel("chat", "pager")
        world.route("chat")
        self.changes, self.window_s = changes, 120
        world.db.rpc(
            "save_delivery_settings",
            settings={"flapping_changes": changes, "flapping_window_s": self.window_s},
        )

    def flip(self, source: str) -> None:
        if source in dict(self.firing()):
            self.end(source)
        else:
            self.fire(source, "critical")

    def look(self) -> None:
        """Between two triggers of one fingerprint lie an end and a beginning, and all of them count."""
        for source in SOURCES:
            triggers = self.world.db.values(
                "select extract(epoch from d.created_at - %s)::float from watchkeeper.deliveries as d "
                "join system_alerts as a on a.id = d.alert_id "
                "where a.fingerprint = %s and d.event = 'trigger' order by d.seq",
                self.world.start,
                f"{source}:service_down",
            )
            for last in triggers:
                recent = [at for at in triggers if last - self.window_s < at <= last]
                assert len(recent) <= self.changes // 2 + 1, (source, triggers)


@few
@given(changes=st.integers(3, 7), steps=st.lists(FLAP, min_size=8, max_size=40))
def test_flapping_is_one_alert_and_ends_by_itself(world: World, changes: int, steps: list[Step]) -> None:
    with world.db.connection.transaction(force_rollback=True):
        history = Flapping(world, changes)
        for step in steps:
            history.play(step)
        history.look()
        history.wait(history.window_s + 1)
        assert "flapping" not in world.firing()
        told = world.db.values(
            "select a.source from system_alerts as a join watchkeeper.deliveries as d on d.alert_id = a.id "
            "where a.status = 'firing' and d.event = 'trigger' and d.status = 'sent'"
        )
        assert sorted(told) == sorted(dict(history.firing()))
        for source in SOURCES:
            history.end(source)
        history.wait(1)
        history.look()
        history.in_order()
        history.nobody_is_owed_the_end()


# Parents ---------------------------------------------------------------------------------------------------------

FAMILY = {"gateway": (), "node": ("gateway",), "leaf": ("node", "gateway")}  # and who is above it
MEMBER = st.sampled_from(list(FAMILY))
FALL = st.one_of(
    st.tuples(st.just("fire"), MEMBER, SEVERITIES),
    st.tuples(st.just("fire"), MEMBER, SEVERITIES),
    st.tuples(st.just("end"), MEMBER),
    st.tuples(st.just("wait"), WAITS),
)


class Family(History):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.never_flapping()
        world.channel("chat", "pager")
        world.route("chat", group_wait_s=30)
        self.targets = {
            name: world.target(name, checks={"uptime": {}}, depends_on=list(above[:1]))
            for name, above in FAMILY.items()
        }
        self.seen = 0

    def fire(self, source: str, severity: str) -> None:
        self.world.fire(self.now, source, severity, target=self.targets[source])

    def failing(self) -> set[str]:
        return set(
            self.world.db.values(
                "select source from system_alerts where status = 'firing' and severity in ('error', 'critical')"
            )
        )

    def look(self) -> None:
        triggers = self.world.db.values(
            "select a.source from watchkeeper.deliveries as d join system_alerts as a on a.id = d.alert_id "
            "where d.event = 'trigger' order by d.seq"
        )
        for source in triggers[self.seen :]:
            assert not self.failing() & set(FAMILY[source])
        self.seen = len(triggers)

    def finish(self, last: str) -> None:
        """Who still fires below nobody that fails has been told."""
        self.wait(61)
        self.look()
        told = set(
            self.world.db.values(
                "select a.source from watchkeeper.deliveries as d join system_alerts as a on a.id = d.alert_id "
                "where d.event = 'trigger' and a.status = 'firing'"
            )
        )
        waits = {source for source in dict(self.firing()) if self.failing() & set(FAMILY[source])}
        assert set(dict(self.firing())) - waits <= told
        if last in dict(self.firing()):
            self.end(last)


@few
@given(steps=st.lists(FALL, min_size=4, max_size=30))
def test_a_child_is_told_only_when_nothing_above_it_fails(world: World, steps: list[Step]) -> None:
    with world.db.connection.transaction(force_rollback=True):
        family = Family(world)
        for step in steps:
            family.play(step)
            family.look()
        for last in ("gateway", "node", "leaf"):
            family.finish(last)
        family.wait(61)
        family.in_order()
        family.nobody_is_owed_the_end()


# Reminders -------------------------------------------------------------------------------------------------------

NAG = st.one_of(
    st.tuples(st.just("fire"), SOURCE, SEVERITIES),
    st.tuples(st.just("wait"), WAITS),
    st.tuples(st.just("wait"), WAITS),
    st.tuples(st.just("acknowledge"), SOURCE),
    st.tuples(st.just("end"), SOURCE),
)


@few
@given(every_s=st.sampled_from([60, 100, 150]), steps=st.lists(NAG, min_size=4, max_size=30))
def test_reminders_keep_their_distance_and_stop(world: World, every_s: int, steps: list[Step]) -> None:
    with world.db.connection.transaction(force_rollback=True):
        world.never_flapping()
        for name in ("chat", "mail"):
            world.channel(name, "pager")
        world.route("chat", name="first", remind_every_s=every_s, **{"continue": True})
        world.route("chat", "mail", match={"min_severity": "error"}, remind_every_s=60)
        history = History(world)
        for step in steps:
            history.play(step)
        history.in_order()
        for lane in history.lanes():
            events = [row[0] for row in lane]
            for before, row in pairwise(lane):
                if row[0] == "remind":
                    assert "acknowledge" not in events[: lane.index(row)]
                    assert row[1] - before[1] >= 60
        chat = world.db.rows(
            "select d.alert_id, extract(epoch from d.created_at - %s)::float, d.event from watchkeeper.deliveries as d "
            "join watchkeeper.channels as c on c.id = d.channel_id where c.name = 'chat' order by d.seq",
            world.start,
        )
        for alert in {row[0] for row in chat}:
            mine = [row for row in chat if row[0] == alert]
            assert all(row[1] - before[1] >= every_s for before, row in pairwise(mine) if row[2] == "remind")


# A clock that jumps ----------------------------------------------------------------------------------------------

JUMP = st.one_of(
    st.tuples(st.just("jump"), st.sampled_from([-600, -120, -30, 30, 600, 3600, 7200])),
    st.tuples(st.just("jump"), st.sampled_from([-600, -120, -30, 30, 600, 3600, 7200])),
    st.tuples(st.just("fire"), SOURCE, SEVERITIES),
    st.tuples(st.just("end"), SOURCE),
    st.tuples(st.just("acknowledge"), SOURCE),
    st.tuples(st.just("claim"), st.sampled_from([1, 100])),
    st.tuples(st.just("settle"), st.sampled_from(["sent", "sent", "retry"])),
    st.tuples(st.just("run"), st.sampled_from(["breach", "clear", "unknown"])),
    st.tuples(st.just("record")),
)


class Jumping(History):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.latest = 0.0
        self.held: list[Json] = []
        self.tasks: list[Json] = []
        self.runs = 0
        world.channel("chat", "pager")
        world.channel("boss", "pager", rate_per_minute=2)
        world.setting("escalation", name="ladder", steps=[{"after_s": 60, "channels": ["boss"]}], repeats=2)
        world.route("chat", escalation="ladder", remind_every_s=300)
        world.target("node", checks={"uptime": {}})
        world.setting("heartbeat", name="backup", period_s=600, grace_s=60)

    def play(self, step: Step) -> None:
        super().play(step)
        self.latest = max(self.latest, self.now)
        self.in_order()
        assert (
            max(
                Counter(self.world.db.values("select dedup_key from watchkeeper.deliveries")).values(),
                default=1,
            )
            == 1
        )
        lost = self.world.db.values(
            "select a.message from system_alerts as a where a.status = 'firing' and a.held_by is null "
            "and not exists (select from watchkeeper.deliveries as d where d.alert_id = a.id)"
        )
        assert lost == []

    def jump(self, seconds: float) -> None:
        self.now = max(0.0, self.now + seconds)

    def claim(self, most: int) -> None:
        self.held += self.world.claim(self.now, most)

    def settle(self, outcome: str) -> None:
        if self.held:
            self.world.settle(self.now, [self.held.pop(0)], outcome, error="no")

    def run(self, state: str) -> None:
        outcome = {"breach": "fail", "clear": "ok", "unknown": "unknown"}[state]
        self.tasks += [result(task, outcome, finding(state)) for task in self.world.tick(self.now)]

    def record(self) -> None:
        # What is ahead of the clock is refused, and comes again.
        with allowing("22023"), self.world.db.connection.transaction():
            self.world.record(self.now, self.tasks)
            self.tasks = []

    def finish(self) -> None:
        """The clock comes to rest after all that was seen: leases end, and everything leaves."""
        self.now = self.latest + 3600
        for _ in range(5):
            self.now += 61
            self.world.send(self.now)
        held = self.world.db.rows(
            "select source, held_by from system_alerts where status = 'firing' and held_by <> 'flapping'"
        )
        assert held == []
        self.world.db.run("update watchkeeper.heartbeats set paused = true")
        for fingerprint in self.world.db.values(
            "select fingerprint from system_alerts where status = 'firing'"
        ):
            self.world.db.run(
                "select watchkeeper.close_alert(%s, 'over', %s)", fingerprint, self.world.at(self.now)
            )
        for _ in range(12):
            self.now += 61
            self.world.send(self.now)
        self.in_order()
        self.nobody_is_owed_the_end()
        assert (
            self.world.db.rows(
                "select event, leased_until from watchkeeper.deliveries where status = 'pending'"
            )
            == []
        )


@few
@given(steps=st.lists(JUMP, min_size=6, max_size=30))
def test_a_clock_that_jumps_loses_and_doubles_nothing(world: World, steps: list[Step]) -> None:
    with world.db.connection.transaction(force_rollback=True):
        # On the hour, so that the same steps meet the same grid whenever they are played.
        start = (datetime.now(UTC) - timedelta(days=14)).replace(minute=0, second=0, microsecond=0)
        history = Jumping(World(world.db, start))
        for step in steps:
            history.play(step)
        history.finish()
