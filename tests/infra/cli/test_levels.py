"""Error budgets, service levels and closed months, as an operator reads them."""

from pathlib import Path
from typing import Any

import pytest

from infra.cli.levels import length
from tests.handlers.doubles import Json
from tests.infra.cli.conftest import Command

BURN = {"5m": 0, "30m": 0, "1h": 16.667, "6h": 2.5, "3d": None}


def objective(**changes: Any) -> Json:
    return {
        "id": "5f0c4f1e-0000-4000-8000-000000000001", "name": "core", "match": {}, "percent": 99.9, "window_days": 30,
        "counts_unknown": "apart", "burn_alerts": True, "targets": 2, "availability_percent": 99.9769,
        "budget_s": 2592, "spent_s": 600, "left_s": 1992, "left_percent": 76.85, "met": True, "burn": BURN,
        "status": "ok", **changes,
    }  # fmt: skip


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_budget_says_what_is_left_and_how_fast_it_burns(command: Command) -> None:
    command.rpcs.answers["list_objectives"] = lambda _: [objective()]
    ran = command("slo")
    head, line = ran.out.splitlines()
    assert ran.code == 0
    assert cells(line) == [
        "core", "ok", "99.9 % in 30 d", "99.9769 %", "33 min 12 s of 43 min 12 s (76.85 %)",
        "0", "0", "16.667", "2.5", "unknown",
    ]  # fmt: skip
    assert [line.index("99.9769"), line.index("33 min")] == [
        head.index("available"),
        head.index("budget left"),
    ]


def test_a_spent_budget_is_a_problem(command: Command) -> None:
    spent = objective(name=None, left_s=-1.5, left_percent=-0.05, status="critical", met=False)
    command.rpcs.answers["list_objectives"] = lambda _: [spent]
    ran = command("slo")
    assert ran.code == 1
    assert "(all others)  critical" in ran.out
    assert "OVERSPENT by 1.5 s of 43 min 12 s" in ran.out


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("unknown", 0), ("warning", 1), ("critical", 1)])
def test_the_exit_code_says_whether_a_budget_burns(command: Command, status: str, code: int) -> None:
    command.rpcs.answers["list_objectives"] = lambda _: [objective(status=status)]
    assert command("slo", "--json").code == code


def test_what_was_not_measured_is_unknown(command: Command) -> None:
    nothing = dict.fromkeys(("availability_percent", "budget_s", "spent_s", "left_s", "left_percent", "met"))
    command.rpcs.answers["list_objectives"] = lambda _: [objective(**nothing, status="unknown")]
    assert cells(command("slo").out.splitlines()[1])[3:5] == ["unknown", "unknown"]
    command.rpcs.answers["list_objectives"] = lambda _: []
    assert command("slo").out == "nothing is watched yet\n"


def report(**totals: Any) -> Json:
    times = {"watched_s": 2_678_400, "up_s": 2_677_800, "down_s": 600, "unknown_s": 0, "maintenance_s": 0}
    target = {
        "name": "node", "network": None, "availability_percent": 99.9776, **times, "downtimes_count": 1,
        "latency": {"p50_ms": 10, "p95_ms": 20.5, "p99_ms": 30},
    }  # fmt: skip
    return {
        "from": "2026-10-01T00:00:00.000000Z", "to": "2026-11-01T00:00:00.000000Z",
        "as_of": "2026-11-01T00:00:00.000000Z", "objective": {"name": None, "percent": 99.9, "counts_unknown": "apart"},
        "totals": {**times, "availability_percent": 99.9776, "met": True, **totals}, "targets": [target], "days": [],
        "incidents": {"count": 2, "open": 1, "mttr_s": 900},
        "alerts": {
            "count": 3, "mtta_s": 60.5, "mttr_s": None, "acknowledged": {"within_5_min": 1, "of": 2},
            "delivered": {"within_30_s": 2, "of": 3},
        },
    }  # fmt: skip


def test_service_levels_in_short(command: Command) -> None:
    command.rpcs.answers["get_sla_report"] = lambda _: report()
    ran = command(
        "sla", "--from", "2026-10-01", "--to", "2026-11-01", "--label", "team=core", "--objective", "x"
    )
    assert (ran.code, ran.out) == (0, (
        "service levels from 2026-10-01 00:00 to 2026-11-01 00:00 UTC\n"
        "  99.9776 % available, objective 99.9 %: met\n"
        "  down 10 min, unknown 0 s, maintenance 0 s, of 31 d\n"
        "  incidents 2, 1 open, resolved after 15 min on average\n"
        "  alerts 3, acknowledged after 1 min 0.5 s and resolved after unknown on average; acknowledged within "
        "5 min 1 of 2, delivered within 30 s 2 of 3\n"
        "\n"
        "  target  available  down    unknown  maintenance  downtimes  p95\n"
        "  node    99.9776 %  10 min  0 s      0 s          1          20.5 ms\n"
    ))  # fmt: skip
    (asked,) = command.rpcs.called("get_sla_report")
    assert asked == {
        "from_time": "2026-10-01T00:00:00+00:00", "to_time": "2026-11-01T00:00:00+00:00",
        "match": {"labels": {"team": "core"}}, "objective": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("met", "code", "word"), [(True, 0, "met"), (False, 1, "MISSED"), (None, 0, "unknown")]
)
def test_a_missed_objective_is_a_problem(command: Command, met: bool | None, code: int, word: str) -> None:
    command.rpcs.answers["get_sla_report"] = lambda _: report(met=met)
    ran = command("sla")
    assert ran.code == code
    assert f"objective 99.9 %: {word}\n" in ran.out


