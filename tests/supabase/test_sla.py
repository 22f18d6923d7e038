"""Service levels: the report by hand, months that are closed, and everything that is changed behind their back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.supabase.test_incidents import moved, opened
from tests.supabase.test_objectives import DAY, HOUR, maintained, objective, seen
from tests.supabase.test_outbox import acknowledge
from tests.supabase.world import Db, Json, World, finding, only, refused, result

OCTOBER, NOVEMBER = 31 * DAY, 30 * DAY
START = datetime(2025, 10, 1, tzinfo=UTC)
CLOSING = OCTOBER + 2 * DAY


@pytest.fixture
def world(db: Db) -> World:
    """The first of October."""
    return World(db, START)


def report(world: World, begins: float, ends: float, *, at: float | None = None, **more: Any) -> Json:
    found: Json = world.db.value(
        "select watchkeeper.get_sla_report(%s, %s, %s, %s, %s)",
        world.at(begins), world.at(ends), more.get("match", {}), more.get("objective"),
        world.at(ends if at is None else at),
    )  # fmt: skip
    return found


def close(world: World, seconds: float = CLOSING) -> list[str]:
    """Rolls up and closes what is over; returns the months that this closed."""
    while world.db.value("select watchkeeper.roll_up_days(%s, 100)", world.at(seconds))["more"]:
        pass
    return [
        each["month"]
        for each in world.db.value("select watchkeeper.close_months(%s)", world.at(seconds))["closed"]
    ]


def verify(world: World, month: str = "2025-10") -> Json:
    found: Json = world.db.rpc("verify_sla_close", month=month)
    return found


def places(world: World, month: str = "2025-10") -> list[str]:
    return [each["where"] for each in verify(world, month)["problems"]]


def seconds_of(numbers: Json) -> list[float]:
    return [numbers[key] for key in ("watched_s", "up_s", "down_s", "unknown_s", "maintenance_s")]


# The report ------------------------------------------------------------------------------------------------------


def test_ten_minutes_of_failing_checks_are_600_seconds(world: World) -> None:
    world.target("node")
    for minute in range(60):
        down = 30 <= minute < 40
        world.step(minute, "fail" if down else "ok", finding("breach" if down else "clear"))
    found = report(world, 0, HOUR)
    node = only(found["targets"])
    assert seconds_of(node) == [3600, 3000, 600, 0, 0]
    assert node["downtimes"] == [
        {"from": "2025-10-01T00:30:00.000000Z", "to": "2025-10-01T00:40:00.000000Z", "seconds": 600}
    ]
    assert (node["availability_percent"], node["checks"], node["failures"]) == (83.3333, 60, 10)
    assert seconds_of(found["totals"]) == [3600, 3000, 600, 0, 0]
    assert [found["totals"][key] for key in ("budget_s", "spent_s", "met", "measured_percent")] == [
        3.6,
        600,
        False,
        100,
    ]
    assert found["days"] == [
        {
            "day": "2025-10-01",
            "watched_s": 3600,
            "up_s": 3000,
            "down_s": 600,
            "unknown_s": 0,
            "maintenance_s": 0,
        }
    ]
    # opened by the first failing look, ended by the first good one
    assert (found["alerts"]["count"], found["alerts"]["mttr_s"]) == (1, 600)


def test_a_group_is_the_sum_and_an_objective_names_it(world: World) -> None:
    for name, network, lost in (("a", "main", 600), ("b", "main", 0), ("c", "test", 7200)):
        seen(world, world.target(name, network=network), ("down", 0, lost), ("up", lost, DAY))
    objective(world, "main", match={"networks": ["main"]}, percent=99)
    found = report(world, 0, DAY, objective="main")
    assert found["objective"] == {"name": "main", "percent": 99, "counts_unknown": "apart"}
    assert [each["name"] for each in found["targets"]] == ["a", "b"]
    # 172,800 s of which 600 were lost and 1,728 may be
    assert (found["totals"]["availability_percent"], found["totals"]["budget_s"], found["totals"]["met"]) == (
        99.6528,
        1728,
        True,
    )
    assert [each["met"] for each in found["targets"]] == [True, True]
    assert report(world, 0, DAY, match={"networks": ["main"]})["totals"]["met"] is False
    narrowed = report(world, 0, DAY, objective="main", match={"targets": ["b", "c"]})
    assert [each["name"] for each in narrowed["targets"]] == ["b"]


def test_unknown_and_maintenance_are_what_they_are(world: World) -> None:
    node = world.target("node")
    seen(world, node, ("up", 0, 1000), ("unknown", 1000, 1500), ("down", 1500, 2500), ("up", 2500, 3600))
    maintained(world, node, 2000, 2600)
    objective(world, "strict", counts_unknown="down")
    found = report(world, 0, HOUR)
    assert seconds_of(found["totals"]) == [3600, 2000, 500, 500, 600]
    assert (found["totals"]["availability_percent"], found["totals"]["measured_percent"]) == (80, 83.3333)
    strict = report(world, 0, HOUR, objective="strict")["totals"]
    assert (strict["availability_percent"], strict["spent_s"], strict["budget_s"]) == (66.6667, 1000, 3)
    assert [each["seconds"] for each in only(found["targets"])["downtimes"]] == [500]
    assert {"observation", "unknown", "maintenance", "paused", "percent"} <= set(found["rules"])


def test_a_target_counts_from_its_creation_to_its_deletion(world: World) -> None:
    world.target("old")
    young = world.db.value(
        "select watchkeeper.save_target(%s, %s)",
        {"name": "young", "checks": {}, "endpoint": "http://127.0.0.1/"},
        world.at(HOUR),
    )
    seen(world, young, ("up", HOUR, 2 * HOUR))
    world.db.run("select watchkeeper.delete_target(%s, %s)", young["id"], world.at(2 * HOUR))
    found = {each["name"]: each for each in report(world, 0, DAY)["targets"]}
    assert [each["watched_s"] for each in found.values()] == [DAY, HOUR]
    assert found["young"]["watched_from"] == "2025-10-01T01:00:00.000000Z"
    assert found["young"]["watched_until"] == "2025-10-01T02:00:00.000000Z"
    assert [each["name"] for each in report(world, 3 * HOUR, DAY)["targets"]] == ["old"]
    # at that moment nobody had deleted it
    assert report(world, 0, DAY, at=5400)["targets"][1]["watched_until"] is None


def test_what_has_not_passed_does_not_count(world: World) -> None:
    seen(world, world.target("node"), ("up", 0, DAY))
    found = report(world, 0, DAY, at=HOUR)
    assert (found["as_of"], found["to"]) == ("2025-10-01T01:00:00.000000Z", "2025-10-02T00:00:00.000000Z")
    assert seconds_of(found["totals"]) == [HOUR, HOUR, 0, 0, 0]
    future = report(world, DAY, 2 * DAY, at=HOUR)
    assert (future["targets"], future["days"], future["totals"]["met"]) == ([], [], None)


def test_where_nothing_was_measured_nothing_is_claimed(world: World) -> None:
    world.target("node")
    found = report(world, 0, DAY)
    for numbers in (found["totals"], only(found["targets"])):
        assert seconds_of(numbers) == [DAY, 0, 0, DAY, 0]
        assert [numbers[key] for key in ("availability_percent", "budget_s", "spent_s", "met")] == [None] * 4
    assert only(found["targets"])["latency"] == {"p50_ms": None, "p95_ms": None, "p99_ms": None}
    alerts = found["alerts"]
    assert (alerts["count"], alerts["mtta_s"], alerts["mttr_s"]) == (0, None, None)
    assert (alerts["acknowledged"]["percent"], alerts["delivered"]["percent"]) == (None, None)
    assert (found["incidents"]["count"], found["incidents"]["mttr_s"], found["incidents"]["list"]) == (
        0,
        None,
        [],
    )


def test_an_empty_installation_has_a_report(world: World) -> None:
    found = report(world, 0, DAY)
    assert (found["targets"], found["days"], found["totals"]["availability_percent"]) == ([], [], None)


def test_days_are_those_of_utc_whatever_the_session_is_set_to(world: World) -> None:
    seen(world, world.target("node"), ("up", 0, 26 * DAY))
    plain = report(world, 24 * DAY + 7200, 26 * DAY + 3600, at=40 * DAY)
    assert [(each["day"], each["watched_s"]) for each in plain["days"]] == [
        ("2025-10-25", 79_200), ("2025-10-26", 86_400), ("2025-10-27", 3600),
    ]  # fmt: skip
    # Berlin puts its clocks back on the 26th
    world.db.run(
        "set local timezone = 'Europe/Berlin'; set local datestyle = 'SQL, DMY'; "
        "set local intervalstyle = 'sql_standard'"
    )
    assert report(world, 24 * DAY + 7200, 26 * DAY + 3600, at=40 * DAY) == plain


def test_the_report_is_the_same_before_and_after_the_roll_up(world: World) -> None:
    node = world.target("node")
    for day in range(6):
        seen(
            world,
            node,
            ("up", day * DAY, day * DAY + 80_000.25),
            ("down", day * DAY + 80_000.25, (day + 1) * DAY),
        )
    periods = [
        (0, 6 * DAY),
        (HOUR, HOUR + 60),
        (HOUR, DAY),
        (DAY, 2 * DAY),
        (HOUR, 2 * DAY - 1),
        (HOUR, 5 * DAY + HOUR),
        (0, 7 * DAY),
    ]
    for rolled in (2, 3, 6):
        before = [report(world, *period, at=6 * DAY) for period in periods]
        world.db.run("select watchkeeper.roll_up_days(%s, 100)", world.at(rolled * DAY + HOUR))
        assert [report(world, *period, at=6 * DAY) for period in periods] == before
    for found in before:
        assert sum(each["down_s"] for each in found["days"]) == pytest.approx(
            found["totals"]["down_s"], abs=1e-6
        )


def test_more_than_500_downtimes_are_counted_and_not_listed(world: World) -> None:
    node = world.target("node")
    for n in range(502):
        seen(world, node, ("down", 10 * n, 10 * n + 1), ("up", 10 * n + 1, 10 * n + 10))
    found = only(report(world, 0, 5020)["targets"])
    assert (found["downtimes_count"], len(found["downtimes"]), found["down_s"]) == (502, 500, 502)


def test_checks_and_latency_are_the_same_after_the_roll_up(world: World) -> None:
    world.target("node", checks={"blockchain": {"interval_s": 3600}})
    for hour in range(48):
        tasks = world.tick(hour * HOUR)
        started = world.at(hour * HOUR)
        finished = started + timedelta(milliseconds=100 if hour % 2 else 300)
        times = {"started_at": started.isoformat(), "finished_at": finished.isoformat()}
        world.record(hour * HOUR + 1, [result(task, **times) for task in tasks])
    # from six o'clock of the first day: a part of a day, then a whole one
    before = only(report(world, 6 * HOUR, 2 * DAY)["targets"])
    assert (before["checks"], before["failures"]) == (42, 0)
    assert before["latency"]["p50_ms"] == pytest.approx(100, rel=0.02)
    assert before["latency"]["p95_ms"] == pytest.approx(300, rel=0.02)
    world.db.run("select watchkeeper.roll_up_days(%s, 10)", world.at(2 * DAY + 2 * HOUR))
    assert world.db.value("select count(*) from watchkeeper.uptime_days") == 2
    assert only(report(world, 6 * HOUR, 2 * DAY)["targets"]) == before


@pytest.mark.parametrize(
    ("naming", "begins", "ends"),
    [
        ("to_time", "2025-10-02", "2025-10-02"),
        ("to_time", "2025-10-02", "2025-10-01"),
        ("to_time", "2025-10-02", "2035-10-03"),
        ("to_time", "2025-10-02", "infinity"),
        ("to_time", "2025-10-02", None),
        ("from_time", "-infinity", "2025-10-02"),
        ("from_time", "infinity", "infinity"),
        ("from_time", "2019-12-31", "2025-10-02"),
        ("from_time", "2200-01-02", "2200-01-03"),
        ("from_time", None, "2025-10-02"),
    ],
)
def test_a_bad_period_is_refused_by_name(
    world: World, naming: str, begins: str | None, ends: str | None
) -> None:
    with refused(world.db, "22023", naming=naming):
        world.db.run("select get_sla_report(%s::timestamptz, %s::timestamptz)", begins, ends)


@pytest.mark.parametrize(
    "match", [None, [], "x", {"nope": 1}, {"kinds": ["uptime"]}, {"targets": []}, {"labels": []}]
)
def test_a_bad_group_is_refused_by_name(world: World, match: Any) -> None:
    with refused(world.db, "22023", naming="match"):
        world.db.rpc("get_sla_report", from_time=START, to_time=world.at(DAY), match=Jsonb(match))


def test_an_objective_that_is_not_there_is_refused(world: World) -> None:
    with refused(world.db, "PT404", naming="objective: there is no objective nope"):
        world.db.rpc("get_sla_report", from_time=START, to_time=world.at(DAY), objective="nope")


def test_ten_years_are_reported_from_few_rows(world: World) -> None:
    for n in range(20):
        seen(world, world.target(f"t{n}"), *(("up", d * DAY, (d + 1) * DAY) for d in range(0, 3650, 100)))
    began = world.db.rows_read()
    found = report(world, 0, 3652 * DAY)
    assert world.db.rows_read() - began < 20 * 3652, (
        "less than one for each target and day, whatever the plan"
    )
    assert len(found["days"]) == 3652
    assert sum(each["watched_s"] for each in found["days"]) == found["totals"]["watched_s"] == 20 * 3652 * DAY


# Response --------------------------------------------------------------------------------------------------------


def test_response_times_by_hand(world: World) -> None:
    world.channel()
    world.route("chat")
    node = world.target("node")
    # told at once and within 30 s; acknowledged after 100 s, over after 1,000 s
    world.fire(0, "a", target=node)
    world.send(20)
    acknowledge(world, 100, "a")
    world.end(1000, "a")
    # told at once, but it took 40 s; acknowledged after 400 s
    world.fire(2000, "b", target=node)
    world.send(2040)
    acknowledge(world, 2400, "b")
    world.end(2600, "b")
    # told, and over before anybody could look
    world.fire(3000, "c", target=node)
    world.send(3010)
    world.end(3200, "c")
    # told, and nobody cared
    world.fire(4000, "d", "error", target=node)
    world.send(4010)
    found = report(world, 0, HOUR * 2)["alerts"]
    assert (found["count"], found["by_severity"]) == (4, {"info": 0, "warning": 0, "error": 1, "critical": 3})
    assert (found["mtta_s"], found["mttr_s"]) == (250, 600)  # (100 + 400) / 2, (1000 + 600 + 200) / 3
    assert found["acknowledged"] == {"within_5_min": 1, "of": 3, "percent": 33.3333}
    assert found["delivered"] == {"within_30_s": 3, "of": 4, "percent": 75}


def test_the_borders_of_5_minutes_and_30_seconds_are_within(world: World) -> None:
    world.channel()
    world.route("chat")
    world.fire(0)
    world.send(30)
    acknowledge(world, 300)
    found = report(world, 0, HOUR)["alerts"]
    assert (found["acknowledged"]["within_5_min"], found["delivered"]["within_30_s"]) == (1, 1)


def test_what_is_not_decided_yet_counts_for_nobody(world: World) -> None:
    world.channel()
    world.route("chat")
    world.fire(0)
    early = report(world, 0, HOUR, at=29)["alerts"]
    assert (early["count"], early["acknowledged"]["of"], early["delivered"]["of"]) == (1, 0, 0)
    late = report(world, 0, HOUR, at=301)["alerts"]
    assert (late["acknowledged"], late["delivered"]["of"]) == ({"within_5_min": 0, "of": 1, "percent": 0}, 1)


def test_a_silenced_alert_waits_by_intent(world: World) -> None:
    world.channel()
    world.route("chat")
    world.silence(world.at(0), world.at(600))
    world.fire(10)
    world.send(700)
    found = report(world, 0, HOUR)["alerts"]
    assert (found["count"], found["acknowledged"]["of"], found["delivered"]["of"]) == (1, 0, 0)


def test_alerts_and_incidents_are_those_of_the_group_and_the_period(world: World) -> None:
    a, b = world.target("a", network="main"), world.target("b", network="test")
    world.fire(10, "a", target=a)
    world.fire(20, "b", target=b)
    world.fire(30, "temperature")
    world.fire(2 * DAY, "a2", target=a)
    alert = world.db.value("select id from system_alerts where source = 'a'")
    opened(world, 10, "named", systems=["a"])
    opened(world, 20, "linked", alerts=[alert])
    moved(world, opened(world, 30, "other", severity="low", systems=["b"]), "resolved", seconds=630)
    opened(world, 40, "nobody's")
    every = report(world, 0, DAY)
    assert (every["alerts"]["count"], every["incidents"]["count"]) == (3, 4)
    assert (every["incidents"]["open"], every["incidents"]["mttr_s"]) == (3, 600)
    assert every["incidents"]["by_severity"] == {"low": 1, "medium": 0, "high": 3, "critical": 0}
    group = report(world, 0, DAY, match={"targets": ["a"]})
    assert group["alerts"]["count"] == 1
    assert [each["title"] for each in group["incidents"]["list"]] == ["named", "linked"]
    other = report(world, 0, DAY, match={"networks": ["test"]})["incidents"]["list"]
    assert [(each["title"], each["status"], each["resolved_at"]) for each in other] == [
        ("other", "resolved", "2025-10-01T00:10:30.000000Z")
    ]


# Closing ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def october(world: World) -> World:
    """Two targets, an outage of ten minutes, alerts, incidents and an objective; nothing closed yet."""
    world.channel()
    world.route("chat")
    node, other = world.target("node", network="main"), world.target("other")
    seen(world, node, ("up", 0, 2 * DAY), ("down", 2 * DAY, 2 * DAY + 600), ("up", 2 * DAY + 600, 90 * DAY))
    seen(world, other, ("up", 0, 10 * DAY), ("unknown", 10 * DAY, 11 * DAY), ("up", 11 * DAY, 90 * DAY))
    maintained(world, other, 5 * DAY, 5 * DAY + HOUR)
    objective(world, "main", match={"networks": ["main"]}, percent=99)
    world.fire(2 * DAY, "node", target=node)
    world.send(2 * DAY + 10)
    acknowledge(world, 2 * DAY + 60, "node")
    world.end(2 * DAY + 600, "node")
    world.fire(OCTOBER - 60, "other", target=other)
    world.send(OCTOBER - 50)
    moved(world, opened(world, 2 * DAY, "node is down", systems=["node"]), "resolved", seconds=2 * DAY + 900)
    opened(world, OCTOBER - 50, "it goes on", systems=["other"])
    return world


def test_a_closed_month_is_what_the_report_says_then_and_later(october: World) -> None:
    assert close(october) == ["2025-10"]
    closed = october.db.rpc("get_sla_close", month="2025-10")
    everything, main = closed["report"]["all"], only(closed["report"]["objectives"])
    # 2 x 2,678,400 s, an hour of maintenance, a day unknown
    assert seconds_of(everything["totals"]) == [5_356_800, 5_266_200, 600, 86_400, 3600]
    assert (everything["totals"]["availability_percent"], everything["totals"]["met"]) == (99.9886, True)
    assert main["objective"] == {"name": "main", "percent": 99, "counts_unknown": "apart"}
    assert (main["totals"]["budget_s"], main["totals"]["spent_s"]) == (26_784, 600)
    assert (main["alerts"]["count"], main["incidents"]["count"]) == (1, 1)
    assert verify(october) == {
        "month": "2025-10", "ok": True, "hash": closed["hash"], "problems_count": 0, "problems": [],
    }  # fmt: skip
    live = report(october, 0, OCTOBER, at=CLOSING)
    assert live == everything
    assert report(october, 0, OCTOBER, at=CLOSING, objective="main") == main


def test_a_closed_month_outlives_retention(october: World) -> None:
    october.target("looked", checks={"blockchain": {"interval_s": 3600}})
    for hour in range(30):
        tasks = october.tick(hour * HOUR)
        october.record(hour * HOUR + 1, [result(task) for task in tasks])
    close(october)
    everything = october.db.rpc("get_sla_close", month="2025-10")["report"]["all"]
    assert [each["checks"] for each in everything["targets"]] == [30, 30, 30]
    october.db.run("select watchkeeper.prune_history(%s, 30, 100000)", october.at(100 * DAY))
    assert october.db.value("select count(*) from watchkeeper.runs") == 0
    later = report(october, 0, OCTOBER, at=CLOSING)
    assert later == everything
    assert verify(october)["ok"]


def test_a_month_is_closed_once_and_not_before_its_time(october: World) -> None:
    assert close(october, OCTOBER + DAY - 1) == []
    waiting = october.db.value("select watchkeeper.close_months(%s)", october.at(OCTOBER + DAY - 1))
    assert waiting == {"closed": [], "next": "2025-10", "reason": "it has not been over for 24 hours"}
    assert close(october, OCTOBER + DAY) == ["2025-10"]
    before = october.db.rpc("list_sla_closes")
    assert close(october, OCTOBER + DAY + 60) == []
    assert october.db.rpc("list_sla_closes") == before


def test_a_month_whose_days_are_not_rolled_up_waits(october: World) -> None:
    october.db.run("select watchkeeper.roll_up_days(%s, 100)", october.at(20 * DAY + 2 * HOUR))
    waiting = october.db.value("select watchkeeper.close_months(%s)", october.at(CLOSING))
    assert (waiting["closed"], waiting["reason"]) == ([], "rolled up are only the days before 2025-10-21")


def test_where_nothing_was_watched_nothing_is_closed(world: World) -> None:
    assert world.db.value("select watchkeeper.close_months(%s)", world.at(CLOSING)) == {
        "closed": [], "next": None, "reason": "nothing was ever watched",
    }  # fmt: skip
    assert world.db.rpc("list_sla_closes") == []
    with refused(world.db, "PT404", naming="month: 2025-10 is not closed"):
        verify(world)


def test_months_are_closed_in_order_each_chained_to_the_one_before(october: World) -> None:
    assert close(october, OCTOBER + NOVEMBER + 2 * DAY) == ["2025-10", "2025-11"]
    second, first = october.db.rpc("list_sla_closes")
    assert (first["month"], first["previous_hash"], second["previous_hash"]) == ("2025-10", "", first["hash"])
    assert (first["targets"], first["availability_percent"], first["met"]) == (2, 99.9886, True)
    assert [each["objective"]["name"] for each in first["objectives"]] == ["main"]
    assert verify(october)["ok"]
    assert verify(october, "2025-11")["ok"]


def test_two_who_close_at_once_close_it_once_and_the_audit_log_has_it(fresh: Callable[[], Db]) -> None:
    world = World(fresh(), START)
    seen(world, world.target("node"), ("up", 0, 70 * DAY))
    world.db.run("select watchkeeper.roll_up_days(%s, 100)", world.at(70 * DAY))
    both = [fresh(), fresh()]
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(
            lambda db: db.value("select watchkeeper.close_months(%s)", world.at(63 * DAY))["closed"], both
        )
        closed = [each for answer in answers for each in answer]
    assert [each["month"] for each in closed] == ["2025-10", "2025-11"]
    logged = world.db.rpc("list_audit_log", table_name="sla_closes")
    assert [(each["row_key"], each["after"]["hash"]) for each in reversed(logged)] == [
        (each["month"], "\\x" + each["hash"]) for each in closed
    ]
    assert all(verify(world, each["month"])["ok"] for each in closed)


def test_what_comes_later_by_right_breaks_nothing(october: World) -> None:
    close(october)
    later = CLOSING + DAY
    acknowledge(october, later, "other")
    october.end(later + 60, "other")
    incident = october.db.value("select to_jsonb(i) from incident_logs as i where title = 'it goes on'")
    incident = moved(october, incident, "investigating", "resolved", "closed", seconds=later)
    october.db.rpc(
        "change_incident_severity", incident_id=incident["id"], severity="low", version=incident["version"]
    )
    ended = october.db.value("select to_jsonb(i) from incident_logs as i where title = 'node is down'")
    ended = moved(october, ended, "open", seconds=later)
    alert = october.db.value("select id from system_alerts where source = 'other'")
    october.db.rpc("link_alert", incident_id=ended["id"], alert_id=alert)
    node = october.db.value("select id from watchkeeper.targets where name = 'node'")
    october.db.run("select watchkeeper.save_target(%s, %s)", {
        "id": str(node), "name": "renamed", "network": "moved", "endpoint": "http://127.0.0.1/", "checks": {},
        "labels": {"a": "b"},
    }, october.at(later))  # fmt: skip
    october.db.run("select watchkeeper.delete_target(%s, %s)", node, october.at(later + 60))
    objective(october, "main", percent=50, match={})
    objective(october, "new")
    october.db.rpc("delete_objective", name="main")
    october.db.run("update watchkeeper.objectives set percent = 60")
    found = verify(october)
    assert (found["ok"], found["problems"]) == (True, [])


def test_an_alert_that_rises_after_the_closing_breaks_nothing(october: World) -> None:
    october.fire(OCTOBER - 40, "slow", "warning")
    close(october)
    assert october.fire(CLOSING + 60, "slow", "critical")
    assert verify(october)["ok"]


def test_the_closing_hides_what_came_after_it_from_itself(october: World) -> None:
    close(october)
    acknowledge(october, CLOSING + 60, "other")
    closed = october.db.rpc("get_sla_close", month="2025-10")
    assert [each["acknowledged_at"] for each in closed["inputs"]["alerts"].values()].count(None) == 1
    assert report(october, 0, OCTOBER, at=CLOSING + 60)["alerts"]["mtta_s"] > 60


# Tampering -------------------------------------------------------------------------------------------------------


def behind_the_back(world: World, statement: str) -> dict[str, str]:
    """As somebody who owns the tables and switches off what stands in the way; returns who is who."""
    ids = {
        "$node": "select target_id from watchkeeper.services where name = 'node'",
        "$other": "select target_id from watchkeeper.services where name = 'other'",
        "$alert": "select id from system_alerts where source = 'node'",
        "$incident": "select id from incident_logs where title = 'node is down'",
    }
    found = {word: str(world.db.value(question)) for word, question in ids.items()}
    table = statement.split()[1 if statement.startswith("update") else 2]
    world.db.run("set constraints all immediate")
    world.db.run(f"alter table {table} disable trigger user")
    assert world.db.run(filled(statement, found)).rowcount, "nothing was changed"
    world.db.run(f"alter table {table} enable trigger user")
    return found


def filled(text: str, ids: dict[str, str]) -> str:
    for word, value in ids.items():
        text = text.replace(word, f"'{value}'" if " " in text else value)
    return text


# What is done, the place that is named, and what it says of then and now (...: anything).
TAMPERING: dict[str, tuple[str, str, Any, Any]] = {
    "a day": (
        "update watchkeeper.uptime_days set down_s = 0, up_s = watched_s where target_id = $node and day = '2025-10-3'",
        "inputs.uptime_days.node.2025-10-03.down_s", 600, 0,
    ),
    "a day's latency": (
        "update watchkeeper.uptime_days set latency_buckets = '{\"1\": 2}' where target_id = $node and day = '251004'",
        "inputs.uptime_days.node.2025-10-04.latency_buckets", ..., ...,
    ),
    "a day's failures": (
        "update watchkeeper.uptime_days set failures = 3 where day = '2025-10-04' and target_id = $node",
        "inputs.uptime_days.node.2025-10-04.failures", 0, 3,
    ),
    "a day removed": (
        "delete from watchkeeper.uptime_days where day = '2025-10-04' and target_id = $node",
        "inputs.uptime_days.node.2025-10-04", ..., None,
    ),
    "a span's state": (
        "update watchkeeper.availability_spans set state = 'up' where state = 'down'",
        "availability_spans.node.2025-10-03.down_s", 600, 0,
    ),
    "a span's end": (
        "update watchkeeper.availability_spans set until_at = until_at - interval '1 us' where state = 'down'",
        "availability_spans.node.2025-10-03.down_s", 600, 599.999999,
    ),
    "a span removed": (
        "delete from watchkeeper.availability_spans where state = 'down'",
        "availability_spans.node.2025-10-03.unknown_s", 0, 600,
    ),
    "maintenance made up": (
        "insert into watchkeeper.maintenance_spans (target_id, silence_id, from_at, to_at) "  # noqa: ISC004
        "values ($node, gen_random_uuid(), '2025-10-03T00:00:00Z', '2025-10-03T00:10:00Z')",
        "availability_spans.node.2025-10-03.maintenance_s", 0, 600,
    ),
    "a target's life": (
        "update watchkeeper.services set watched_from = '2025-10-04' where target_id = $other",
        "inputs.targets.other.watched_from", "2025-10-01T00:00:00.000000Z", "2025-10-04T00:00:00.000000Z",
    ),
    "an acknowledgement": (
        "update public.system_alerts set acknowledged_at = acknowledged_at - interval '60 s' where id = $alert",
        "inputs.alerts.$alert.acknowledged_at", "2025-10-03T00:01:00.000000Z", "2025-10-03T00:00:00.000000Z",
    ),
    "an alert's time": (
        "update public.system_alerts set created_at = '2025-09-30' where id = $alert",
        "inputs.alerts.$alert", ..., None,
    ),
    "an alert's severity": (
        "update public.system_alerts set severity = 'info' where id = $alert",
        "inputs.alerts.$alert.severity", "critical", "info",
    ),
    "a delivery": (
        "update watchkeeper.deliveries set settled_at = settled_at + interval '1 hour' where event = 'trigger'",
        "inputs.alerts.$alert.delivered_at", "2025-10-03T00:00:10.000000Z", "2025-10-03T01:00:10.000000Z",
    ),
    "an incident's severity": (
        "update public.incident_logs set severity = 'low' where id = $incident",
        "inputs.incidents.$incident.severity", "high", "low",
    ),
    "an incident's end": (
        "update public.incident_logs set resolved_at = resolved_at - interval '5 minutes' where id = $incident",
        "inputs.incidents.$incident.resolved_at", "2025-10-03T00:15:00.000000Z", "2025-10-03T00:10:00.000000Z",
    ),
    "the report": (
        "update watchkeeper.sla_closes set report = jsonb_set(report, '{all,totals,down_s}', '0')",
        "report.all.totals.down_s", 0, 600,
    ),
    "the objective it was closed with": (
        "update watchkeeper.sla_closes set inputs = jsonb_set(inputs, '{objectives,1,percent}', '90')",
        "report.objectives[0].objective.percent", 99, 90,
    ),
    "the inputs": ("update watchkeeper.sla_closes set inputs = '[]'", "inputs_hash", ..., ...),
    "the inputs' shape": (
        "update watchkeeper.sla_closes set inputs = jsonb_set(inputs, '{targets}', '[1]')",
        "inputs", None, "cannot be read: cannot call jsonb_each on a non-object",
    ),
    "their hash": ("update watchkeeper.sla_closes set inputs_hash = sha256('x')", "inputs_hash", ..., ...),
    "the hash": ("update watchkeeper.sla_closes set hash = sha256('x')", "hash", ..., ...),
    "the chain": ("update watchkeeper.sla_closes set previous_hash = sha256('x')", "closes.2025-09", ..., None),
    "the head": ("update watchkeeper.sla_close_head set hash = sha256('x')", "closes.newest", ..., ...),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERING)
def test_what_is_changed_is_found_and_named(october: World, what: str) -> None:
    statement, place, closed, now = TAMPERING[what]
    close(october)
    ids = behind_the_back(october, statement)
    found = verify(october)
    assert found["ok"] is False
    named = {each["where"]: (each["closed"], each["now"]) for each in found["problems"]}
    then, by_now = named[filled(place, ids)]
    assert closed is ... or then == closed
    assert now is ... or by_now == now


def test_nothing_else_is_named(october: World) -> None:
    close(october)
    behind_the_back(
        october,
        "update watchkeeper.uptime_days set checks = 1 where day = '2025-10-07' and target_id = $node",
    )
    assert places(october) == ["inputs.uptime_days.node.2025-10-07.checks", "inputs.targets.node.checks"]


def test_inputs_report_and_hashes_changed_together_are_found_by_the_tables(october: World) -> None:
    """Whoever computes all hashes anew still contradicts the spans, the days, the head and the audit log."""
    close(october)
    for change in (
        "inputs = jsonb_set(inputs, array['uptime_days', $node, '2025-10-03', 'down_s'], '0')",
        "inputs_hash = watchkeeper.inputs_hash(inputs), report = watchkeeper.closed_reports(inputs)",
        "hash = watchkeeper.close_hash(previous_hash, inputs_hash, report)",
    ):
        behind_the_back(october, f"update watchkeeper.sla_closes set {change}")  # noqa: S608
    assert set(places(october)) == {
        "closes.newest",
        "audit_log",
        "inputs.uptime_days.node.2025-10-03.down_s",
        "availability_spans.node.2025-10-03.down_s",
    }


@pytest.mark.parametrize("removed", ["2025-10", "2025-11", "2025-12"])
def test_a_removed_month_is_missed(october: World, removed: str) -> None:
    close(october, OCTOBER + NOVEMBER + 31 * DAY + 2 * DAY)
    behind_the_back(october, f"delete from watchkeeper.sla_closes where id = '{removed}'")  # noqa: S608
    gone = only(verify(october, removed)["problems"])
    assert (gone["where"], gone["now"]) == (f"closes.{removed}", None)
    listed = october.db.rpc("list_sla_closes")
    assert [each["month"] for each in listed] == ["2025-12", "2025-11", "2025-10"]
    assert [each["month"] for each in listed if each["missing"]] == [removed]
    kept = {"2025-10", "2025-11", "2025-12"} - {removed}
    assert any(f"closes.{removed}" in places(october, month) for month in kept)
    # the newest is not closed again as if nothing had been
    assert close(october, OCTOBER + NOVEMBER + 31 * DAY + 3 * DAY) == []


def test_all_months_removed_are_still_in_the_audit_log(october: World) -> None:
    close(october)
    october.db.run("set constraints all immediate")
    closed_hash = verify(october)["hash"]
    behind_the_back(october, "delete from watchkeeper.sla_closes where true")
    behind_the_back(october, "delete from watchkeeper.sla_close_head where true")
    assert october.db.rpc("list_sla_closes") == [{"month": "2025-10", "missing": True}]
    assert verify(october)["problems"] == [{"where": "closes.2025-10", "closed": closed_hash, "now": None}]


def test_a_month_closed_anew_contradicts_the_audit_log(october: World) -> None:
    close(october)
    october.db.run("set constraints all immediate")
    behind_the_back(october, "delete from watchkeeper.sla_closes where true")
    behind_the_back(october, "delete from watchkeeper.sla_close_head where true")
    behind_the_back(october, TAMPERING["a span's state"][0])
    behind_the_back(october, TAMPERING["a day"][0])
    assert close(october, CLOSING + 60) == ["2025-10"]
    assert places(october) == ["audit_log"]


@pytest.mark.parametrize("statement", [
    "update watchkeeper.sla_closes set closed_at = now()", "delete from watchkeeper.sla_closes",
    "truncate watchkeeper.sla_closes",
])  # fmt: skip
def test_a_closed_month_is_never_changed(october: World, statement: str) -> None:
    close(october)
    with refused(october.db, "42501", naming="a closed month is never changed"):
        october.db.run(statement)


def test_hashes_do_not_depend_on_the_session(october: World) -> None:
    close(october)
    october.db.run(
        "set local timezone = 'Asia/Kathmandu'; set local datestyle = 'German'; set local extra_float_digits = 0"
    )
    assert verify(october)["ok"]


def test_two_targets_of_one_name_are_told_apart(october: World) -> None:
    node = october.db.value("select id from watchkeeper.targets where name = 'node'")
    october.db.run("select watchkeeper.delete_target(%s, %s)", node, october.at(20 * DAY))
    october.db.run(
        "select watchkeeper.save_target(%s, %s)",
        {"name": "node", "endpoint": "http://127.0.0.1/", "checks": {}},
        october.at(21 * DAY),
    )
    close(october)
    behind_the_back(october, TAMPERING["a span's state"][0])
    assert f"availability_spans.node {node}.2025-10-03.down_s" in places(october)


@pytest.mark.parametrize(
    "month", [None, "", "2025", "2025-13", "2025-1", "1999-10", "2025-10-01", "x" * 1000]
)
def test_a_bad_month_is_refused_by_name(world: World, month: str | None) -> None:
    for rpc in ("get_sla_close", "verify_sla_close"):
        with refused(world.db, "22023", naming="month: must be a month such as 2026-10"):
            world.db.rpc(rpc, month=month)


def test_who_may_do_what(october: World) -> None:
    close(october)
    checks: list[Callable[[], Any]] = [
        lambda: october.db.rpc("get_sla_report", from_time=START, to_time=october.at(DAY)),
        lambda: october.db.rpc("list_sla_closes"),
        lambda: october.db.rpc("get_sla_close", month="2025-10"),
        lambda: october.db.rpc("verify_sla_close", month="2025-10"),
    ]
    for ask in checks:
        for who in ("viewer", "auditor", "responder", "admin", "service_role"):
            with october.db.asking_as(who):
                assert ask()
        for who in ("anon", "authenticated", "watchkeeper_ingest", "watchkeeper_metrics"):
            with refused(october.db, "42501"), october.db.asking_as(who):
                ask()
    for who in ("admin", "viewer", "anon"):
        with refused(october.db, "42501"), october.db.asking_as(who):
            october.db.rpc("close_months")
