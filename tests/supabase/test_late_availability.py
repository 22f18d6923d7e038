"""Results that waited while the database was away: shown late, counted at their own moment, and alarming nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Event, Thread
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.supabase.test_availability import HOLD_S, Node
from tests.supabase.world import Db, Json, World, finding, only, result, sample

few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # fmt: skip
OCTOBER = datetime(2025, 10, 1, tzinfo=UTC)
DAY = 86_400
MONTH = 31 * DAY


def runs(world: World) -> list[tuple[str, bool, bool]]:
    """(outcome, missed, late) by slot"""
    return world.db.rows("select outcome, missed, late from watchkeeper.runs order by due_at")


def finished(task: Json, outcome: str = "ok", after_s: float = 0.5, **more: Any) -> Json:
    """Its result, made when it was due."""
    at = (World.moment(task["due_at"]) + timedelta(seconds=after_s)).isoformat()
    return result(task, outcome, started_at=task["due_at"], finished_at=at, **more)


def away(node: Node, minutes: int, start: int = 0) -> list[Json]:
    """Claimed each minute, and not recorded."""
    return [task for minute in range(start, start + minutes) for task in node.world.tick(60 * minute, 1)]


def test_a_missed_slot_that_gets_its_result_is_late_and_not_unknown(world: World) -> None:
    node = Node(world)
    tasks = away(node, 3)
    node.minutes("ok", start=5)
    assert [each[1] for each in runs(world)] == [True, True, True, False]
    answer = world.record(310, [finished(task, samples=[sample("x", 1)]) for task in tasks])
    assert (answer["late"], answer["recorded"]) == (3, 0)
    assert runs(world) == [("ok", False, True)] * 3 + [("ok", False, False)]
    moments = world.db.values("select recorded_at from system_health_metrics order by 1")
    assert moments == [world.at(60 * minute + 0.5) for minute in range(3)], "at their own time"
    monitoring = world.summary(320)["monitoring"]
    assert (monitoring["missed_24h"], monitoring["late_24h"]) == (0, 3)


def test_the_gap_is_what_the_results_say(world: World) -> None:
    node = Node(world)
    node.minutes("ok")
    tasks = away(node, 3, start=1)
    node.minutes("ok", start=4)
    assert node.spent(0, 300) == {"up": 120, "unknown": 180}
    outcomes = ("ok", "fail", "ok")
    world.record(250, [finished(t, o) for t, o in zip(tasks, outcomes, strict=True)])
    assert node.spent(0, 300) == {"up": 240, "down": 60}
    assert node.downtimes(300) == [(120.5, 180.5)]


def test_what_is_older_than_it_speaks_opens_and_closes_no_alert(world: World) -> None:
    node = Node(world)
    node.look(0)
    (task,) = away(node, 1, start=1)
    breach = finding("breach", "service_down")
    late = world.record(3600, [{**finished(task, "fail"), "findings": [breach]}])
    assert (late["late"], late["transitions"], world.firing()) == (1, [], [])
    assert world.targets(3600)[0]["checks"]["uptime"]["outcome"] == "ok", "the newest that still moved it"


def test_it_tells_nothing_of_a_time_in_which_nobody_watched(world: World) -> None:
    node = Node(world)
    tasks = away(node, 2)
    pause = "select watchkeeper.pause_target(%s, %s, %s)"
    world.db.run(pause, node.target["id"], True, world.at(100))
    world.db.run(pause, node.target["id"], False, world.at(200))
    world.record(300, [finished(task) for task in tasks])
    assert node.spent(0, 300) == {"unknown": 300}


story = st.lists(st.sampled_from(["ok", "ok", "fail", "unknown"]), min_size=2, max_size=8)


@few
@given(outcomes=story, data=st.data())
def test_in_whatever_order_they_come_the_record_is_the_same(
    world: World, outcomes: list[str], data: st.DataObject
) -> None:
    """The queue keeps no order, delivers twice, and new results are recorded between."""
    n = len(outcomes)
    in_time = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    order = data.draw(st.permutations([minute for minute in range(n) if not in_time[minute]]))
    cut = data.draw(st.integers(0, len(order)))

    def played(late: list[list[int]]) -> tuple[Any, Any]:
        with world.db.connection.transaction(force_rollback=True):
            node = Node(World(world.db, OCTOBER + timedelta(hours=23, minutes=57)))
            tasks: dict[int, Json] = {}
            for minute in range(n):
                for task in node.world.tick(60 * minute, 1):
                    slot = round((World.moment(task["due_at"]) - node.world.start).total_seconds()) // 60
                    tasks.setdefault(slot, task)
                if minute in tasks and in_time[minute]:
                    node.world.record(60 * minute + 1, [finished(tasks[minute], outcomes[minute])])
            for several in late:
                known = [tasks[minute] for minute in several if minute in tasks]
                whose = [minute for minute in several if minute in tasks]
                node.world.record(
                    60 * n + 3600,
                    [finished(t, outcomes[m]) for t, m in zip(known, whose, strict=True)],
                )
            spans = [node.spent(60 * minute, 60 * minute + 60, 9000) for minute in range(n + 4)]
            return spans, node.downtimes(9000)

    at_once = played([sorted(order)])
    assert played([[each] for each in order]) == at_once
    assert played([list(order[:cut]), list(order[cut:]), list(order)]) == at_once


def days(world: World) -> list[tuple[float, float, int, int]]:
    """(up, down, checks, failures) as they are rolled up"""
    return [
        (float(up), float(down), checks, failures)
        for up, down, checks, failures in world.db.rows(
            "select up_s, down_s, checks, failures from watchkeeper.uptime_days order by day"
        )
    ]


def look(is_up: bool) -> Json:
    return {"service_name": "node", "endpoint": "http://x", "is_up": is_up, "response_time_ms": 10}


def test_a_day_that_is_rolled_up_is_rolled_up_anew(db: Db) -> None:
    world = World(db, OCTOBER)
    node = Node(world)
    first, second = away(node, 2)
    world.record(1, [finished(first, uptime=look(True))])
    world.db.run("select watchkeeper.roll_up_days(%s, 10)", world.at(DAY + 7200))
    assert days(world) == [(HOLD_S, 0, 1, 0)]
    world.record(2 * DAY, [finished(second, "fail", uptime=look(False))])
    assert days(world) == [(60, HOLD_S, 2, 1)]
    assert node.spent(0, DAY, 3 * DAY) == {"up": 60, "down": HOLD_S, "unknown": DAY - 60 - HOLD_S}


def test_what_was_pruned_meanwhile_still_counts(db: Db) -> None:
    world = World(db, OCTOBER)
    node = Node(world)
    first, second = away(node, 2)
    node.minutes("ok", start=2)
    world.record(200, [finished(first, uptime=look(True))])
    world.db.run("select watchkeeper.roll_up_days(%s, 10)", world.at(DAY + 7200))
    before = days(world)
    world.db.run("delete from uptime_checks")
    world.record(2 * DAY, [finished(second, "fail")])
    assert days(world)[0][2:] == before[0][2:]
    assert days(world)[0][1] > 0


def close(world: World, seconds: float) -> None:
    world.db.run("select watchkeeper.roll_up_days(%s, 100)", world.at(seconds))
    world.db.run("select watchkeeper.close_months(%s)", world.at(seconds))


def test_a_closed_month_stays_as_it_was_closed(db: Db) -> None:
    world = World(db, OCTOBER)
    node = Node(world)
    node.look(0)
    world.db.run("update watchkeeper.checks set next_due_at = %s", world.at(MONTH - 60))
    before, after = (world.tick(MONTH + seconds, 1)[0] for seconds in (-60, 0))
    close(world, MONTH + 2 * DAY)
    kept = days(world)
    late = [finished(before, "fail"), finished(after, "fail")]
    assert world.record(MONTH + 3 * DAY, late)["late"] == 2
    verified = world.db.value("select watchkeeper.verify_sla_close('2025-10')")
    assert verified["ok"], verified
    assert days(world)[:31] == kept[:31]
    # What it says of the next month counts there.
    assert node.spent(MONTH, MONTH + DAY, MONTH + 3 * DAY)["down"] == 0.5 + HOLD_S
    assert days(world)[31][:2] == (0, 0.5 + HOLD_S)


def test_nobody_closes_a_month_while_it_is_rewritten(fresh: Any) -> None:
    """Whoever comes second waits, and the month that is closed holds what was recorded."""
    world, other = World(fresh(), OCTOBER), World(fresh(), OCTOBER)
    node = Node(world)
    node.look(0)
    world.db.run("update watchkeeper.checks set next_due_at = %s", world.at(DAY))
    (task,) = world.tick(DAY, 1)
    world.db.run("select watchkeeper.roll_up_days(%s, 100)", world.at(MONTH + 2 * DAY))
    begun = Event()

    def close_it() -> None:
        begun.set()
        other.db.run("select watchkeeper.close_months(%s)", other.at(MONTH + 2 * DAY))

    with world.db.connection.transaction():
        world.record(MONTH + 2 * DAY, [finished(task, "fail")])
        closing = Thread(target=close_it)
        closing.start()
        begun.wait()
        closing.join(0.5)
        assert closing.is_alive(), "it waits"
    closing.join(20)
    verified = world.db.value("select watchkeeper.verify_sla_close('2025-10')")
    assert verified["ok"], verified
    facts = world.db.value("select inputs -> 'targets' from watchkeeper.sla_closes")
    assert only(list(facts.values()))["down_s"] == HOLD_S


def test_spans_never_overlap_but_where_nothing_is_known(world: World) -> None:
    node = Node(world)
    tasks = away(node, 8)
    for n in (3, 0, 6, 1, 7, 2):
        world.record(4000 + n, [finished(tasks[n], "ok" if n % 2 else "fail")])
    spans = world.db.rows(
        "select from_at, watchkeeper.span_end(a) from watchkeeper.availability_spans as a order by from_at, id"
    )
    assert all(one[1] <= two[0] for one, two in pairwise(spans))
