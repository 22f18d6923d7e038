"""History ends; what it told stays."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from tests.supabase.world import Db, World, finding, refused, result, sample

EMPTY = {
    "system_health_metrics": 0,
    "uptime_checks": 0,
    "runs": 0,
    "performance_benchmarks": 0,
    "more": False,
}


def prune(world: World, days_later: float, keep_days: Any = 30, most: Any = 1000) -> Any:
    """Once all that may be is rolled up."""
    at = world.start + timedelta(days=days_later)
    world.db.run("select watchkeeper.roll_up_days(%s, 1000)", at)
    return world.db.value("select watchkeeper.prune_history(%s, %s, %s)", at, keep_days, most)


def lived_in(world: World, minutes: int = 3) -> None:
    world.target(checks={"uptime": {}})
    for minute in range(minutes):
        look = {"service_name": "web", "endpoint": "http://x", "is_up": False, "response_time_ms": minute}
        world.step(minute, "fail", finding("breach"), samples=[sample("height", minute)], uptime=look)
    world.db.run("delete from performance_benchmarks")  # those of the recordings themselves
    world.db.run(
        "insert into performance_benchmarks (benchmark_name, operation_type, duration_ms, recorded_at) "
        "select 'ci', 'sign', 1, checked_at from uptime_checks"
    )


def test_what_is_older_than_it_is_kept_goes_and_the_rest_stays(world: World) -> None:
    lived_in(world)
    day = 30 + 1.5 / 1440  # two of the three minutes are older
    assert prune(world, 30) == EMPTY
    assert prune(world, day) == {**dict.fromkeys(EMPTY, 2), "more": False}
    assert prune(world, day) == EMPTY
    assert world.db.values("select metric_value::int from system_health_metrics") == [2]


def test_alerts_and_the_newest_values_outlive_history(world: World) -> None:
    lived_in(world)
    summary, alerts = world.summary(170), world.alerts()
    prune(world, 1000)
    assert world.db.value("select count(*) from system_health_metrics") == 0
    assert world.alerts() == alerts
    assert world.summary(170)["blockchain"] == summary["blockchain"]
    assert world.summary(170)["alerts"] == summary["alerts"]


def test_a_call_takes_the_oldest_and_no_more_than_it_may(world: World) -> None:
    lived_in(world, 5)
    assert prune(world, 1000, most=2) == {**dict.fromkeys(EMPTY, 2), "more": True}
    assert sorted(world.db.values("select metric_value::int from system_health_metrics")) == [2, 3, 4]
    assert sorted(world.db.values("select response_time_ms::int from uptime_checks")) == [2, 3, 4]
    assert world.db.value("select min(due_at) from watchkeeper.runs") == world.at(120)
    assert prune(world, 1000, most=2)["more"] is True
    assert prune(world, 1000, most=2) == {**dict.fromkeys(EMPTY, 1), "more": False}


def test_a_day_that_is_not_rolled_up_stays_however_old_it_is(world: World) -> None:
    lived_in(world)
    far = world.start + timedelta(days=1000)
    assert world.db.value("select watchkeeper.prune_history(%s, 30, 1000)", far) == {
        **EMPTY,
        "performance_benchmarks": 3,
    }
    world.db.run("select watchkeeper.roll_up_days(%s, 1)", far)
    assert world.db.value("select watchkeeper.prune_history(%s, 30, 1000)", far)["runs"] > 0


def test_a_repeat_of_a_pruned_result_writes_nothing(world: World) -> None:
    world.target()
    task = world.tick(0)[0]
    world.record(1, [result(task, samples=[sample("height", 1)])])
    prune(world, 1000)
    assert world.record(2, [result(task, samples=[sample("height", 1)])])["dropped"] == 1
    assert world.db.value("select count(*) from system_health_metrics") == 0


def test_through_the_api_the_default_is_thirty_days(db: Db) -> None:
    db.run("insert into uptime_checks (service_name, endpoint, checked_at) "
           "select 'x', 'x', now() - make_interval(days => n) from generate_series(28, 33) as n")  # fmt: skip
    with db.acting_as("service_role"):
        assert db.rpc("prune_history") == {**EMPTY, "uptime_checks": 3}
        assert db.rpc("prune_history", keep_days=1) == {**EMPTY, "uptime_checks": 3}


@pytest.mark.parametrize("keep_days", [None, 0, -1, 3651, 2**31 - 1])
def test_how_long_to_keep_is_checked(db: Db, keep_days: Any) -> None:
    with refused(db, "22023", naming="keep_days: must be from 1 to 3650"):
        db.rpc("prune_history", keep_days=keep_days)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("public.system_health_metrics", "recorded_at"),
        ("public.uptime_checks", "checked_at"),
        ("watchkeeper.runs", "due_at"),
        ("public.performance_benchmarks", "recorded_at"),
    ],
)
def test_the_oldest_rows_are_found_by_an_index(db: Db, table: str, column: str) -> None:
    with db.connection.transaction():
        db.run("set local enable_seqscan = off; set local enable_sort = off")
        plan = str(db.rows(f"explain select from {table} where {column} < now() order by {column} limit 10"))
    assert re.search(r"Index (Only )?Scan using \w+_(oldest|newest)", plan)