def test_a_time_that_is_not_over_says_so(command: Command) -> None:
    command.rpcs.answers["get_sla_report"] = lambda _: {**report(), "as_of": "2026-10-05T12:00:00.000000Z"}
    assert command("sla").out.splitlines()[0].endswith("UTC, so far (as of 2026-10-05 12:00)")


def test_a_group_that_nothing_is_in_is_no_answer(command: Command) -> None:
    command.rpcs.answers["get_sla_report"] = lambda _: {**report(), "targets": []}
    assert command("sla").code == 0
    for words in ((), ("--json",)):
        ran = command("sla", "--label", "team=cor", *words)
        assert (ran.code, ran.out) == (2, "")
        assert "no target that fits was watched in this time" in ran.err


@pytest.mark.parametrize("words", [("sla",), ("sla", "--json"), ("report",), ("reports", "request")])
@pytest.mark.parametrize(
    ("named", "said"),
    [
        (("--target", "nod"), 'no target named "nod" was watched in this time; did you mean "node"?\n'),
        (
            ("--target", "node", "--target", "x"),
            'no target named "x" was watched in this time; see `watchkeeper targets list`\n',
        ),
        (("--network", "mian"), 'no network named "mian" was watched in this time; did you mean "main"?\n'),
    ],
)  # fmt: skip
def test_a_name_that_nothing_has_is_said_and_nothing_is_made(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...],
    named: tuple[str, ...], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    command.rpcs.answers["list_targets"] = lambda _: [
        {"name": "node", "network": "main"},
        {"name": "web", "network": None},
    ]
    command.rpcs.answers["get_sla_report"] = lambda _: {
        **report(),
        "targets": [{"name": "node", "network": "main"}],
    }
    ran = command(*words, *named)
    assert (ran.code, ran.out, ran.err) == (2, "", said)
    assert list(tmp_path.iterdir()) == []
    assert command.rpcs.called("request_report") == []


def test_half_a_time_is_refused(command: Command) -> None:
    assert command("sla", "--from", "2026-10-01").code == 2
    assert command.rpcs.called("get_sla_report") == []


HASH = "0123456789abcdef" * 4
CLOSE = {
    "month": "2026-10", "closed_at": "2026-11-02T00:05:00.000000Z", "hash": HASH, "previous_hash": "", "down_s": 600,
    "availability_percent": 99.9776, "met": False, "targets": 2, "incidents": 1, "missing": False,
}  # fmt: skip


def test_closed_months_are_listed(command: Command) -> None:
    command.rpcs.answers["list_sla_closes"] = lambda _: [CLOSE]
    ran = command("closes")
    assert ran.code == 0
    assert cells(ran.out.splitlines()[1]) == [
        "2026-10", "99.9776 %", "10 min", "MISSED", "2", "1", "2026-11-02 00:05", HASH[:16],
    ]  # fmt: skip
    command.rpcs.answers["list_sla_closes"] = lambda _: []
    for words in (("closes",), ("closes", "verify")):
        assert command(*words).out == "no month is closed yet\n"


def test_a_closed_month_that_is_not_there_any_more_is_a_problem(command: Command) -> None:
    command.rpcs.answers["list_sla_closes"] = lambda _: [CLOSE, {"month": "2026-09", "missing": True}]
    ran = command("closes")
    assert ran.code == 1
    assert cells(ran.out.splitlines()[2]) == ["2026-09", "MISSING"]


def verdict(month: str, *problems: Json, more: int = 0) -> Json:
    count = len(problems) + more
    return {
        "month": month,
        "ok": not count,
        "hash": HASH,
        "problems_count": count,
        "problems": list(problems),
    }


def test_months_that_are_equal_are_no_problem(command: Command) -> None:
    command.rpcs.answers["list_sla_closes"] = lambda _: [{**CLOSE, "month": "2026-11"}, CLOSE]
    command.rpcs.answers["verify_sla_close"] = lambda args: verdict(args["month"])
    ran = command("closes", "verify")
    assert (ran.code, ran.out) == (0, f"2026-10  equal  {HASH[:16]}\n2026-11  equal  {HASH[:16]}\n")


def test_what_is_not_equal_is_named(command: Command) -> None:
    place = {"where": "inputs.uptime_days.node.2026-10-03.down_s", "closed": 600, "now": 0}
    gone = {"where": "closes.2026-09", "closed": HASH, "now": None}
    command.rpcs.answers["verify_sla_close"] = lambda args: verdict(args["month"], place, gone, more=5)
    ran = command("closes", "verify", "2026-10")
    assert ran.code == 1
    first, *places, last = ran.out.splitlines()
    assert (first, last) == ("2026-10  NOT EQUAL in 7 places", "  and 5 more")
    assert [cells(line) for line in places] == [
        [place["where"], "closed 600", "now 0"],
        [gone["where"], f"closed {HASH[:37]}...", "now nothing"],
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "unknown"),
        (0, "0 s"),
        (0.0004, "0 s"),
        (1, "1 s"),
        (59.999, "59.999 s"),
        (60, "1 min"),
        (3661.5, "1 h 1 min 1.5 s"),
        (600, "10 min"),
        (86_400, "1 d"),
        (31 * 86_400 + 10, "31 d 10 s"),
        (3_650 * 86_400, "3650 d"),
    ],
)
def test_a_length_of_time_is_exact(seconds: float | None, words: str) -> None:
    assert length(seconds) == words
