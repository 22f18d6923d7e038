"""Jobs that report: late is an alert, back is its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.supabase.world import Json, World, anything, only, refused


def beat(
    world: World, seconds: float, event: str = "success", body: str | None = None, job: str = "t"
) -> Json:
    answer: Json = world.db.value(
        "select watchkeeper.record_heartbeat(%s, %s, %s, %s)", job, event, body, world.at(seconds)
    )
    return answer


@pytest.fixture
def job(world: World) -> World:
    """Reports every five minutes, with a minute of grace; its alerts go to the chat."""
    world.channel("chat", "pager")
    world.route("chat")
    return save(world)


def save(world: World, seconds: float = 0, **more: Any) -> World:
    world.setting("heartbeat", seconds, **{"name": "backup", "period_s": 300, "grace_s": 60, **more})
    world.db.run("update watchkeeper.heartbeats set token_hash = sha256('t') where name = 'backup'")
    return world


def test_late_is_an_alert_and_back_is_its_end(job: World) -> None:
    beat(job, 10)
    assert job.send(370) == []
    assert job.send(371) == [("chat", "trigger")]
    alert = only(job.alerts())
    assert (alert["alert_type"], alert["source"], alert["severity"]) == (
        "heartbeat_missing",
        "backup",
        "critical",
    )
    assert job.send(400) == []
    beat(job, 500)
    assert job.send(501) == [("chat", "resolve")]


def test_a_job_that_never_reports_is_late_too(job: World) -> None:
    assert (job.send(360), job.send(361)) == ([], [("chat", "trigger")])


def test_saving_the_same_again_does_not_put_it_off(job: World) -> None:
    save(job, 200)
    save(job, 350, severity="error")
    assert job.send(361 + 10) == [("chat", "trigger")]


def test_a_new_period_counts_from_now(job: World) -> None:
    save(job, 200, period_s=600)
    assert (job.send(861 - 1), job.send(861)) == ([], [("chat", "trigger")])


def test_a_failure_is_told_at_once_and_a_success_ends_it(job: World) -> None:
    beat(job, 10, "fail", "disk full")
    assert job.send(11) == [("chat", "trigger")]
    assert "disk full" in only(job.alerts())["message"]
    beat(job, 20, "fail")
    beat(job, 30)
    assert job.send(31) == [("chat", "resolve")]


def test_a_start_measures_and_is_no_success(job: World) -> None:
    beat(job, 10, "start")
    assert job.send(361) == [("chat", "trigger")]
    beat(job, 400)
    assert job.db.value("select last_duration_s from watchkeeper.heartbeats") == 390


def test_a_paused_job_is_not_late_and_its_alert_ends(job: World) -> None:
    job.send(361)
    save(job, 400, paused=True)
    assert job.send(401) == [("chat", "resolve")]
    beat(job, 402, "fail")
    assert job.send(5000) == []


def test_a_deleted_jobs_alert_ends(job: World) -> None:
    job.send(361)
    job.db.run("select watchkeeper.delete_setting('heartbeat', 'backup', %s)", job.at(400))
    assert job.send(401) == [("chat", "resolve")]
    with refused(job.db, "PT404", naming="token"):
        beat(job, 402)


def test_the_token_is_shown_once_and_kept_only_as_a_hash(world: World) -> None:
    saved = world.db.rpc("save_heartbeat", heartbeat={"name": "x", "period_s": 60})
    assert len(saved["token"]) == 64
    assert "token" not in world.db.rpc("save_heartbeat", heartbeat={"name": "x", "period_s": 60})
    assert saved["token"] not in str(world.db.rows("select h::text from watchkeeper.heartbeats as h"))
    with world.db.asking_as("anon"):
        assert world.db.rpc("record_heartbeat", token=saved["token"])["heartbeat"] == "x"


@pytest.mark.parametrize(("state", "given", "naming"), [
    ("PT404", {"token": "wrong"}, "token"), ("22023", {"token": ""}, "token"), ("22023", {"token": "x" * 201}, "token"),
    ("22023", {"token": None}, "token"), ("22023", {"token": "t", "event": "nap"}, "event"),
    ("22023", {"token": "t", "event": None}, "event"),
])  # fmt: skip
def test_a_bad_report_is_refused_by_name(job: World, state: str, given: Json, naming: str) -> None:
    with refused(job.db, state, naming=naming), job.db.asking_as("anon"):
        job.db.rpc("record_heartbeat", **given)


def test_a_long_body_is_cut(job: World) -> None:
    beat(job, 1, "fail", "x" * 100_000)
    assert job.db.value("select length(last_body) from watchkeeper.heartbeats") == 10_000
    assert len(only(job.alerts())["message"]) < 600


def test_its_labels_choose_its_route(job: World) -> None:
    job.channel("team", "pager")
    job.route("team", name="first", position=1, match={"labels": {"team": "data"}, "kinds": ["heartbeat"]})
    save(job, 0, labels={"team": "data"})
    assert job.send(361) == [("team", "trigger")]


# cron ------------------------------------------------------------------------------------------------------------


def numbers(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        first, _, last = ("*", "", "") if span == "*" else span.partition("-")
        start = low if first == "*" else int(first)
        end = int(last) if last else high if first == "*" or step else start
        found |= set(range(start, end + 1, int(step or 1)))
    return found


def next_run(cron: str, zone: str, after: datetime) -> datetime | None:
    """Minute by minute, as cron itself looks."""
    minute, hour, day, month, weekday = cron.split()
    sets = (numbers(minute, 0, 59), numbers(hour, 0, 23), numbers(day, 1, 31), numbers(month, 1, 12))
    weekdays = {n % 7 for n in numbers(weekday, 0, 6 if "*" in weekday else 7)}
    moment = after.replace(second=0, microsecond=0)
    for _ in range(60 * 24 * 20):
        moment += timedelta(minutes=1)
        local = moment.astimezone(ZoneInfo(zone))
        on_day, on_weekday = local.day in sets[2], (local.weekday() + 1) % 7 in weekdays
        either = not day.startswith("*") and not weekday.startswith("*")
        fits = (on_day or on_weekday) if either else (on_day and on_weekday)
        if fits and local.month in sets[3] and local.hour in sets[1] and local.minute in sets[0]:
            return moment
    return None


SPRING = datetime(2026, 1, 1)  # noqa: DTZ001
CRON = st.tuples(
    st.sampled_from(["0", "*/15", "5,35", "10-20/5", "59", "*"]), st.sampled_from(["*", "3", "0-6/2", "23", "9-17"]),
    st.sampled_from(["*", "1", "13", "31", "*/10"]), st.sampled_from(["*", "1-6", "*/2"]),
    st.sampled_from(["*", "1-5", "0", "7", "5-7", "6,7", "*/2"]),
).map(" ".join)  # fmt: skip


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    cron=CRON,
    zone=st.sampled_from(["UTC", "Asia/Kolkata"]),
    after=st.datetimes(SPRING, SPRING + timedelta(days=150), timezones=st.just(UTC)),
)
def test_cron_means_what_cron_means(world: World, cron: str, zone: str, after: datetime) -> None:
    expected = next_run(cron, zone, after)
    if expected is not None:
        assert world.db.value("select watchkeeper.cron_next(%s, %s, %s)", cron, zone, after) == expected


def test_cron_keeps_its_local_hour_when_the_clocks_change(world: World) -> None:
    for after, due in (
        ("2026-03-28T12:00+00:00", "2026-03-29T07:30+00:00"),
        ("2026-10-24T12:00+00:00", "2026-10-25T08:30+00:00"),
    ):
        found = world.db.value(
            "select watchkeeper.cron_next('30 9 * * *', 'Europe/Berlin', %s)", world.moment(after)
        )
        assert found == world.moment(due)
    # 02:30 is skipped that night; the job runs an hour later by the clock, and not a day.
    found = world.db.value(
        "select watchkeeper.cron_next('30 2 * * *', 'Europe/Berlin', %s)",
        world.moment("2026-03-28T12:00+00:00"),
    )
    assert found == world.moment("2026-03-29T01:30+00:00")


def test_names_and_leap_days_are_understood(world: World) -> None:
    for cron, due in (
        ("0 0 29 FEB *", "2028-02-29T00:00+00:00"),
        ("0 9 * * mon-fri", "2026-01-05T09:00+00:00"),
    ):
        assert world.db.value(
            "select watchkeeper.cron_next(%s, 'UTC', '2026-01-03T00:00Z')", cron
        ) == world.moment(due)


@pytest.mark.parametrize(
    ("naming", "wrong"),
    [
        ("heartbeat.name: is missing", {"period_s": 60}),
        ("heartbeat: needs either", {"name": "x"}),
        ("heartbeat: needs either", {"name": "x", "period_s": 60, "cron": "* * * * *"}),
        *(
            (f"heartbeat.{key}", {"name": "x", "period_s": 60, key: value})
            for key, value in anything(
                ("nope", 1),
                ("period_s", 29),
                ("period_s", 31622401),
                ("grace_s", -1),
                ("severity", "info"),
                ("labels", {"a": 1}),
                ("paused", "yes"),
                ("time_zone", "Mars/Base"),
                ("token", "chosen"),
            )
        ),
        *(
            ("heartbeat.cron", {"name": "x", "cron": cron})
            for cron in anything(
                "",
                "* * * *",
                "* * * * * *",
                "60 * * * *",
                "* 24 * * *",
                "* * 0 * *",
                "* * * 13 *",
                "* * * * 8",
                "*/0 * * * *",
                "5-1 * * * *",
                "x * * * *",
                "0 0 31 2 *",
                "@daily",
                7,
                "1,,2 * * * *",
            )
        ),
    ],
)
def test_a_bad_heartbeat_is_refused_by_name(world: World, naming: str, wrong: Json) -> None:
    with refused(world.db, "22023", naming=naming):
        world.db.rpc("save_heartbeat", heartbeat=wrong)
