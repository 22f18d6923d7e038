"""Which route fits, when, and who is on call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.supabase.world import Db, Json, World

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
# Around the days on which the clocks change in Berlin and New York, and an ordinary year.
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.fixture
def two(world: World) -> World:
    for name in ("first", "second"):
        world.channel(name, "pager")
    return world


def told(world: World, seconds: float = 0, source: str = "anvil", **alert: Any) -> list[str]:
    world.fire(seconds, source, **alert)
    return [channel for channel, _, _ in world.ledger(source)]


@pytest.mark.parametrize(("match", "fits"), [
    ({}, True),
    ({"min_severity": "error"}, True), ({"min_severity": "critical"}, False), ({"min_severity": "info"}, True),
    ({"targets": ["anvil"]}, True), ({"targets": ["web", "anvil"]}, True), ({"targets": ["anv"]}, False),
    ({"networks": ["main"]}, True), ({"networks": ["test"]}, False),
    ({"chains": ["evm"]}, True), ({"chains": ["bitcoin"]}, False),
    ({"kinds": ["uptime"]}, True), ({"kinds": ["p2p"]}, False),
    ({"alert_types": ["service_down"]}, True), ({"alert_types": ["blind"]}, False),
    ({"labels": {"env": "prod"}}, True), ({"labels": {"env": "prod", "team": "core"}}, True),
    ({"labels": {"env": "dev"}}, False), ({"labels": {"env": "prod", "tier": "1"}}, False),
    ({"min_severity": "error", "kinds": ["uptime"], "targets": ["web"]}, False),
])  # fmt: skip
def test_a_route_takes_what_fits_in_every_part(two: World, match: Json, fits: bool) -> None:
    two.route("first", match=match)
    metadata: Json = {"network": "main", "chain": "evm", "labels": {"env": "prod", "team": "core"}}
    assert told(two, severity="error", **metadata) == (["first"] if fits else [])


@pytest.mark.parametrize(
    "match", [{"networks": ["main"]}, {"chains": ["evm"]}, {"kinds": ["x"]}, {"labels": {"a": "b"}}]
)
def test_what_an_alert_does_not_have_does_not_fit(two: World, match: Json) -> None:
    two.route("first", match=match)
    assert told(two, kind=None, labels=None) == []


def test_the_first_route_that_fits_takes_it(two: World) -> None:
    two.route("second", name="later", position=20)
    two.route("first", name="sooner", position=10)
    assert told(two) == ["first"]


def test_a_route_may_pass_it_on(two: World) -> None:
    two.route("first", name="sooner", position=10, **{"continue": True})
    two.route("first", "second", name="later", position=20)
    assert told(two) == ["first", "second"]


def test_a_route_that_is_switched_off_or_closed_is_passed_over(two: World) -> None:
    two.route("first", name="off", position=1, enabled=False)
    day = DAYS[(two.at(0).weekday() + 2) % 7]
    two.route("first", name="closed", position=2, hours={"days": [day]})
    two.route("second", name="open", position=3)
    assert told(two) == ["second"]


def test_a_route_with_hours_takes_what_still_fires_when_they_begin(two: World) -> None:
    two.route("first", hours={"from": f"{two.at(3600):%H:%M}", "to": f"{two.at(7200):%H:%M}"})
    two.fire(0)
    assert (two.send(1), two.held_by()) == ([], "no route matches")
    assert two.send(3660) == [("first", "trigger")]


def test_a_channel_that_is_switched_off_gets_nothing_new(two: World) -> None:
    two.route("first", "second")
    two.channel("first", "pager", enabled=False)
    assert told(two) == ["second"]


def test_a_tool_cannot_choose_labels_routes_or_silences_by_what_it_sends(two: World) -> None:
    two.route("first", name="prod", position=1, match={"labels": {"env": "prod"}})
    two.route("second")
    two.silence(two.at(-60), datetime.now(UTC) + timedelta(hours=1), match={"kinds": ["quiet"]})
    metadata = {"labels": {"env": "prod"}, "kind": "quiet", "network": "main", "channel_id": "x"}
    with two.db.asking_as("watchkeeper_ingest"):
        two.db.rpc("record_system_metric", metric_name_param="heat", metric_value_param=1, severity_param="critical",
                   metadata_param=metadata)  # fmt: skip
    assert two.ledger("heat") == [("second", "trigger", "pending")]


# Hours -----------------------------------------------------------------------------------------------------------


def within(hours: Json, at: datetime) -> bool:
    """As a person reads them: the day on which the opening began counts."""
    local = at.astimezone(ZoneInfo(hours.get("time_zone", "UTC"))).replace(tzinfo=None)
    days = hours.get("days", DAYS)
    opens, closes = hours.get("from", "00:00"), hours.get("to", "24:00")
    for back in (0, 1):
        day = (local - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        start = day + timedelta(hours=int(opens[:2]), minutes=int(opens[3:]))
        end = day + timedelta(hours=int(closes[:2]), minutes=int(closes[3:]))
        if end <= start:
            end += timedelta(days=1)
        if start <= local < end and DAYS[day.weekday()] in days:
            return True
    return False


CLOCK = st.sampled_from(["00:00", "00:30", "02:30", "09:00", "17:00", "22:00", "23:59"])
HOURS = st.fixed_dictionaries({}, optional={
    "time_zone": st.sampled_from(ZONES), "from": CLOCK, "to": st.one_of(CLOCK, st.just("24:00")),
    "days": st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True),
})  # fmt: skip


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(hours=HOURS, at=MOMENTS)
def test_hours_are_local_and_run_over_midnight(world: World, hours: Json, at: datetime) -> None:
    assert world.db.value("select watchkeeper.within_hours(%s, %s)", Jsonb(hours), at) == within(hours, at)


# On call ---------------------------------------------------------------------------------------------------------


def on_call(world: World, at: str) -> str:
    person: str = world.db.rpc("who_is_on_call", rotation="primary", moment=datetime.fromisoformat(at))[0][
        "person"
    ]
    return person


def test_a_handover_keeps_its_local_hour_when_the_clocks_change(world: World) -> None:
    # The clocks go forward on 29 March 2026.
    world.setting("rotation", name="primary", time_zone="Europe/Berlin", starts_at="2026-03-23T09:00", shift_days=7,
                  people=["anna@example.org", "bert@example.org"])  # fmt: skip
    assert on_call(world, "2026-03-30T06:59:59+00:00") == "anna@example.org"
    assert on_call(world, "2026-03-30T07:00:00+00:00") == "bert@example.org"
    assert on_call(world, "2026-10-26T07:59:59+00:00") != on_call(world, "2026-10-26T08:00:00+00:00")


def test_a_rotation_goes_round_and_reaches_back_before_its_start(world: World) -> None:
    people = [f"{name}@example.org" for name in ("anna", "bert", "cleo")]
    world.setting("rotation", name="primary", starts_at="2026-01-05T00:00", shift_days=1, people=people)
    days = [on_call(world, f"2026-01-{day:02}T12:00+00:00") for day in range(3, 12)]
    assert days == [people[(n - 2) % 3] for n in range(9)]


def test_the_override_that_began_last_wins_and_ends(world: World) -> None:
    world.setting("rotation", name="primary", starts_at="2026-01-05T00:00", people=["anna@example.org"])
    for person, start, end in (("bert@example.org", 10, 20), ("cleo@example.org", 12, 14)):
        world.db.rpc(
            "save_override",
            rotation="primary",
            person=person,
            from_time=world.moment(f"2026-01-05T{start}:00+00:00"),
            to_time=world.moment(f"2026-01-05T{end}:00+00:00"),
        )
    names = [on_call(world, f"2026-01-05T{hour:02}:00+00:00")[:4] for hour in (9, 10, 12, 13, 14, 20)]
    assert names == ["anna", "bert", "cleo", "cleo", "bert", "anna"]


def test_who_is_on_call_names_the_channels_that_reach_them(world: World) -> None:
    world.setting("rotation", name="primary", starts_at="2026-01-05T00:00", people=["anna@example.org"])
    world.channel("phone", "pager", person="Anna@example.org")
    world.channel("old", "pager", person="anna@example.org", enabled=False)
    assert world.db.rpc("who_is_on_call")[0]["channels"] == ["phone"]


@pytest.mark.parametrize("handover", ["00:00", "01:45", "02:30", "03:00"])
@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Berlin", "2026-03-29"),  # 02:00 to 03:00 is left out
        ("Europe/Berlin", "2026-10-25"),  # 02:00 to 03:00 comes twice
        ("America/New_York", "2026-03-08"),
        ("America/New_York", "2026-11-01"),  # 01:00 to 02:00 comes twice
        ("Australia/Lord_Howe", "2026-04-05"),  # half an hour, 01:30 to 02:00, comes twice
        ("America/Havana", "2026-11-01"),  # 00:00 to 01:00 comes twice
        ("America/Havana", "2026-03-08"),  # there is no midnight
    ],
)
def test_each_shift_begins_once_and_lasts_a_day(db: Db, zone: str, day: str, handover: str) -> None:
    people = ["anna@example.org", "bert@example.org", "cleo@example.org"]
    rotation = {"name": "primary", "time_zone": zone, "shift_days": 1, "people": people}
    db.rpc("save_rotation", rotation={**rotation, "starts_at": f"2026-01-01T{handover}"})
    quarters = db.values(
        "select watchkeeper.on_call(r, at) from watchkeeper.rotations as r, generate_series("
        "%s::date - interval '2 days', %s::date + interval '3 days', interval '15 minutes') as at order by at",
        day, day,
    )  # fmt: skip
    shifts = [(person, len(list(each)) / 4) for person, each in groupby(quarters)][1:-1]
    first = people.index(shifts[0][0])
    assert [person for person, _ in shifts] == [people[(first + n) % 3] for n in range(len(shifts))]
    assert sorted({hours for _, hours in shifts} - {24}) in ([], [23], [25], [24.5], [23.5, 24.5], [23, 25])
    assert sum(hours != 24 for _, hours in shifts) <= 2
