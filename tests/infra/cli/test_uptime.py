"""Uptime on a terminal: what was not measured is said, and each day is told apart without colour."""

from typing import Any

import pytest

from infra.cli.uptime import bar, percent, span
from tests.handlers.doubles import Json
from tests.infra.cli.conftest import Command

NOW = "2026-11-23T12:00:00+00:00"
SECONDS = {"up_s": 0, "down_s": 0, "unknown_s": 0, "maintenance_s": 0}


def day(name: str = "2026-11-23", **seconds: Any) -> Json:
    return {"day": name, **SECONDS, **{f"{state}_s": spent for state, spent in seconds.items()}}


def window(uptime_percent: float | None, latency: float | None = None, **seconds: Any) -> Json:
    return {
        **day(**seconds), "uptime_percent": uptime_percent, "failures": 3,
        **dict.fromkeys(("p50_ms", "p95_ms", "p99_ms"), latency),
    }  # fmt: skip


def a_page(state: str = "up", **more: Any) -> Json:
    windows = {
        "24h": window(99.3056, 12.4, up=85800, down=600),
        "7d": window(100, up=604800),
        "30d": window(None, unknown=90000, maintenance=3600),
        "90d": window(99.9999),
    }
    days = [
        day("2026-11-21", unknown=86400),
        day("2026-11-22", up=86400),
        day("2026-11-23", up=85800, down=600),
    ]
    target = {
        "name": "web", "state": state, "since": "2026-11-23T11:00:00+00:00", "in_maintenance": False,
        "windows": windows, "days": days, **more,
    }  # fmt: skip
    return {"generated_at": NOW, "targets": [target]}


def test_windows_and_a_bar_for_each_day(command: Command) -> None:
    command.rpcs.answers["get_uptime_summary"] = lambda _: a_page()
    ran = command("uptime", "--days", "3", "--time-zone", "Europe/Berlin")
    assert ran.code == 0
    assert command.rpcs.called("get_uptime_summary") == [
        {"target_id": None, "days": 3, "time_zone": "Europe/Berlin"}
    ]
    legend, _, name, _, *windows, bars = ran.out.splitlines()
    assert "? unknown" in legend
    assert name == "web  up for 60 min"
    assert [line.split()[:3] for line in windows] == [
        ["24h", "99.3056", "%"], ["7d", "100", "%"], ["30d", "not", "measured"], ["90d", "99.9999", "%"],
    ]  # fmt: skip
    assert "10 min" in windows[0]
    assert "12 ms 12 ms 12 ms" in windows[0]
    assert "1 d 1 h" in windows[2]
    assert "1 h" in windows[2].split("1 d 1 h")[1]
    assert windows[2].endswith("unknown")
    assert bars == "  2026-11-21 ?|! 2026-11-23"


def test_one_target_by_its_name(command: Command) -> None:
    command.rpcs.answers["list_targets"] = lambda _: [{"name": "web", "id": "the-id"}]
    command.rpcs.answers["get_uptime_summary"] = lambda _: a_page("down", in_maintenance=True)
    ran = command("uptime", "web")
    assert (ran.code, ran.out.splitlines()[2]) == (1, "web  down for 60 min, in maintenance")
    assert command.rpcs.called("get_uptime_summary")[0]["target_id"] == "the-id"
    assert command("uptime", "wib").code == 2


def test_as_json_and_without_targets(command: Command) -> None:
    command.rpcs.answers["get_uptime_summary"] = lambda _: {"generated_at": NOW, "targets": []}
    assert '"targets": []' in command("uptime", "--json").out
    assert command("uptime").out == "no targets; `watchkeeper apply FILE` adds some\n"


@pytest.mark.parametrize(
    ("seconds", "drawn"),
    [
        ({}, "."), ({"up": 86400}, "|"), ({"up": 86399.9, "down": 0.1}, "!"), ({"up": 100, "down": 100}, "X"),
        ({"unknown": 86400}, "?"), ({"up": 30000, "unknown": 56400}, "?"), ({"maintenance": 50000, "up": 36400}, "m"),
        ({"maintenance": 86399, "down": 1}, "X"),
    ],
)  # fmt: skip
def test_any_downtime_shows_and_what_was_not_watched_is_not_up(seconds: Json, drawn: str) -> None:
    assert bar(day(**seconds)) == drawn


def test_percentages_and_spans() -> None:
    assert [percent(value) for value in (None, 0, 100, 99.9999, 83.3)] == [
        "not measured", "0 %", "100 %", "99.9999 %", "83.3 %",
    ]  # fmt: skip
    assert [span(value) for value in (0, 3.5, 60, 600, 3661, 90000, 86460)] == [
        "0 s", "3.5 s", "1 min", "10 min", "1 h 1 min", "1 d 1 h", "1 d",
    ]  # fmt: skip
