"""Percentiles, the window before, and the rules that tell of a regression; and what our own pipeline records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.supabase.world import Json, World, anything, only, refused, result

HOUR = 3600
BEFORE, NOW = 1800, 5400  # in the middle of the first and of the second hour
END = 7200


def record(world: World, durations: Sequence[float], seconds: float = NOW, **more: Any) -> None:
    """All at one moment."""
    given = [
        {"benchmark_name": "ci", "operation_type": "sign", "duration_ms": each, **more} for each in durations
    ]
    said = world.db.value("select watchkeeper.record_benchmarks(%s, %s)", given, world.at(seconds))
    assert said == {"recorded": len(durations)}


def benchmarks(
    world: World, seconds: float = END, benchmark_name: str | None = None, operation_type: str | None = None
) -> list[Json]:
    """Of the hour that ends there."""
    found: list[Json] = world.db.value(
        "select watchkeeper.get_benchmarks(%s, %s, %s, %s)",
        HOUR, benchmark_name, operation_type, world.at(seconds),
    )  # fmt: skip
    return found


def spent(found: Json) -> list[float | None]:
    return [found[key] for key in ("n", "p50_ms", "p95_ms", "p99_ms", "mean_ms")]


# Percentiles and windows -----------------------------------------------------------------------------------------


def test_percentiles_lie_between_the_two_samples_next_to_them(world: World) -> None:
    record(world, [10, 20, 30, 40, 100])
    # Of five samples p50 is the third; p95 is 0.8 and p99 0.96 of the way from the fourth to the fifth.
    assert spent(only(benchmarks(world))["now"]) == [5, 30, 88, 97.6, 40]


def test_one_sample_is_every_percentile(world: World) -> None:
    record(world, [0.125])
    assert spent(only(benchmarks(world))["now"]) == [1, 0.125, 0.125, 0.125, 0.125]


def test_throughput_and_success_are_averaged_over_those_that_told_them(world: World) -> None:
    record(world, [1], throughput=100, success_rate=100)
    record(world, [1], throughput=300, success_rate=None)
    record(world, [1])
    now = only(benchmarks(world))["now"]
    assert (now["n"], now["throughput"], now["success_rate"]) == (3, 200, 100)


def test_what_nobody_measured_is_null_and_never_0(world: World) -> None:
    record(world, [5], BEFORE)
    (found,) = benchmarks(world)
    assert found["now"] == {
        "n": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None, "mean_ms": None, "throughput": None,
        "success_rate": None,
    }  # fmt: skip
    assert found["before"]["p50_ms"] == 5
    assert (found["change_percent"], found["regression"]) == (dict.fromkeys(("p50", "p95", "p99")), None)


def test_the_first_window_has_none_before_it(world: World) -> None:
    record(world, [5])
    (found,) = benchmarks(world)
    assert (found["before"], found["change_percent"]["p95"], found["regression"]) == (None, None, None)


def test_the_change_is_told_of_each_percentile(world: World) -> None:
    record(world, [100, 100, 100], BEFORE)
    record(world, [80, 100, 250], NOW)
    assert only(benchmarks(world))["change_percent"] == {"p50": 0, "p95": 135, "p99": 147}


def test_a_change_from_nothing_is_no_percentage(world: World) -> None:
    record(world, [0], BEFORE)
    record(world, [3], NOW)
    assert only(benchmarks(world))["change_percent"] == dict.fromkeys(("p50", "p95", "p99"))


def test_each_moment_is_in_exactly_one_window(world: World) -> None:
    """A window begins after its first moment and ends with its last."""
    for seconds in (0, HOUR, HOUR + 0.000001, END, END + 1):
        record(world, [seconds], seconds)
    (found,) = benchmarks(world)
    assert (found["before"]["n"], found["before"]["p50_ms"], found["now"]["n"]) == (1, HOUR, 2)


def test_operations_are_apart_and_can_be_asked_for(world: World) -> None:
    for name in ("ci", "node"):
        for operation in ("sign", "verify"):
            record(world, [1], benchmark_name=name, operation_type=operation)

    def names(*wanted: str | None) -> list[tuple[str, str]]:
        return [(b["benchmark_name"], b["operation_type"]) for b in benchmarks(world, END, *wanted)]

    assert names() == [("ci", "sign"), ("ci", "verify"), ("node", "sign"), ("node", "verify")]
    assert names("ci") == [("ci", "sign"), ("ci", "verify")]
    assert names(None, "sign") == [("ci", "sign"), ("node", "sign")]
    assert names("ci", "sign") == [("ci", "sign")]
    assert names("nobody") == []


def test_one_benchmark_is_recorded_as_it_was_told(world: World) -> None:
    told = {"benchmark_name": "ci", "operation_type": "sign", "duration_ms": 1.5, "throughput": 3, "success_rate": 99.5,
            "metadata": {"host": "ünïcode"}}  # fmt: skip
    row = record_one(world, **told)
    stored = world.db.value("select to_jsonb(b) from performance_benchmarks as b where id = %s", row)
    assert {key: stored[key] for key in told} == told


def test_a_batch_may_say_when_each_was_measured(world: World) -> None:
    record(world, [1], END, recorded_at=world.at(60).isoformat())
    assert world.db.values("select recorded_at from performance_benchmarks") == [world.at(60)]


def test_a_clock_that_is_a_little_ahead_is_set_right(world: World) -> None:
    record(world, [1], 0, recorded_at=world.at(90).isoformat())
    assert world.db.values("select recorded_at from performance_benchmarks") == [world.at(0)]


def test_an_empty_batch_records_nothing(world: World) -> None:
    assert world.db.rpc("record_benchmarks", benchmarks=[]) == {"recorded": 0}


# Series ----------------------------------------------------------------------------------------------------------


def series(world: World, **changed: Any) -> list[Json]:
    wanted = {
        "benchmark_name": "ci",
        "operation_type": "sign",
        "from_time": world.at(0),
        "to_time": world.at(END),
    }
    points: list[Json] = world.db.rpc("get_benchmark_series", **{**wanted, "points": 4, **changed})
    return points


def test_a_series_has_null_where_nothing_was_measured(world: World) -> None:
    record(world, [10, 20], 0)
    record(world, [7], 1799)
    record(world, [8], END - 1)
    record(world, [9], END)
    points = series(world)
    assert [(p["p50_ms"], p["p95_ms"], p["n"]) for p in points] == [
        (10, 19, 3), (None, None, 0), (None, None, 0), (8, 8, 1),
    ]  # fmt: skip
    assert [world.moment(p["at"]) for p in points] == [world.at(n * 1800) for n in range(4)]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *((argument, value) for argument in ("benchmark_name", "operation_type") for value in (None, " ", "x" * 101)),
        *(("from_time", value) for value in (None, "infinity", "-infinity", "1970-01-01", "4000-01-01")),
        *(("to_time", value) for value in (None, "infinity", "-infinity", "1970-01-01", "294276-12-31")),
        *(("points", value) for value in (None, 0, -1, 2001, 2**31 - 1)),
    ],
)  # fmt: skip
def test_a_series_with_a_bad_argument_is_refused(world: World, argument: str, value: Any) -> None:
    with refused(world.db, "22023", naming=f"{argument}: "):
        series(world, **{argument: value})


@pytest.mark.parametrize("value", [None, 0, -1, 59, 31_622_401, 2**31 - 1])
def test_a_window_of_another_size_is_refused(world: World, value: int | None) -> None:
    with refused(world.db, "22023", naming="window_s: "):
        world.db.rpc("get_benchmarks", window_s=value)


# Bad input -------------------------------------------------------------------------------------------------------

BAD = [
    *(("duration_ms", value) for value in anything(None, "NaN", "Infinity", "-Infinity", -0.001, 1e12, "1e400")),
    *(("throughput", value) for value in anything("NaN", "Infinity", -1, 1e15)),
    *(("success_rate", value) for value in anything("NaN", -1, 101, 100.0001)),
    *((name, value) for name in ("benchmark_name", "operation_type") for value in anything(None, "", " ", "x" * 101)),
    *(("metadata", value) for value in anything([], {"x": "y" * 10_001})),
]  # fmt: skip
GOOD: Json = {"benchmark_name": "ci", "operation_type": "sign", "duration_ms": 1}


def record_one(world: World, **changed: Any) -> Any:
    """PostgREST reads a fraction as numeric."""
    told = {**GOOD, **changed}
    return world.db.rpc(
        "record_benchmark",
        **{key: Decimal(str(value)) if isinstance(value, float) else value for key, value in told.items()},
    )


@pytest.mark.parametrize(("argument", "value"), BAD)
def test_a_bad_benchmark_is_refused_by_name(world: World, argument: str, value: Any) -> None:
    with refused(world.db, "22023", naming=f"{argument}: "):
        record_one(world, **{argument: value})


def test_metadata_that_is_no_map_is_refused(world: World) -> None:
    for value in ("null", '"x"', "5"):
        with refused(world.db, "22023", naming="metadata: "):
            world.db.run(
                "select public.record_benchmark('ci', 'sign', 1, metadata => %s::text::jsonb)", value
            )


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *BAD,
        *(("duration_ms", value) for value in anything("1", True, [], {})),
        *(("metadata", value) for value in anything(None, "x", 5)),
        *(
            ("recorded_at", value)
            for value in anything(None, 5, "", "now", "yesterday", "infinity", "2026-02-30T00:00:00Z",
                                  "2096-01-01T00:00:00Z", "2019-12-31T23:59:59Z", "2020-01-01T00:00:00+14:00",
                                  "2026-01-01T00:00:00")
        ),
        ("duration", 5),
    ],
)  # fmt: skip
def test_one_bad_benchmark_refuses_the_batch_by_name(world: World, argument: str, value: Any) -> None:
    with refused(world.db, "22023", naming=f"benchmarks[1].{argument}: "):
        world.db.rpc("record_benchmarks", benchmarks=[GOOD, {**GOOD, argument: value}])


@pytest.mark.parametrize("name", ["benchmark_name", "operation_type", "duration_ms"])
def test_what_is_missing_is_said(world: World, name: str) -> None:
    with refused(world.db, "22023", naming=f"benchmarks[0].{name}: is missing"):
        world.db.rpc(
            "record_benchmarks", benchmarks=[{key: value for key, value in GOOD.items() if key != name}]
        )


@pytest.mark.parametrize("value", anything({}, [GOOD] * 1001, [[GOOD]], [None], ["x"]))
def test_what_is_no_batch_is_refused(world: World, value: Any) -> None:
    with refused(world.db, "22023", naming="benchmarks"):
        world.db.rpc("record_benchmarks", benchmarks=value)


def test_a_batch_of_1000_is_recorded(world: World) -> None:
    assert world.db.rpc("record_benchmarks", benchmarks=[GOOD] * 1000) == {"recorded": 1000}


def test_numbers_at_their_limits_are_recorded(world: World) -> None:
    record_one(world, duration_ms=0, throughput=0, success_rate=0)
    record_one(world, duration_ms=999_999_999_999, throughput=999_999_999_999_999, success_rate=100)
    (found,) = world.db.rpc("get_benchmarks")
    assert found["now"]["p50_ms"] == 499_999_999_999.5


# Who may ---------------------------------------------------------------------------------------------------------


def test_a_tool_may_record_and_nothing_else(world: World) -> None:
    with world.db.acting_as("watchkeeper_ingest"):
        world.db.rpc("record_benchmark", **GOOD)
        world.db.rpc("record_benchmarks", benchmarks=[GOOD])
    for rpc, args in (
        ("get_benchmarks", {}),
        ("list_benchmark_rules", {}),
        ("save_benchmark_rule", {"rule": RULE}),
        ("delete_benchmark_rule", {"name": "slower"}),
    ):
        with refused(world.db, "42501"), world.db.acting_as("watchkeeper_ingest"):
            world.db.rpc(rpc, **args)


def test_a_viewer_reads_and_may_not_record(world: World) -> None:
    with world.db.asking_as("viewer"):
        assert world.db.rpc("get_benchmarks") == []
    for rpc, args in (("record_benchmark", GOOD), ("record_benchmarks", {"benchmarks": []})):
        with refused(world.db, "42501"), world.db.asking_as("viewer"):
            world.db.rpc(rpc, **args)


# Rules -----------------------------------------------------------------------------------------------------------

RULE: Json = {"name": "slower", "benchmark_name": "ci", "operation_type": "sign", "min_samples": 3}


@pytest.fixture
def ruled(world: World) -> World:
    """A rule, and an hour in which signing took 100 ms."""
    save(world)
    record(world, [100] * 3, BEFORE)
    return world


def save(world: World, seconds: float = 0, **changed: Any) -> Json:
    saved: Json = world.db.value(
        "select watchkeeper.save_benchmark_rule(%s, %s)", {**RULE, **changed}, world.at(seconds)
    )
    return saved


def tend(world: World, seconds: float = END) -> list[str]:
    """Messages of what fires after a look at that moment."""
    world.db.run("select watchkeeper.tend_benchmarks(%s)", world.at(seconds))
    return [
        a["message"] for a in world.alerts(status="firing") if a["alert_type"] == "performance_regression"
    ]


def test_a_rule_has_defaults(world: World) -> None:
    assert save(world) == {
        **RULE, "percentile": 95, "max_increase_percent": 50, "window_s": 3600, "severity": "warning", "enabled": True,
    }  # fmt: skip


def test_a_regression_opens_an_alert_that_says_how_much(ruled: World) -> None:
    record(ruled, [100, 100, 200])
    assert only(tend(ruled)) == (
        "ci sign is slower: p95 190 ms in the last 3600 s, 100 ms in the 3600 s before "
        "(+90 %; at most 50 % more is allowed)"
    )
    alert = only(ruled.alerts())
    assert (alert["source"], alert["severity"], alert["target_id"]) == ("slower", "warning", None)
    assert (only(benchmarks(ruled))["regression"], only(ruled.db.rpc("list_benchmark_rules"))["name"]) == (
        True,
        "slower",
    )


def test_the_sweep_tends_the_rules(ruled: World) -> None:
    record(ruled, [200] * 3)
    ruled.claim(END)
    assert ruled.firing() == ["performance_regression"]


def test_exactly_as_much_as_is_allowed_is_no_regression(ruled: World) -> None:
    record(ruled, [150] * 3)
    assert tend(ruled) == []
    assert only(benchmarks(ruled))["regression"] is False
    record(ruled, [150.1] * 100)
    assert len(tend(ruled, END + 60)) == 1


def test_a_regression_stays_one_alert_and_closes_when_the_time_before_is_as_slow(ruled: World) -> None:
    record(ruled, [200] * 3)
    for minute in range(5):
        tend(ruled, END + 60 * minute)
    assert len(ruled.alerts()) == 1
    record(ruled, [210] * 3, NOW + HOUR)
    assert tend(ruled, END + HOUR) == []
    assert only(ruled.alerts())["resolution"] == "as fast as the window before"


@pytest.mark.parametrize("samples", [0, 1, 2])
def test_too_few_samples_neither_open_nor_close(ruled: World, samples: int) -> None:
    record(ruled, [900] * samples, NOW)
    assert tend(ruled) == []
    assert only(benchmarks(ruled))["regression"] is None
    record(ruled, [900] * (3 - samples), NOW)
    (said,) = tend(ruled, END + 60)
    record(ruled, [1] * samples, NOW + HOUR)
    assert tend(ruled, END + HOUR + 60) == [said]


def test_a_window_before_with_too_few_samples_is_nothing_to_compare_with(world: World) -> None:
    save(world)
    record(world, [1] * 2, BEFORE)
    record(world, [900] * 50, NOW)
    assert tend(world) == []


def test_the_rule_looks_at_its_own_percentile_window_and_operation(world: World) -> None:
    save(world, percentile=50, window_s=60, severity="critical", max_increase_percent=0)
    record(world, [10] * 3, 30)
    record(world, [10, 10, 500], 90)
    record(world, [900] * 9, 90, operation_type="verify")
    record(world, [900] * 9, 90, benchmark_name="node")
    assert tend(world, 120) == []
    record(world, [11] * 9, 100)
    assert len(tend(world, 121)) == 1
    assert only(world.alerts())["severity"] == "critical"


def test_slower_than_no_time_at_all_is_slower(world: World) -> None:
    save(world)
    record(world, [0] * 3, BEFORE)
    record(world, [1] * 3, NOW)
    assert "from nothing" in only(tend(world))


def test_a_long_window_is_judged_less_often(world: World) -> None:
    save(world, window_s=86_400)
    tend(world, 0)
    record(world, [1] * 3, -90_000)
    record(world, [9] * 3, -60)
    assert tend(world, 86_400 / 60 - 1) == []
    assert len(tend(world, 86_400 / 60)) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"enabled": False}, "the rule was switched off"),
        ({"operation_type": "verify"}, "the rule is about another operation now"),
    ],
)
def test_a_rule_that_looks_no_more_takes_its_alert_along(ruled: World, change: Json, why: str) -> None:
    record(ruled, [200] * 3)
    assert tend(ruled)
    save(ruled, END, **change)
    assert tend(ruled, END + 60) == []
    assert only(ruled.alerts())["resolution"] == why


def test_a_rule_that_is_saved_again_keeps_its_alert(ruled: World) -> None:
    record(ruled, [200] * 3)
    assert tend(ruled)
    save(ruled, END, severity="error")
    assert len(tend(ruled, END + 1)) == 1
    assert [(a["severity"], a["status"]) for a in ruled.alerts()] == [("error", "firing")]


def test_a_deleted_rule_takes_its_alert_along(ruled: World) -> None:
    record(ruled, [200] * 3)
    assert tend(ruled)
    ruled.db.rpc("delete_benchmark_rule", name="slower")
    assert ruled.firing() == []
    assert ruled.db.rpc("list_benchmark_rules") == []
    with refused(ruled.db, "PT404", naming="name: there is no benchmark rule slower"):
        ruled.db.rpc("delete_benchmark_rule", name="slower")


def test_changes_of_a_rule_are_audited_and_its_looks_are_not(world: World) -> None:
    world.db.run("set constraints all immediate")
    save(world)
    tend(world)
    save(world, severity="error")
    save(world, severity="error")
    world.db.rpc("delete_benchmark_rule", name="slower")
    assert world.db.rows(
        "select action, row_key, after ->> 'severity' from watchkeeper.audit_log "
        "where table_name = 'benchmark_rules' order by seq"
    ) == [("insert", "slower", "warning"), ("update", "slower", "error"), ("delete", "slower", None)]


def test_rules_are_listed_with_what_they_see(ruled: World) -> None:
    record(ruled, [200] * 3)
    (found,) = ruled.db.value("select watchkeeper.list_benchmark_rules(%s)", ruled.at(END))
    assert (found["now"]["p95_ms"], found["before"]["p95_ms"], found["regression"]) == (200, 100, True)
    save(ruled, enabled=False)
    (found,) = ruled.db.value("select watchkeeper.list_benchmark_rules(%s)", ruled.at(END))
    assert (found["enabled"], found["regression"]) == (False, None)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        *((part, value) for part in ("name", "benchmark_name", "operation_type")
          for value in anything(None, "", " ", 5, "x" * 101)),
        *(("percentile", value) for value in anything(None, 90, "95", 95.5)),
        *(("max_increase_percent", value) for value in anything(None, -1, 100_001, "50")),
        *(("window_s", value) for value in anything(None, 59, 604_801, 60.5, "3600")),
        *(("min_samples", value) for value in anything(None, 0, 100_001, 2.5)),
        *(("severity", value) for value in anything(None, "high")),
        ("enabled", "yes"), ("id", "x"), ("judged_at", None),
    ],
)  # fmt: skip
def test_a_bad_rule_is_refused_by_name(world: World, part: str, value: Any) -> None:
    with refused(world.db, "22023", naming=f"rule.{part}: "):
        world.db.rpc("save_benchmark_rule", rule={**RULE, part: value})


@pytest.mark.parametrize("value", anything([], [RULE], {}))
def test_what_is_no_rule_is_refused(world: World, value: Any) -> None:
    with refused(world.db, "22023", naming="rule"):
        world.db.rpc("save_benchmark_rule", rule=value)


# Our own pipeline ------------------------------------------------------------------------------------------------


def own(world: World) -> list[tuple[str, float, float | None]]:
    return world.db.rows(
        "select operation_type, duration_ms, success_rate from performance_benchmarks "
        "where benchmark_name = 'watchkeeper' and operation_type <> 'record' order by recorded_at, operation_type"
    )


def took(task: Json, outcome: str, seconds: float) -> Json:
    finished = World.moment(task["due_at"]) + timedelta(seconds=seconds)
    return result(task, outcome, finished_at=finished.isoformat())


def test_each_check_is_recorded_once_though_its_result_comes_twice(world: World) -> None:
    world.target(checks={"blockchain": {}, "uptime": {}})
    outcomes = {"blockchain": "fail", "uptime": "unknown"}
    results = [took(task, outcomes[task["kind"]], 0.25) for task in world.tick(0)]
    counts = [world.record(seconds, results)["recorded"] for seconds in (50, 51)]
    assert counts == [2, 0]
    # It found the node down: that is a check that worked.
    assert own(world) == [("check.blockchain", 250, 100), ("check.uptime", 250, 0)]
    assert world.db.rows(
        "select duration_ms > 0, throughput > 0 from performance_benchmarks where operation_type = 'record'"
    ) == [(True, True)]


def test_a_late_result_is_recorded_at_its_own_time(world: World) -> None:
    world.target()
    (first,) = world.tick(0)
    (second,) = world.tick(60)
    world.record(110, [took(second, "ok", 1)])
    assert world.record(900, [took(first, "ok", 2)])["late"] == 1
    assert [milliseconds for _, milliseconds, _ in own(world)] == [2000, 1000]


def test_a_worker_whose_clock_is_ahead_takes_no_negative_time(world: World) -> None:
    world.target()
    (task,) = world.tick(0)
    ahead = [world.at(100).isoformat(), world.at(101).isoformat()]
    world.record(50, [result(task, started_at=ahead[0], finished_at=ahead[1])])
    assert own(world) == [("check.blockchain", 0, 100)]


def test_nothing_is_recorded_of_a_call_without_results(world: World) -> None:
    assert world.record(0, [])["recorded"] == 0
    assert world.db.value("select count(*) from performance_benchmarks") == 0


def test_each_trigger_that_was_sent_is_recorded_once(world: World) -> None:
    world.route(world.channel("chat"), world.channel("spare"))
    world.fire(0)
    first, second = world.claim(5)
    world.settle(6, [first])
    world.settle(7, [first])
    world.settle(8, [second], "retry")
    world.end(20)
    world.send(400)
    assert own(world) == [("deliver", 6000, None), ("deliver", 400_000, None)]


# Scale -----------------------------------------------------------------------------------------------------------


def test_200000_rows_are_read_through_the_index(world: World) -> None:
    world.db.run(
        "insert into performance_benchmarks (benchmark_name, operation_type, duration_ms, recorded_at) "
        "select 'ci', 'op' || n %% 200, n %% 1000, %s::timestamptz - make_interval(secs => n) "
        "from generate_series(1, 200000) as n",
        world.at(0),
    )
    world.db.run("analyze performance_benchmarks")
    save(world, operation_type="op1", window_s=7200)

    def scans() -> list[int]:
        """Whole reads of the table, and rows read through an index, by this transaction."""
        (found,) = world.db.rows(
            "select seq_scan, idx_tup_fetch from pg_stat_xact_user_tables where relname = 'performance_benchmarks'"
        )
        return list(found)

    before = scans()
    assert len(benchmarks(world, 0)) == 200
    assert only(benchmarks(world, 0, "ci", "op1"))["before"]["n"] == 18
    points = series(world, operation_type="op1", from_time=world.at(-7200), to_time=world.at(0))
    assert [p["n"] for p in points] == [9] * 4
    tend(world, 0)
    whole, rows = (now - was for now, was in zip(scans(), before, strict=True))
    # Two hours of all; of one twice two hours, and four.
    assert whole == 0
    assert rows == pytest.approx(7200 + 36 + 36 + 72, abs=20)
