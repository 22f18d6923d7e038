"""Series for charts: a gap is a gap."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

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
    points = world.db.rpc("get_metric_series", target_id=None, metric_name="nope", from_time=world.at(0), to_time=world.at(60))
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
        *(("from_time", value) for value in (None, "infinity", "-infinity", "1970-01-01", "4000-01-01", "294276-12-31")),
        *(("to_time", value) for value in (None, "infinity", "-infinity", "1970-01-01", "294276-12-31")),
        *(("points", value) for value in (None, 0, -1, 2001, 2**31 - 1)),
    ],
)  # fmt: skip
def test_a_series_with_a_bad_argument_is_refused(world: World, argument: str, value: Any) -> None:
    good = {"target_id": None, "metric_name": "x", "from_time": world.at(0), "to_time": world.at(60), "points": 10}
    with refused(world.db, "22023", naming=f"{argument}: "):
        world.db.rpc("get_metric_series", **{**good, argument: value})


def test_points_closer_than_a_millisecond_are_refused(world: World) -> None:
    with refused(world.db, "22023", naming="points: "):
        world.db.rpc("get_metric_series", target_id=None, metric_name="x", from_time=world.at(0), to_time=world.at(1e-3))


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("insert into system_health_metrics (metric_name, metric_value) values ('x', 'NaN')", "metric_value"),
        ("insert into system_health_metrics (metric_name, metric_value) values ('x', 'Infinity')", "metric_value"),
        ("insert into system_health_metrics (metric_name, metric_value, recorded_at) values ('x', 1, '2036-01-01')", "recorded_at"),
        ("insert into system_health_metrics (metric_name, metric_value, severity) values ('x', 1, 'error')", "severity"),
        ("insert into uptime_checks (service_name, endpoint, checked_at) values ('x', 'x', now() + interval '10 years')", "checked_at"),
        ("insert into uptime_checks (service_name, endpoint, response_time_ms) values ('x', 'x', -1)", "response_time_ms"),
        ("insert into performance_benchmarks (benchmark_name, operation_type, duration_ms) values ('x', 'x', -5)", "duration_ms"),
        ("insert into performance_benchmarks (benchmark_name, operation_type, duration_ms) values ('x', 'x', 'NaN')", "duration_ms"),
        ("insert into performance_benchmarks (benchmark_name, operation_type, duration_ms, success_rate) values ('x', 'x', 1, 101)",
         "success_rate"),
        ("insert into performance_benchmarks (benchmark_name, operation_type, duration_ms, success_rate) values ('x', 'x', 1, 'NaN')",
         "success_rate"),
        ("insert into incident_logs (incident_type, severity, title, status) values ('x', 'low', 'x', 'resolved')", ""),
        ("insert into incident_logs (incident_type, severity, title, resolved_at, status) values ('x', 'low', 'x', '2020-01-01', 'closed')", ""),
        ("insert into system_alerts (alert_type, severity, message, source, fingerprint, first_seen_at, last_seen_at, acknowledged) "
         "values ('x', 'info', 'x', 'x', 'x', now(), now(), true)", ""),
    ],
)  # fmt: skip
def test_impossible_rows_are_refused_even_to_the_owner(world: World, statement: str, constraint: str) -> None:
    """NaN, negative durations, rows from 2036 and incidents resolved before they began were all stored once."""
    with refused(world.db, "23514") as _:
        world.db.run(statement)
    assert constraint in statement
