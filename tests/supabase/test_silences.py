"""Silences and maintenance windows: what they hold back, when, and how they end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.supabase.world import Json, World, anything, only, refused


@pytest.fixture
def told(world: World) -> World:
    world.channel("chat", "pager")
    world.route("chat")
    return world


def test_an_alert_that_still_fires_at_the_end_of_its_silence_is_delivered(told: World) -> None:
    told.silence(told.at(-60), told.at(600), kind="maintenance")
    told.fire(0)
    assert (told.send(599), told.held_by()) == ([], "maintenance: a move")
    assert told.send(600) == [("chat", "trigger")]


def test_a_trigger_from_before_the_silence_still_gets_its_end(told: World) -> None:
    told.fire(0)
    told.send(1)
    told.silence(told.at(10), told.at(600))
    told.end(20)
    assert told.send(21) == [("chat", "resolve")]


def test_a_silence_holds_only_what_it_matches(told: World) -> None:
    told.silence(told.at(-60), told.at(600), match={"targets": ["web"]})
    told.fire(0, "web")
    told.fire(0, "anvil")
    assert told.send(1) == [("chat", "trigger")]
    assert (told.held_by("web"), told.held_by("anvil")) == ("silence: a move", None)


def test_ending_a_silence_lets_go_at_once(told: World) -> None:
    silence = told.silence(told.at(-60), told.at(600))
    told.fire(0)
    told.db.rpc("end_silence", silence_id=silence["id"])
    assert told.send(1) == [("chat", "trigger")]
    with refused(told.db, "PT404", naming="silence_id"):
        told.db.rpc("end_silence", silence_id=silence["id"])


def test_a_preview_says_what_it_would_hold_and_writes_nothing(told: World) -> None:
    now = datetime.now(UTC)
    told.fire(0, "web")
    told.fire(0, "anvil")
    before = told.db.counts()
    preview = told.db.rpc("preview_silence", silence={
        "comment": "x", "match": {"targets": ["web"]}, "starts_at": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}",
        "ends_at": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M}"})  # fmt: skip
    assert (preview["active"], only(preview["alerts"])["source"], preview["fired_in_30_days"]) == (
        True,
        "web",
        1,
    )
    assert told.db.counts() == before


def test_a_list_says_which_are_active_and_until_when(told: World) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    told.silence(now - timedelta(hours=1), now + timedelta(hours=1))
    told.silence(now + timedelta(hours=1), now + timedelta(hours=2), comment="later")
    listed = {each["comment"]: each for each in told.db.rpc("list_silences")}
    assert (listed["a move"]["active"], listed["later"]["active"], listed["later"]["until"]) == (
        True,
        False,
        None,
    )
    assert datetime.fromisoformat(listed["a move"]["until"]) == now + timedelta(hours=1)


# Recurrence ------------------------------------------------------------------------------------------------------


def active(world: World, silence: Json, at: datetime) -> bool:
    found: bool = world.db.value(
        "select watchkeeper.silence_window(s, %s) is not null from watchkeeper.silences as s where s.id = %s",
        at, silence["id"],
    )  # fmt: skip
    return found


def test_a_window_keeps_its_local_hour_when_the_clocks_change(world: World) -> None:
    # The clocks go forward on 29 March 2026 in Berlin, and back on 25 October.
    silence = world.silence(
        "2026-03-01T09:00:00", "2026-03-01T10:00:00", time_zone="Europe/Berlin", rrule="FREQ=DAILY"
    )
    for day, first, end in (
        ("2026-03-28", 8, 9),
        ("2026-03-29", 7, 8),
        ("2026-10-24", 7, 8),
        ("2026-10-25", 8, 9),
    ):
        hours = [
            hour
            for hour in range(24)
            if active(world, silence, datetime.fromisoformat(f"{day}T{hour:02}:30+00:00"))
        ]
        assert hours == list(range(first, end)), day


def test_until_in_utc_is_a_moment_and_a_day_counts_whole(world: World) -> None:
    base = {"time_zone": "Asia/Kolkata"}
    utc = world.silence(
        "2026-01-01T01:00:00", "2026-01-01T02:00:00", rrule="FREQ=DAILY;UNTIL=20260102T193000Z", **base
    )
    day = world.silence(
        "2026-01-01T01:00:00", "2026-01-01T02:00:00", rrule="FREQ=DAILY;UNTIL=20260103", **base
    )
    zone = ZoneInfo("Asia/Kolkata")
    for silence, last in ((utc, 3), (day, 3)):
        days = [n for n in range(1, 7) if active(world, silence, datetime(2026, 1, n, 1, 30, tzinfo=zone))]
        assert days == list(range(1, last + 1)), silence["rrule"]


SPRING = datetime(2026, 1, 1)  # noqa: DTZ001
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
LISTS = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=4, unique=True).map(",".join)
ENDS: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.just({}), st.integers(1, 12).map(lambda n: {"COUNT": str(n)}),
    st.dates(datetime(2026, 1, 1).date(), datetime(2026, 12, 31).date()).map(  # noqa: DTZ001
        lambda day: {"UNTIL": f"{day:%Y%m%d}T120000"}))  # fmt: skip


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY"]))
    parts = {"FREQ": frequency}
    if draw(st.booleans()):
        parts["INTERVAL"] = str(draw(st.integers(1, 4)))
    if draw(st.booleans()):
        nth = st.tuples(st.sampled_from(["1", "2", "5", "-1", "-2"]), st.sampled_from(WEEKDAYS)).map("".join)
        parts["BYDAY"] = draw(
            LISTS
            if frequency != "MONTHLY" or draw(st.booleans())
            else st.lists(nth, min_size=1, max_size=3, unique=True).map(",".join)
        )
    if frequency != "WEEKLY" and draw(st.booleans()):
        days = st.integers(-31, 31).filter(bool).map(str)
        parts["BYMONTHDAY"] = draw(st.lists(days, min_size=1, max_size=3, unique=True).map(",".join))
    return ";".join(f"{key}={value}" for key, value in {**parts, **draw(ENDS)}.items())


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rule=rules(), start=st.datetimes(SPRING, SPRING + timedelta(days=90)), hours=st.integers(1, 40))
def test_a_rule_names_the_days_that_dateutil_names(
    world: World, rule: str, start: datetime, hours: int
) -> None:
    start = start.replace(second=0, microsecond=0)
    with world.db.connection.transaction(force_rollback=True):
        silence = world.silence(start, start + timedelta(hours=hours), rrule=rule)
        until = start + timedelta(days=100)
        begun = rrulestr(rule, dtstart=start).between(start, until, inc=True)
        moments = [start + timedelta(days=n) for n in range(0, 100, 3)]
        rows = world.db.values(
            "select watchkeeper.silence_window(s, m at time zone 'UTC') is not null from watchkeeper.silences as s, "
            "unnest(%s::timestamp[]) with ordinality as x (m, n) where s.id = %s order by n",
            "{" + ",".join(str(m) for m in moments) + "}", silence["id"],
        )  # fmt: skip
    assert rows == [any(b <= m < b + timedelta(hours=hours) for b in begun) for m in moments], rule


# Bad input -------------------------------------------------------------------------------------------------------

GOOD: Json = {"comment": "x", "starts_at": "2026-01-05T09:00", "ends_at": "2026-01-05T10:00"}


@pytest.mark.parametrize(
    ("naming", "wrong"),
    [
        *(("silence", value) for value in anything([], "x", 1)),
        *((f"silence.{key}: is missing", {k: v for k, v in GOOD.items() if k != key}) for key in GOOD),
        *(
            (f"silence.{key}", {**GOOD, **more})
            for key, more in anything(
                ("nope", {"nope": 1}),
                ("comment", {"comment": ""}),
                ("comment", {"comment": "x" * 1001}),
                ("kind", {"kind": "nap"}),
                ("id", {"id": "x"}),
                ("starts_at", {"starts_at": "yesterday"}),
                ("starts_at", {"starts_at": "2026-02-30T00:00"}),
                ("starts_at", {"starts_at": "2026-01-05T09:00Z"}),
                ("ends_at", {"ends_at": "2026-01-05T09:00"}),
                ("ends_at", {"ends_at": "2027-02-05T09:00"}),
                ("time_zone", {"time_zone": "Mars/Base"}),
                ("match.nope", {"match": {"nope": 1}}),
                ("match.targets", {"match": {"targets": []}}),
                ("match", {"match": []}),
                ("match.min_severity", {"match": {"min_severity": "bad"}}),
            )
        ),
        *(
            ("silence.rrule", {**GOOD, "rrule": rule})
            for rule in anything(
                "",
                "x",
                7,
                "FREQ=HOURLY",
                "RRULE:FREQ=DAILY",
                "FREQ=DAILY;INTERVAL=0",
                "FREQ=DAILY;COUNT=0",
                "FREQ=DAILY;BYHOUR=3",
                "FREQ=DAILY;COUNT=1;UNTIL=20260101",
                "FREQ=WEEKLY;BYDAY=1MO",
                "FREQ=WEEKLY;BYDAY=XX",
                "FREQ=WEEKLY;BYMONTHDAY=1",
                "FREQ=MONTHLY;BYDAY=6MO",
                "FREQ=MONTHLY;BYMONTHDAY=32",
                "FREQ=DAILY;UNTIL=20261399",
                "FREQ=DAILY;UNTIL=20260230",
                "FREQ=DAILY;UNTIL=20260101T996000Z",
                "FREQ=DAILY;UNTIL=tomorrow",
                "FREQ=DAILY;" + "X" * 500,
                "INTERVAL=2",
            )
        ),
    ],
)
@pytest.mark.parametrize("rpc", ["save_silence", "preview_silence"])
def test_a_bad_silence_is_refused_by_name(world: World, rpc: str, naming: str, wrong: Any) -> None:
    with refused(world.db, "22023", naming=naming):
        world.db.run(f"select public.{rpc}(%s)", Jsonb(wrong))


def test_an_unknown_silence_cannot_be_ended(world: World) -> None:
    with refused(world.db, "PT404", naming="silence_id"):
        world.db.rpc("end_silence", silence_id=uuid4())
