"""Series for charts: a gap is a gap."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import psycopg.sql
import pytest

from tests.supabase.world import World, refused, sample


def a_series(world: World) -> str:
    target = world.target()
    for minute, height in ((0, 10), (1, 20), (4, 30)):
        world.step(minute, "ok", samples=[sample("height", height)])
    return str(target["id"])


def test_a_series_has_a_value_where_there_are_samples_and_null_in_the_gaps(world: World) -> None:
    target = a_series(world)
    points = world.db.rpc("get_metric_series", target_id=target, metric_name="height", from_time=world.at(0),
                          to_time=world.at(360), points=3)  # fmt: skip
    assert [(point["avg"], point["min"], point["max"], point["n"]) for point in points] == [
        (15, 10, 20, 2), (None, None, None, 0), (30, 30, 30, 1),
    ]  # fmt: skip
    assert [world.moment(point["at"]) for point in points] == [world.at(0), world.at(120), world.at(240)]


def test_what_nobody_measured_is_all_gaps(world: World) -> None:
    points = world.db.rpc(
        "get_metric_series", target_id=None, metric_name="nope", from_time=world.at(0), to_time=world.at(60)
    )
    assert len(points) == 200
    assert {point["n"] for point in points} == {0}


def test_metrics_recorded_by_hand_have_no_target(world: World) -> None:
    a_series(world)
    world.db.rpc("record_system_metric", metric_name_param="height", metric_value_param=5)
    now = world.db.value("select now()")
    points = world.db.rpc("get_metric_series", target_id=None, metric_name="height",
                          from_time=now - timedelta(days=2), to_time=now + timedelta(seconds=1), points=1)  # fmt: skip
    assert [(point["avg"], point["n"]) for point in points] == [(5, 1)]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("metric_name", None), ("metric_name", ""), ("metric_name", "x" * 1_000_000),
        *(("from_time", value) for value in (None, "infinity", "-infinity", "1970-01-01", "4000-01-01")),
        *(("to_time", value) for value in (None, "infinity", "-infinity", "1970-01-01", "294276-12-31")),
        *(("points", value) for value in (None, 0, -1, 2001, 2**31 - 1)),
    ],
)  # fmt: skip
def test_a_series_with_a_bad_argument_is_refused(world: World, argument: str, value: Any) -> None:
    good = {
        "target_id": None,
        "metric_name": "x",
        "from_time": world.at(0),
        "to_time": world.at(60),
        "points": 10,
    }
    with refused(world.db, "22023", naming=f"{argument}: "):
        world.db.rpc("get_metric_series", **{**good, argument: value})


def test_points_closer_than_a_millisecond_are_refused(world: World) -> None:
    with refused(world.db, "22023", naming="points: "):
        world.db.rpc(
            "get_metric_series",
            target_id=None,
            metric_name="x",
            from_time=world.at(0),
            to_time=world.at(1e-3),
        )


ALERT = {"alert_type": "x", "severity": "info", "message": "x", "source": "x", "fingerprint": "x",
         "first_seen_at": "2026-01-01", "last_seen_at": "2026-01-01"}  # fmt: skip
GOOD: dict[str, dict[str, Any]] = {
    "system_health_metrics": {"metric_name": "x", "metric_value": 1},
    "uptime_checks": {"service_name": "x", "endpoint": "x"},
    "performance_benchmarks": {"benchmark_name": "x", "operation_type": "x", "duration_ms": 1},
    "incident_logs": {"incident_type": "x", "severity": "low", "title": "x"},
    "system_alerts": ALERT,
}


def insert(world: World, table: str, row: dict[str, Any]) -> None:
    statement = psycopg.sql.SQL("insert into public.{} ({}) values ({})").format(
        psycopg.sql.Identifier(table),
        psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, row)),
        psycopg.sql.SQL(", ").join(map(psycopg.sql.Literal, row.values())),
    )
    world.db.connection.execute(statement)


@pytest.mark.parametrize("table", GOOD)
def test_a_possible_row_is_possible(world: World, table: str) -> None:
    insert(world, table, GOOD[table])


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("system_health_metrics", {"metric_value": "NaN"}),
        ("system_health_metrics", {"metric_value": "Infinity"}),
        ("system_health_metrics", {"recorded_at": "2096-01-01"}),
        ("system_health_metrics", {"severity": "error"}),
        ("system_health_metrics", {"metadata": "[]"}),
        ("uptime_checks", {"checked_at": "2096-01-01"}),
        ("uptime_checks", {"response_time_ms": -1}),
        ("uptime_checks", {"response_time_ms": "NaN"}),
        ("performance_benchmarks", {"duration_ms": -5}),
        ("performance_benchmarks", {"duration_ms": "NaN"}),
        ("performance_benchmarks", {"success_rate": 101}),
        ("performance_benchmarks", {"success_rate": "NaN"}),
        ("performance_benchmarks", {"throughput": "Infinity"}),
        ("incident_logs", {"status": "resolved"}),
        ("incident_logs", {"status": "closed", "resolved_at": "2020-01-01"}),
        ("system_alerts", {"acknowledged": True}),
        ("system_alerts", {"status": "resolved"}),
        ("system_alerts", {"occurrences": 0}),
        ("system_alerts", {"first_seen_at": "2027-01-01"}),
    ],
)
def test_impossible_rows_are_refused_even_to_the_owner(
    world: World, table: str, wrong: dict[str, Any]
) -> None:
    """NaN, negative durations, rows from the future and incidents resolved before they began were stored once."""
    with refused(world.db, "23514"):
        insert(world, table, {**GOOD[table], **wrong})
