"""Up, down, unknown and maintenance are the whole watched time, always, and each is what the rule says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.supabase.lives import STARTS, STATES, Lives, Step, Window, histories
from tests.supabase.world import Db, Json, World, finding, refused, result

few = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # fmt: skip


def parts(
    db: Db, target_ids: list[str], bounds: list[datetime], at: datetime
) -> dict[tuple[str, int], dict[str, Any]]:
    """(target, period) -> what it was made of"""
    rows = db.rows(
        "select target_id::text, n, watched_s, up_s, down_s, unknown_s, maintenance_s, downtimes "
        "from watchkeeper.availability_parts(%s::uuid[], %s::timestamptz[], %s)",
        "{" + ",".join(target_ids) + "}", "{" + ",".join(each.isoformat() for each in bounds) + "}", at,
    )  # fmt: skip
    return {(row[0], row[1]): named(row[2:]) for row in rows}


def named(row: Any) -> dict[str, Any]:
    watched, up, down, unknown, maintenance, downtimes = row
    seconds = {"watched": watched, "up": up, "down": down, "unknown": unknown, "maintenance": maintenance}
    return {**seconds, "downtimes": [(each.lower, each.upper) for each in downtimes]}


def of(db: Db, target_id: str, begins: datetime, ends: datetime, at: datetime) -> dict[str, Any]:
    return named(
        db.rows("select * from watchkeeper.availability(%s, %s, %s, %s)", target_id, begins, ends, at)[0]
    )


# The result before a late one speaks for as long as its check meant then, whatever the check became.
UPTIME = {"timeout_s": 5, "enabled": True}
SLOWED = (
    STARTS[0],
    [
        ("save", {"uptime": {"interval_s": 60, **UPTIME}}, "gold"),
        ("steady", "ok", 1),
        ("dawdle", "ok", 1700),
        ("save", {"uptime": {"interval_s": 900, **UPTIME}}, "gold"),
        ("dawdle", "ok", 1900),
    ],
)
# And no longer than until that late one, which may speak for a shorter time.
HASTENED = (
    STARTS[0],
    [
        ("save", {"uptime": {"interval_s": 60, **UPTIME}}, "gold"),
        *[("steady", "ok", 1)] * 6,
        ("tick",),
        *[("steady", "ok", 1)] * 2,
        ("save", {"uptime": {"interval_s": 20, **UPTIME}}, "gold"),
        ("tick",),
        ("dawdle", "ok", 1700),
    ],
)
# What was missed before a pause stays missed, whatever comes after it.
PAUSED = (
    STARTS[0],
    [
        ("save", {"uptime": {"interval_s": 60, **UPTIME}}, "gold"),
        *[("steady", "ok", 1)] * 3,
        ("save", {"uptime": {"interval_s": 900, **UPTIME}}, "gold"),
        ("steady", "ok", 1),
        ("tick",),
        ("blink", "ok"),
        *[("steady", "ok", 1)] * 4,
        ("look", 7, "ok", 0),
    ],
)
# A result that comes after its slot was missed is the newest word, until the next slot is missed.
MENDED = (
    STARTS[0],
    [
        ("save", {"uptime": {"interval_s": 900, **UPTIME}}, "gold"),
        *[("steady", "ok", 1)] * 9,
        ("wait", 20),
        ("look", 1, "ok", 0),
        ("steady", "ok", 1),
    ],
)
STORIES = st.sampled_from(STARTS).flatmap(lambda start: st.tuples(st.just(start), histories(start)))


@few
@example(story=SLOWED, cuts=[])
@example(story=HASTENED, cuts=[])
@example(story=PAUSED, cuts=[])
@example(story=MENDED, cuts=[])
@given(story=STORIES, cuts=st.lists(st.floats(-0.1, 1.1), max_size=4))
def test_each_second_counts_once_and_as_the_rule_says(
    world: World, story: tuple[datetime, list[Step]], cuts: list[float]
) -> None:
    with world.db.connection.transaction(force_rollback=True):
        world = World(world.db, story[0])
        lives = Lives(world)
        for step in story[1]:
            lives.play(step)
        lives.sweep()
        now = lives.at
        begins, ends = world.start - timedelta(hours=1), now + timedelta(hours=1)
        bounds = sorted({begins, ends, *(begins + cut * (ends - begins) for cut in cuts)})
        found = parts(world.db, [service.target_id for service in lives.services], bounds, now)
        for service in lives.services:
            for n, period in enumerate(pairwise(bounds), 1):
                counted = found[service.target_id, n]
                expected = service.seconds(*period, now)
                assert counted == {**expected, "downtimes": service.downtimes(*period, now)}
                assert sum(counted[state] for state in STATES) == counted["watched"]
            whole = of(world.db, service.target_id, bounds[0], bounds[-1], now)
            for name in ("watched", *STATES):
                assert whole[name] == sum(
                    found[service.target_id, n + 1][name] for n in range(len(bounds) - 1)
                )


# By hand ---------------------------------------------------------------------------------------------------------

HOLD_S = 2 * 60 + 10 + 30


class Node:
    """A target with one check a minute, and what its time was made of."""

    def __init__(self, world: World, kind: str = "uptime", **more: Any) -> None:
        self.world = world
        self.target = world.target("node", {kind: {}}, **more)

    def look(self, seconds: float, outcome: str = "ok", tasks: list[Json] | None = None) -> Json:
        """Claims what is due and records it at that moment."""
        tasks = self.world.tick(seconds, 1) if tasks is None else tasks
        finished_at = self.world.at(seconds).isoformat()
        answer = self.world.record(
            seconds, [result(task, outcome, finished_at=finished_at) for task in tasks]
        )
        assert tasks, "nothing was due"
        return answer

    def minutes(self, *outcomes: str, start: int = 0) -> None:
        """One look a minute."""
        for minute, outcome in enumerate(outcomes, start):
            self.look(60 * minute, outcome)

    def spent(self, begins: float, ends: float, now: float | None = None) -> dict[str, float]:
        """Seconds from the start of the world; states of which there was none are left out."""
        at = self.world.at
        counted = of(self.world.db, self.target["id"], at(begins), at(ends), at(ends if now is None else now))
        assert sum(counted[state] for state in STATES) == counted["watched"]
        return {state: float(counted[state]) for state in STATES if counted[state]}

    def downtimes(self, ends: float) -> list[tuple[float, float]]:
        counted = of(
            self.world.db, self.target["id"], self.world.start, self.world.at(ends), self.world.at(ends)
        )
        return [
            tuple((each - self.world.start).total_seconds() for each in interval)
            for interval in counted["downtimes"]
        ]

    def maintain(self, now: float, begins: float, ends: float, **more: Any) -> Json:
        window = Window(
            self.world.at(begins).replace(tzinfo=None), timedelta(seconds=ends - begins), "UTC", None, None
        )
        saved: Json = self.world.db.value(
            "select watchkeeper.save_setting('silence', %s, %s)",
            {**window.document(), **more},
            self.world.at(now),
        )
        return saved

    def sweep(self, seconds: float) -> None:
        self.world.db.run("select watchkeeper.sweep(%s)", self.world.at(seconds))


@pytest.fixture
def node(world: World) -> Node:
    return Node(world)


def test_a_node_that_is_down_for_ten_minutes_was_down_for_ten_minutes(node: Node) -> None:
    node.minutes(*["ok"] * 10, *["fail"] * 10, *["ok"] * 11)
    assert node.spent(0, 1800) == {"up": 1200, "down": 600}
    assert node.downtimes(1800) == [(600, 1200)]
    assert node.world.db.value("select count(*) from watchkeeper.availability_spans") == 3


def test_an_observation_speaks_for_its_hold_and_no_longer(node: Node) -> None:
    node.look(0)
    assert node.spent(0, HOLD_S) == {"up": HOLD_S}
    assert node.spent(0, 1000) == {"up": HOLD_S, "unknown": 1000 - HOLD_S}
    node.look(2000)
    assert node.spent(0, 2010) == {"up": HOLD_S + 10, "unknown": 2000 - HOLD_S}


def test_up_to_the_microsecond(node: Node) -> None:
    node.look(0)
    node.look(60.000001, "fail", node.world.tick(60))
    assert node.spent(0, 90) == {"up": 60.000001, "down": 29.999999}


def test_a_standstill_of_the_monitor_is_unknown_and_nobodys_fault(node: Node) -> None:
    node.look(0)
    node.world.tick(60)
    node.look(7200)
    assert node.spent(0, 7200) == {"up": HOLD_S, "unknown": 7200 - HOLD_S}


def test_a_slot_that_was_lost_is_unknown_until_the_next_result(node: Node) -> None:
    node.look(0)
    node.world.tick(60)
    assert node.spent(0, 110) == {"up": 110}, "the slot may still be recorded"
    again = node.world.tick(116, 1)
    assert node.spent(0, 116) == {"up": 60, "unknown": 56}
    node.look(120, "ok", again)
    assert node.spent(0, 130) == {"up": 70, "unknown": 60}


def test_what_the_check_could_not_tell_is_unknown(node: Node) -> None:
    node.minutes("ok", "unknown", "fail", "unknown", "ok")
    assert node.spent(0, 300) == {"up": 120, "unknown": 120, "down": 60}


def test_a_paused_target_is_unknown_from_that_moment(node: Node) -> None:
    node.look(0)
    pause = "select watchkeeper.pause_target(%s, %s, %s)"
    node.world.db.run(pause, node.target["id"], True, node.world.at(30))
    node.world.db.run(pause, node.target["id"], False, node.world.at(500))
    node.look(510, "fail")
    assert node.spent(0, 520) == {"up": 30, "unknown": 480, "down": 10}


def test_a_look_from_before_the_pause_says_nothing_about_after(node: Node) -> None:
    tasks = node.world.tick(0)
    for paused, moment in ((True, 10), (False, 20)):
        node.world.db.run(
            "select watchkeeper.pause_target(%s, %s, %s)", node.target["id"], paused, node.world.at(moment)
        )
    assert node.world.record(25, [result(tasks[0])])["recorded"] == 1
    assert node.spent(0, 60) == {"unknown": 60}


def test_without_an_enabled_check_it_is_unknown(node: Node) -> None:
    node.look(0)
    document = {
        "name": "node",
        "chain": "evm",
        "endpoint": "http://127.0.0.1:1",
        "checks": {"uptime": {"enabled": False}},
    }
    node.world.db.run("select watchkeeper.save_target(%s, %s)", document, node.world.at(20))
    assert node.spent(0, 100) == {"up": 20, "unknown": 80}


def test_one_check_speaks_for_the_target(world: World) -> None:
    node = Node(world)
    world.target("node", {"uptime": {}, "blockchain": {}, "mempool": {}})
    outcomes = {"uptime": "fail", "blockchain": "ok", "mempool": "unknown"}
    world.record(10, [result(task, outcomes[task["kind"]]) for task in world.tick(0)])
    assert node.spent(0, 60) == {"down": 60}
    document = {
        "name": "node",
        "chain": "evm",
        "endpoint": "http://127.0.0.1:1",
        "checks": {"blockchain": {}, "mempool": {}},
    }
    world.db.run("select watchkeeper.save_target(%s, %s)", document, world.at(60))
    assert node.spent(0, 60) == {"down": 60}
    world.record(130, [result(task, outcomes[task["kind"]]) for task in world.tick(120)])
    assert node.spent(0, 180, 180) == {"down": 120, "up": 60}


def test_a_target_counts_from_its_creation_to_its_deletion(world: World) -> None:
    node = Node(world)
    node.look(0)
    world.db.run("select watchkeeper.delete_target(%s, %s)", node.target["id"], world.at(100))
    assert node.spent(-86400, 86400) == {"up": 100}
    document = {"name": "node", "chain": "evm", "endpoint": "http://x", "checks": {"uptime": {}}}
    again = world.db.value("select watchkeeper.save_target(%s, %s)", document, world.at(200))
    assert again["id"] != node.target["id"]
    assert of(world.db, again["id"], world.start, world.at(300), world.at(300))["watched"] == 100


def test_a_late_result_counts_at_its_own_moment(node: Node) -> None:
    early = node.world.tick(0)
    node.look(60)
    assert node.spent(0, 100) == {"unknown": 60, "up": 40}
    assert node.world.record(70, [result(early[0], "fail")])["late"] == 1
    assert node.spent(0, 100) == {"down": 60, "up": 40}


def test_a_result_that_was_on_its_way_for_half_an_hour_tells_of_then_and_opens_nothing(node: Node) -> None:
    tasks = node.world.tick(0)
    answer = node.world.record(1801, [result(tasks[0], "fail", finding("breach", "service_down"))])
    assert (answer["late"], answer["transitions"]) == (1, [])
    assert node.spent(0, 1900) == {"down": HOLD_S, "unknown": 1900 - HOLD_S}


def test_the_future_is_not_counted(node: Node) -> None:
    node.look(0)
    assert node.spent(0, 1000, 50) == {"up": 50}
    assert node.spent(2000, 3000, 50) == {}


def test_nobody_watched_what_there_never_was(db: Db) -> None:
    now = datetime.now(UTC)
    found = of(db, "00000000-0000-0000-0000-000000000000", now - timedelta(days=1), now, now)
    assert found == {**dict.fromkeys(("watched", *STATES), 0), "downtimes": []}


# Maintenance -------------------------------------------------------------------------------------------------------


def test_maintenance_counts_before_all_else_and_to_the_second(node: Node) -> None:
    node.maintain(0, 120, 300)
    node.minutes(*["fail"] * 10)
    node.sweep(250)
    assert node.spent(0, 250) == {"down": 120, "maintenance": 130}
    node.sweep(1000)
    assert node.spent(0, 600) == {"down": 420, "maintenance": 180}
    assert node.downtimes(600) == [(0, 120), (300, 600)]
    assert node.world.db.value("select count(*) from watchkeeper.maintenance_spans") == 1


def test_windows_that_passed_while_nobody_swept_count(node: Node) -> None:
    node.maintain(0, 100, 200, rrule="FREQ=DAILY")
    node.sweep(86400 * 3 + 50)
    assert node.spent(0, 86400 * 3 + 50)["maintenance"] == 300


def test_two_windows_at_once_count_once(node: Node) -> None:
    node.maintain(0, 100, 300)
    node.maintain(0, 200, 400)
    node.sweep(500)
    assert node.spent(0, 500) == {"maintenance": 300, "unknown": 200}


def test_a_window_that_is_ended_counts_to_that_moment_and_stays(node: Node) -> None:
    silence = node.maintain(0, 100, 1000)
    node.sweep(200)
    node.world.db.run("select watchkeeper.end_silence(%s, %s)", silence["id"], node.world.at(222.5))
    node.sweep(300)
    assert node.spent(0, 500) == {"maintenance": 122.5, "unknown": 377.5}


def test_a_window_that_a_file_no_longer_mentions_counts_to_that_moment(node: Node) -> None:
    node.maintain(0, 100, 1000)
    node.world.db.run(
        "select watchkeeper.apply_config('{\"silences\": []}', true, false, %s)", node.world.at(150)
    )
    node.sweep(300)
    assert node.spent(0, 300) == {"maintenance": 50, "unknown": 250}


def test_an_edit_changes_what_comes_and_not_what_was(node: Node) -> None:
    silence = node.maintain(0, 100, 1000)
    node.sweep(200)
    node.maintain(200, 700, 800, id=silence["id"])
    node.sweep(2000)
    assert node.spent(0, 2000) == {"maintenance": 200, "unknown": 1800}


def test_nobody_declares_yesterday_a_maintenance(node: Node) -> None:
    node.minutes(*["fail"] * 10)
    node.sweep(590)
    node.maintain(600, 0, 1000)
    node.sweep(700)
    assert node.spent(0, 590) == {"down": 590}
    assert node.spent(590, 700) == {"maintenance": 110}


@pytest.mark.parametrize(
    ("match", "counts"),
    [
        ({}, True),
        ({"targets": ["node"]}, True),
        ({"targets": ["other"]}, False),
        ({"networks": ["main"], "chains": ["evm"], "labels": {"tier": "gold"}}, True),
        ({"labels": {"tier": "tin"}}, False),
        ({"kinds": ["uptime"]}, True),
        ({"kinds": ["mempool"]}, False),
        ({"min_severity": "critical"}, True),
        ({"alert_types": ["slow_response"]}, False),
    ],
)
def test_a_window_counts_for_the_targets_it_means(world: World, match: Json, counts: bool) -> None:
    node = Node(world, network="main", labels={"tier": "gold"})
    node.maintain(0, 0, 100, match=match)
    node.sweep(100)
    assert node.spent(0, 100) == {"maintenance" if counts else "unknown": 100}


def test_a_silence_is_no_maintenance(node: Node) -> None:
    node.maintain(0, 0, 100, kind="silence")
    node.sweep(100)
    assert node.spent(0, 100) == {"unknown": 100}


def test_a_sweep_of_the_past_changes_nothing(node: Node) -> None:
    node.sweep(100)
    node.maintain(100, 0, 200)
    node.sweep(50)
    assert node.spent(0, 100) == {"unknown": 100}


# Periods -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begins", "ends", "naming"),
    [
        (None, "2026-01-01", "from_time"),
        ("-infinity", "2026-01-01", "from_time"),
        ("2019-12-31 23:59:59+00", "2026-01-01", "from_time"),
        ("2200-01-02", "2200-01-03", "from_time"),
        ("2026-01-01", None, "to_time"),
        ("2026-01-01", "infinity", "to_time"),
        ("2026-01-01", "2026-01-01", "to_time: must be after from_time"),
        ("2026-01-02", "2026-01-01", "to_time: must be after from_time"),
        ("2026-01-01", "2036-01-01 00:00:00.000001", "to_time: must be after from_time and at most 10 years"),
    ],
)
def test_a_period_that_is_none_is_refused(db: Db, begins: str | None, ends: str | None, naming: str) -> None:
    with refused(db, "22023", naming=naming):
        db.run("select watchkeeper.need_period(%s, %s)", begins, ends)


def test_ten_years_are_a_period(db: Db) -> None:
    db.run("select watchkeeper.need_period('2026-01-01', '2036-01-01')")
