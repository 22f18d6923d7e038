"""Postgres notices that nobody checks any more: with pg_cron and pg_net it says so, and without nothing breaks."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.migrations import read_all
from tests.supabase.world import Db, Json, World, only, refused, result

URL = "https://hooks.example.com/secret-path"

# The signatures of the extensions: pg_cron 1.6, pg_net 0.14.
CRON = """
create schema cron;
create table cron.job (
  jobid bigserial primary key, jobname text unique, schedule text, command text, active boolean default true
);
create function cron.schedule(job_name text, schedule text, command text) returns bigint language sql as $$
  insert into cron.job (jobname, schedule, command) values (job_name, schedule, command)
  on conflict (jobname) do update set schedule = excluded.schedule, command = excluded.command returning jobid
$$;
"""
NET = """
create schema net;
create table net.sent (id bigserial, url text, body jsonb, timeout integer);
create function net.http_post(url text, body jsonb default '{}', params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}', timeout_milliseconds integer default 5000)
returns bigint language sql as $$ insert into net.sent (url, body, timeout) values ($1, $2, $5) returning id $$;
"""


@pytest.fixture
def extensions(db: Db) -> Db:
    """What a hosted project has when both are switched on."""
    db.connection.execute(CRON.encode())
    db.connection.execute(NET.encode())
    return db


def watch(world: World, seconds: float) -> str | None:
    verdict: str | None = world.db.value("select watchkeeper.watch_monitor(%s)", world.at(seconds))
    return verdict


def sent(world: World) -> list[tuple[str, Json]]:
    return world.db.rows("select url, body from net.sent order by id")


def state(world: World, seconds: float = 0) -> Json:
    found: Json = world.summary(seconds)["monitoring"]["watchdog"]
    return found


def minutes(world: World, first: int, last: int) -> None:
    for minute in range(first, last):
        world.record(60 * minute + 1, [result(task) for task in world.tick(60 * minute)])


def test_it_barks_once_when_the_monitor_is_silent_and_once_when_it_is_back(extensions: Db) -> None:
    world = World(extensions)
    world.db.rpc("save_watchdog", url=URL, silent_s=300)
    world.target()
    minutes(world, 0, 3)
    assert [watch(world, 60 * minute) for minute in range(3, 12)] == [None] * 5 + ["silent"] + [None] * 3
    ((url, body),) = sent(world)
    assert (url, body["event"], world.moment(body["since"])) == (URL, "monitor_silent", world.at(120))
    assert "blind since" in body["text"] == body["content"]
    minutes(world, 12, 14)
    assert [watch(world, 60 * minute) for minute in (14, 15)] == ["back", None]
    assert [body["event"] for _, body in sent(world)] == ["monitor_silent", "monitor_back"]


def test_ticks_without_results_are_silence_too(extensions: Db) -> None:
    world = World(extensions)
    world.db.rpc("save_watchdog", url=URL, silent_s=300)
    world.target()
    minutes(world, 0, 3)
    heard = []
    for minute in range(3, 14):
        world.tick(60 * minute)
        heard.append(watch(world, 60 * minute))
    assert heard.count("silent") == 1


def test_what_has_nothing_to_watch_and_never_ticked_is_not_silent(extensions: Db) -> None:
    assert watch(World(extensions), 86_400) is None


def test_it_runs_each_minute_under_one_name(extensions: Db) -> None:
    for _ in range(2):
        assert extensions.rpc("save_watchdog", url=URL)["status"] == "on"
    job = only(extensions.rows("select jobname, schedule, command from cron.job"))
    assert job == ("watchkeeper-watchdog", "* * * * *", "select watchkeeper.watch_monitor(now())")
    extensions.run(job[2])


def test_the_migration_schedules_it_where_the_extensions_are(db: Db) -> None:
    db.connection.execute(CRON.encode())
    migration = next(each for each in read_all() if "watchdog" in each.file.name)
    db.connection.execute(migration.sql[migration.sql.rindex("do $$") :].encode())
    assert db.value("select count(*) from cron.job") == 1


@pytest.mark.parametrize(
    ("there", "reason"),
    [((), "the extension pg_cron is not there"), ((CRON,), "the extension pg_net is not there"),
     ((CRON, NET), "it has no address: save_watchdog")],
)  # fmt: skip
def test_without_an_extension_or_an_address_the_summary_says_so(
    db: Db, there: tuple[str, ...], reason: str
) -> None:
    for each in there:
        db.connection.execute(each.encode())
    world = World(db)
    assert state(world) == {"status": "off", "reason": reason}
    world.target()
    minutes(world, 0, 1)
    assert watch(world, 3600) == "silent", "it is noticed, and nothing breaks"
    with db.asking_as("viewer"):
        assert db.rpc("get_system_health_summary")["monitoring"]["watchdog"]["status"] == "off"


def test_a_job_that_was_switched_off_is_no_watchdog(extensions: Db) -> None:
    extensions.rpc("save_watchdog", url=URL)
    extensions.run("update cron.job set active = false")
    assert state(World(extensions)) == {"status": "off", "reason": "it is not scheduled: save_watchdog"}


def test_its_address_is_told_to_nobody(extensions: Db) -> None:
    with extensions.asking_as("admin"):
        assert "secret-path" not in str(extensions.rpc("save_watchdog", url=URL))
        assert "secret-path" not in str(extensions.rpc("get_system_health_summary"))
    extensions.run("set constraints all immediate")
    assert "secret-path" not in str(extensions.rows("select before, after from watchkeeper.audit_log"))


@pytest.mark.parametrize(
    ("argument", "given"),
    [("url", "ftp://x"), ("url", "https://"), ("url", ""), ("url", "https://" + "x" * 2000), ("silent_s", 59),
     ("silent_s", 86_401), ("silent_s", None)],
)  # fmt: skip
def test_nonsense_is_refused_by_name(db: Db, argument: str, given: Any) -> None:
    with refused(db, "22023", naming=f"{argument}: "):
        db.rpc("save_watchdog", **{"url": URL, argument: given})
