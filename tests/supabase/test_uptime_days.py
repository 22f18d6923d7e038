"""Days outlive their history, and the page says what was, in anybody's days."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.supabase.lives import STARTS, STATES, Lives, Step, histories, utc
from tests.supabase.test_availability import HOLD_S, Node
from tests.supabase.world import Db, Json, World, only, refused, result

few = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # fmt: skip
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=3)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


@pytest.fixture
def noon(db: Db) -> World:
    """A world that begins at noon of UTC."""
    return World(db, NOON)


def summary(
    world: World, now: datetime, target_id: str | None = None, days: int = 3, zone: str = "UTC"
) -> Json:
    page: Json = world.db.value(
        "select watchkeeper.get_uptime_summary(%s, %s, %s, %s)", target_id, days, zone, now
    )
    return page


def roll_up(world: World, now: datetime, most: int = 1000) -> Json:
    answer: Json = world.db.value("select watchkeeper.roll_up_days(%s, %s)", now, most)
    return answer


def rolled(world: World) -> list[tuple[str, date]]:
    return world.db.rows("select target_id::text, day from watchkeeper.uptime_days order by day")


def numbers(seconds: dict[str, Any]) -> dict[str, float]:
    return {state: float(seconds[state]) for state in STATES}


def shown(line: Json) -> dict[str, float]:
    return {state: float(line[f"{state}_s"]) for state in STATES}


# Random lives --------------------------------------------------------------------------------------------------------


@few
@given(
    story=st.sampled_from(STARTS).flatmap(lambda start: st.tuples(st.just(start), histories(start))),
    zone=st.sampled_from(ZONES),
)
def test_days_are_what_happened_and_their_sum_is_the_whole_also_after_pruning(
    world: World, story: tuple[datetime, list[Step]], zone: str
) -> None:
    with world.db.connection.transaction(force_rollback=True):
        world = World(world.db, story[0])
        lives = Lives(world)
        for step in story[1]:
            lives.play(step)
        lives.wait(2 * 86400)
        lives.sweep()
        now = lives.at
        days = (now - world.start).days + 3
        before = [summary(world, now, service.target_id, days, zone) for service in lives.services]

        for service, page in zip(lives.services, before, strict=True):
            bars = only(page["targets"])["days"]
            last = now.astimezone(ZoneInfo(zone)).date()
            assert [bar["day"] for bar in bars] == [
                f"{last - timedelta(days=n)}" for n in reversed(range(days))
            ]
            for bar in bars:
                midnight = datetime.fromisoformat(bar["day"])
                period = utc(midnight, zone), utc(midnight + timedelta(days=1), zone)
                assert shown(bar) == numbers(service.seconds(*period, now))
            window = only(page["targets"])["windows"]["90d"]
            for state in STATES:
                assert window[f"{state}_s"] == pytest.approx(sum(bar[f"{state}_s"] for bar in bars), abs=1e-5)

        roll_up(world, now)
        for target_id, day in rolled(world):
            begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
            service = next(each for each in lives.services if each.target_id == target_id)
            row = world.db.rows(
                "select up_s, down_s, unknown_s, maintenance_s, watched_s from watchkeeper.uptime_days "
                "where target_id = %s and day = %s", target_id, day,
            )  # fmt: skip
            expected = service.seconds(begins, begins + timedelta(days=1), now)
            assert only(row) == tuple(expected[name] for name in (*STATES, "watched"))
        rolled_up = [summary(world, now, service.target_id, days, zone) for service in lives.services]
        world.db.run("select watchkeeper.prune_history(%s, 1, 1000000)", now)
        assert world.db.value("select count(*) from watchkeeper.runs") == 0
        after = [summary(world, now, service.target_id, days, zone) for service in lives.services]
        assert after == rolled_up


# Rolling up ----------------------------------------------------------------------------------------------------------


def test_a_day_is_rolled_up_an_hour_after_its_end_and_once(noon: World) -> None:
    node = Node(noon, "blockchain")
    node.minutes("ok", "fail", "ok")
    hour = timedelta(hours=1)
    assert roll_up(noon, NOON + 13 * hour - timedelta(seconds=1)) == {"days": 0, "more": False}
    assert roll_up(noon, NOON + 13 * hour) == {"days": 1, "more": False}
    assert roll_up(noon, NOON + 13 * hour) == {"days": 0, "more": False}
    row = noon.db.rows(
        "select day, watched_s, up_s, down_s, unknown_s, maintenance_s, checks, failures from watchkeeper.uptime_days"
    )
    assert row == [(NOON.date(), 43200, 60 + HOLD_S, 60, 43200 - 120 - HOLD_S, 0, 3, 1)]


def test_days_that_were_left_are_rolled_up_in_portions(noon: World) -> None:
    node = Node(noon)
    later = NOON + timedelta(days=5)
    assert roll_up(noon, later, 2) == {"days": 2, "more": True}
    assert roll_up(noon, later, 2) == {"days": 2, "more": True}
    assert roll_up(noon, later, 2) == {"days": 1, "more": False}
    assert rolled(noon) == [(node.target["id"], NOON.date() + timedelta(days=n)) for n in range(5)]


def test_a_target_has_days_from_its_first_to_its_last(noon: World) -> None:
    first, second = Node(noon).target["id"], noon.db.value(
        "select watchkeeper.save_target(%s, %s)", {"name": "late", "checks": {}}, NOON + timedelta(days=1)
    )["id"]  # fmt: skip
    noon.db.run("select watchkeeper.delete_target(%s, %s)", first, NOON + timedelta(days=1))
    roll_up(noon, NOON + timedelta(days=3))
    day = NOON.date()
    assert [each for each in rolled(noon) if each[0] == first] == [
        (first, day + timedelta(days=n)) for n in (0, 1)
    ]
    assert [each for each in rolled(noon) if each[0] == second] == [
        (second, day + timedelta(days=n)) for n in (1, 2)
    ]


def test_a_day_without_any_target_does_not_stop_the_next(noon: World) -> None:
    assert roll_up(noon, NOON) == {"days": 0, "more": False}
    target = Node(noon).target
    noon.db.run("select watchkeeper.delete_target(%s, %s)", target["id"], NOON + timedelta(hours=1))
    assert roll_up(noon, NOON + timedelta(days=4))["days"] == 4
    assert len(rolled(noon)) == 1


def test_maintenance_that_nobody_swept_is_in_the_day(noon: World) -> None:
    Node(noon).maintain(0, 60, 120)
    roll_up(noon, NOON + timedelta(days=1))
    assert noon.db.value("select maintenance_s from watchkeeper.uptime_days") == 60


def test_latency_is_of_the_looks_that_found_it_up(noon: World) -> None:
    node = Node(noon)
    for ms in range(1, 101):
        noon.db.run(
            "insert into uptime_checks (target_id, service_name, endpoint, is_up, response_time_ms, checked_at) "
            "values (%s, 'x', 'x', true, %s, %s), (%s, 'x', 'x', false, 30000, %s)",
            node.target["id"], ms, noon.at(ms), node.target["id"], noon.at(ms),
        )  # fmt: skip
    now = NOON + timedelta(hours=1)
    live = summary(noon, now)
    later = NOON + timedelta(days=1)
    roll_up(noon, later)
    assert noon.db.rows("select checks, failures, p50_ms, p95_ms, p99_ms from watchkeeper.uptime_days") == [
        (200, 100, 50, 95, 99)
    ]
    for page in (live, summary(noon, later)):
        target = only(page["targets"])
        for window in ("24h", "7d", "30d", "90d"):
            found = target["windows"][window]
            assert found["failures"] == 100
            for name, exact in (("p50_ms", 50), ("p95_ms", 95), ("p99_ms", 99)):
                assert found[name] == pytest.approx(exact, rel=0.011)
        bar = next(bar for bar in target["days"] if bar["day"] == f"{NOON.date()}")
        assert (bar["failures"], bar["p95_ms"]) == (100, pytest.approx(95, rel=0.011))


def test_without_a_check_of_uptime_the_runs_are_the_looks(noon: World) -> None:
    node = Node(noon, "blockchain")
    for minute, (outcome, seconds) in enumerate([("ok", 0.2), ("ok", 0.4), ("fail", 5), ("unknown", 9)]):
        tasks = noon.tick(60 * minute, 1)
        finished_at = noon.at(60 * minute + seconds).isoformat()
        noon.record(60 * minute + 10, [result(task, outcome, finished_at=finished_at) for task in tasks])
    roll_up(noon, NOON + timedelta(days=1))
    row = noon.db.rows(
        "select checks, failures, p50_ms, p99_ms from watchkeeper.uptime_days where target_id = %s",
        node.target["id"],
    )
    assert row == [(4, 1, 200, 400)]


def test_two_that_roll_up_at_once_share_the_work(fresh: Callable[[], Db]) -> None:
    one, other = World(fresh(), NOON), World(fresh(), NOON)
    Node(one)
    later = NOON + timedelta(days=3)
    answers = []
    with one.db.connection.transaction():
        answers.append(roll_up(one, later, 2))
        waiting = Thread(target=lambda: answers.append(roll_up(other, later, 2)))
        waiting.start()
        time.sleep(0.3)
    waiting.join()
    assert answers == [{"days": 2, "more": True}, {"days": 1, "more": False}]
    assert len(rolled(one)) == 3


# The page --------------------------------------------------------------------------------------------------------


def test_ten_minutes_down_on_the_page(noon: World) -> None:
    node = Node(noon)
    node.minutes(*["ok"] * 10, *["fail"] * 10, *["ok"] * 41)
    page = summary(noon, noon.at(3600))
    assert page["rule"]["unknown"] == "apart"
    assert "unknown" in page["rule"]["text"]
    line = only(page["targets"])
    assert (line["name"], line["state"], line["in_maintenance"]) == ("node", "up", False)
    assert World.moment(line["since"]) == noon.at(1200)
    for window in ("24h", "7d", "30d", "90d"):
        seen = line["windows"][window]
        assert shown(seen) == {"up": 3000, "down": 600, "unknown": 0, "maintenance": 0}
        assert (seen["watched_s"], seen["uptime_percent"], seen["measured_percent"]) == (3600, 83.3333, 100)
        assert seen["failures"] == 0, "no check of uptime recorded a look"
    before, yesterday, today = line["days"]
    assert [before["day"], yesterday["day"], today["day"]] == [
        f"{NOON.date() - timedelta(days=n)}" for n in (2, 1, 0)
    ]
    assert shown(today)["down"] == 600
    assert (today["uptime_percent"], yesterday["uptime_percent"], before["uptime_percent"]) == (
        83.3333,
        None,
        None,
    )


def test_windows_end_now_and_begin_so_long_ago(noon: World) -> None:
    node = Node(noon)
    node.minutes(*["ok"] * 5)
    days = timedelta(days=1)
    for window, length in (("24h", 1), ("7d", 7), ("30d", 30), ("90d", 90)):
        line = only(summary(noon, NOON + length * days + timedelta(seconds=100))["targets"])
        assert line["windows"][window]["up_s"] == 240 + HOLD_S - 100
        assert line["windows"][window]["watched_s"] == length * 86400


def test_a_percentage_is_never_rounded_up_to_a_hundred(db: Db) -> None:
    def percent(good: Any, bad: Any) -> Any:
        found = db.value("select watchkeeper.percent(%s::numeric, %s::numeric)", good, bad)
        return None if found is None else float(found)

    assert percent(10**9, 0) == 100
    assert percent(10**9, 1) == 99.9999
    assert percent(10**9, 0.000001) == 99.9999
    assert percent(0, 5) == 0
    assert percent(2, 1) == 66.6667
    assert percent(0, 0) is None


def test_what_is_known_now_and_since_when(noon: World) -> None:
    node = Node(noon)

    def state(seconds: float) -> tuple[str, float, bool]:
        line = only(summary(noon, noon.at(seconds), node.target["id"])["targets"])
        return (
            line["state"],
            (World.moment(line["since"]) - noon.start).total_seconds(),
            line["in_maintenance"],
        )

    assert state(0) == ("unknown", 0, False)
    node.minutes("ok", "fail", "fail")
    assert state(130) == ("down", 60, False)
    assert state(1000) == ("unknown", 120 + HOLD_S, False)
    node.maintain(1000, 1500, 1600)
    assert state(1499) == ("unknown", 120 + HOLD_S, False)
    assert state(1500) == ("unknown", 120 + HOLD_S, True)
    node.look(1700)
    noon.db.run("select watchkeeper.pause_target(%s, true, %s)", node.target["id"], noon.at(1720))
    assert state(1730) == ("paused", 1720, False)
    noon.db.run("select watchkeeper.delete_target(%s, %s)", node.target["id"], noon.at(1800))
    assert state(1900)[0] == "unknown"
    assert summary(noon, noon.at(1900))["targets"] == [], "only who asks for it sees a target that is gone"


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23), ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23), ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5), ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Africa/Cairo", "2026-04-24", 23), ("Asia/Kathmandu", "2026-03-29", 24),
    ],
)  # fmt: skip
def test_a_day_has_the_hours_that_the_clocks_give_it(db: Db, zone: str, day: str, hours: float) -> None:
    begins = utc(datetime.fromisoformat(day), zone)
    world = World(db, begins - timedelta(days=2))
    Node(world)
    bars = only(summary(world, begins + timedelta(days=2, hours=3), days=4, zone=zone)["targets"])["days"]
    assert {bar["day"]: bar["unknown_s"] / 3600 for bar in bars}[day] == hours
    assert sum(bar["unknown_s"] for bar in bars) <= 4 * 86400 + 3600


def test_midnights_follow_one_another_without_a_gap(db: Db) -> None:
    for zone in ZONES:
        bounds = db.value("select watchkeeper.midnights('2026-12-31', 366, %s)", zone)
        assert len(bounds) == 367
        assert all(timedelta(hours=23) <= b - a <= timedelta(hours=25) for a, b in pairwise(bounds))


@pytest.mark.parametrize("days", [None, 0, -1, 367, 2**31 - 1])
def test_how_many_days_is_checked(db: Db, days: Any) -> None:
    with refused(db, "22023", naming="days: must be from 1 to 366"):
        db.rpc("get_uptime_summary", days=days)


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus", "UTC'; drop", "x" * 10000])
def test_the_time_zone_is_checked(db: Db, zone: Any) -> None:
    with refused(db, "22023", naming="time_zone: must be a time zone"):
        db.rpc("get_uptime_summary", time_zone=zone)


def test_a_target_that_never_was_is_not_found(db: Db) -> None:
    with refused(db, "PT404", naming="target_id: no target"):
        db.rpc("get_uptime_summary", target_id="00000000-0000-0000-0000-000000000000")


def test_through_the_api(db: Db) -> None:
    with db.asking_as("viewer"):
        page = db.rpc("get_uptime_summary")
    assert (page["targets"], page["time_zone"]) == ([], "UTC")
    with db.acting_as("service_role"):
        assert db.rpc("roll_up_days") == {"days": 0, "more": False}


def test_a_page_of_many_targets_and_days_reads_each_row_a_few_times(db: Db) -> None:
    """100 targets over 90 days, each day with ten changes and fifty steps of latency."""
    now = datetime.now(UTC)
    db.run(
        "insert into watchkeeper.services (target_id, name, labels, watched_from) "
        "select gen_random_uuid(), 'node-' || n, '{}', %s from generate_series(1, 100) as n", now - timedelta(days=100)
    )  # fmt: skip
    db.run(
        "insert into watchkeeper.availability_spans (target_id, state, from_at, last_seen_at, holds_s, until_at) "
        "select s.target_id, case mod(n, 2) when 0 then 'up' else 'down' end, b.at, b.at, 8640, "
        "b.at + interval '8640 s' from watchkeeper.services as s, generate_series(0, 999) as n, "
        "lateral (select %s::timestamptz + n * interval '8640 s' as at) as b",
        now - timedelta(days=100),
    )  # fmt: skip
    db.run(
        "insert into watchkeeper.uptime_days "
        "select s.target_id, current_date - n, 86400, 43200, 43200, 0, 0, 1440, 5, 10, 20, 30, b.buckets "
        "from watchkeeper.services as s, generate_series(1, 95) as n, "
        "(select jsonb_object_agg(100 + i, 30) as buckets from generate_series(1, 50) as i) as b"
    )
    db.run("update watchkeeper.roll_ups set up_to = current_date")
    db.run(
        "analyze watchkeeper.availability_spans; analyze watchkeeper.uptime_days; analyze watchkeeper.services"
    )
    began = db.rows_read()
    page = db.rpc("get_uptime_summary")
    read = db.rows_read() - began
    assert (len(page["targets"]), len(page["targets"][0]["days"])) == (100, 90)
    assert page["targets"][0]["windows"]["90d"]["failures"] == 89 * 5
    assert read < 10 * 100 * (1000 + 95), "each span and each day a few times, not the spans of all for each"
