"""How long operations take, as an operator reads it."""

import json

import pytest

from tests.handlers.doubles import Json
from tests.infra.cli.conftest import Command

NOTHING: Json = dict.fromkeys(("p50_ms", "p95_ms", "p99_ms", "mean_ms", "throughput", "success_rate"))


def line(**changes: object) -> Json:
    now = {**NOTHING, "n": 1200, "p50_ms": 1.5, "p95_ms": 20, "p99_ms": 1234.5}
    return {
        "benchmark_name": "ci", "operation_type": "sign", "now": now, "before": {**now, "p95_ms": 10},
        "change_percent": {"p50": 0, "p95": 100, "p99": -2.5}, "regression": False, **changes,
    }  # fmt: skip


def test_percentiles_stand_beside_those_of_the_window_before(command: Command) -> None:
    command.rpcs.answers["get_benchmarks"] = lambda _: [line()]
    ran = command("benchmarks")
    assert (ran.code, ran.out.splitlines()) == (
        0,
        [
            "  benchmark  operation  samples  p50     p95    p99         p95 before  change",
            "  ci         sign       1,200    1.5 ms  20 ms  1,234.5 ms  10 ms       +100 %",
        ],
    )
    assert command.rpcs.called("get_benchmarks") == [
        {"window_s": 3600, "benchmark_name": None, "operation_type": None}
    ]


def test_a_regression_is_a_problem_and_said_in_words(command: Command) -> None:
    command.rpcs.answers["get_benchmarks"] = lambda _: [
        line(),
        line(operation_type="verify", regression=True),
    ]
    ran = command("benchmarks", "--window", "30m", "--name", "ci")
    assert ran.code == 1
    assert [said.endswith("REGRESSION") for said in ran.out.splitlines()] == [False, False, True]
    (asked,) = command.rpcs.called("get_benchmarks")
    assert (asked["window_s"], asked["benchmark_name"]) == (1800, "ci")


def test_what_was_not_measured_is_unknown_and_never_0(command: Command) -> None:
    unknown = dict.fromkeys(("p50", "p95", "p99"))
    gone = line(now={**NOTHING, "n": 0}, before=None, change_percent=unknown, regression=None)
    command.rpcs.answers["get_benchmarks"] = lambda _: [gone]
    ran = command("benchmarks")
    assert (ran.code, ran.out.splitlines()[1].split()) == (0, ["ci", "sign", "0", *["unknown"] * 5])


def test_nothing_measured_is_said(command: Command) -> None:
    command.rpcs.answers["get_benchmarks"] = lambda _: []
    assert command("benchmarks").out == "nothing was measured in this window and the one before\n"


def test_as_json_it_is_what_the_database_says(command: Command) -> None:
    command.rpcs.answers["get_benchmarks"] = lambda _: [line()]
    assert json.loads(command("benchmarks", "--json").out) == [line()]


@pytest.mark.parametrize("text", ["1", "h", "1 h", "-1h", "1w", "1.5h", "", "9" * 12 + "d"])
def test_what_is_no_span_of_time_is_refused(command: Command, text: str) -> None:
    ran = command("benchmarks", f"--window={text}")
    assert ran.code == 2
    assert "is no span of time" in ran.err
