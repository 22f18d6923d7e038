"""Recording results: all or nothing, exact, in any order, by many at once."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.supabase.world import (
    Db,
    Json,
    World,
    a_target,
    allowing,
    anything,
    changes,
    finding,
    http_status,
    only,
    refused,
    result,
    sample,
)

ONE_MB = "x" * 1_000_000
LOOK = {"service_name": "x", "endpoint": "x", "is_up": True}


def a_result(**more: Any) -> Json:
    task = {"check_id": str(uuid4()), "due_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat()}
    return {**result(task), **more}


def test_a_result_writes_its_run_its_samples_and_its_look_at_the_service(world: World) -> None:
    target = world.target(checks={"uptime": {}})
    look = {"service_name": "web", "endpoint": "http://x", "status_code": 200, "response_time_ms": 12.5, "is_up": True,
            "error_message": None}  # fmt: skip
    samples = [sample("response_time", "12.5", unit="ms", severity="warning"), sample("status_code", 200)]
    answer = world.record(5, [result(only(world.tick(0)), samples=samples, uptime=look)])
    assert {key: answer[key] for key in ("recorded", "late", "repeated", "dropped")} == {
        "recorded": 1, "late": 0, "repeated": 0, "dropped": 0,
    }  # fmt: skip
    metrics = world.db.rows(
        "select metric_name, metric_value::text, metric_unit, severity, target_id::text, metadata "
        "from system_health_metrics order by 1"
    )
    assert metrics == [
        ("response_time", "12.5", "ms", "warning", target["id"], {"kind": "uptime"}),
        ("status_code", "200", None, "info", target["id"], {"kind": "uptime"}),
    ]
    looks = world.db.rows(
        "select service_name, status_code, response_time_ms::text, is_up from uptime_checks"
    )
    assert looks == [("web", 200, "12.5", True)]


def test_a_number_is_stored_as_it_was_written(world: World) -> None:
    world.target()
    values = ["0.00000001", "123456789012345678901234567890.12345678", "-1e-8", 2**63, "+.5", "7."]
    samples = [sample(f"m{n}", value) for n, value in enumerate(values)]
    world.record(1, [result(only(world.tick(0)), samples=samples)])
    stored = world.db.values("select metric_value::text from system_health_metrics order by metric_name")
    assert stored == ["0.00000001", values[1], "-0.00000001", str(2**63), "0.5", "7"]


def test_what_a_result_does_not_tell_is_not_known_any_more_and_keeps_its_age(world: World) -> None:
    world.target()
    world.step(0, "ok", samples=[sample("height", 7), sample("total_blocks", 8)])
    world.step(1, "ok", samples=[sample("height", 9)])
    values = only(world.targets(120))["checks"]["blockchain"]["values"]
    assert (values["height"]["value"], values["height"]["known"]) == (9, True)
    assert (values["total_blocks"]["value"], values["total_blocks"]["known"]) == (8, False)
    assert values["total_blocks"]["observed_at"] < values["height"]["observed_at"]


def test_a_late_result_does_not_turn_values_back(world: World) -> None:
    world.target()
    old, new = only(world.tick(0)), only(world.tick(60))
    world.record(61, [result(new, samples=[sample("height", 9)])])
    world.record(62, [result(old, samples=[sample("height", 7)])])
    assert only(world.targets(63))["checks"]["blockchain"]["values"]["height"]["value"] == 9
    assert world.db.value("select count(*) from system_health_metrics") == 2


def test_a_result_of_a_check_that_is_gone_or_was_never_claimed_is_dropped(world: World) -> None:
    target = world.target()
    task = only(world.tick(0))
    unclaimed = {**task, "due_at": world.at(30).isoformat()}
    assert world.record(31, [result(unclaimed)])["dropped"] == 1
    world.db.rpc("delete_target", target_id=target["id"])
    assert world.record(32, [result(task, "fail", finding("breach"))])["dropped"] == 1
    assert world.firing() == []


def test_a_result_of_a_paused_target_is_kept_and_moves_nothing(world: World) -> None:
    target = world.target()
    task = only(world.tick(0))
    world.db.rpc("pause_target", target_id=target["id"])
    assert world.record(1, [result(task, "fail", finding("breach"))])["late"] == 1
    assert world.firing() == []


def test_a_whole_number_may_be_written_with_a_point(world: World) -> None:
    world.target()
    breach = finding("breach", failure_threshold=1.0, success_threshold=1.0)
    assert changes(world.step(0, "fail", breach, blind_threshold=3.0)) == [("endpoint_unreachable", "fired")]


def test_a_worker_whose_clock_is_ahead_writes_no_time_of_the_future(db: Db) -> None:
    """The database's clock decides."""
    world = World(db)
    world.target()
    task = db.rpc("claim_due_checks", horizon_s=1)[0]  # two at the turn of a minute
    ahead = (datetime.now(UTC) + timedelta(seconds=90)).isoformat()
    answer = db.rpc("record_check_results", results=[
        result(task, started_at=ahead, finished_at=ahead, samples=[sample("height", 1)])
    ])  # fmt: skip
    assert answer["recorded"] == 1
    assert db.value("select recorded_at <= now() from system_health_metrics")


def test_one_bad_result_refuses_the_whole_call(world: World) -> None:
    world.target()
    good = result(only(world.tick(0)), samples=[sample("height", 1)])
    with refused(world.db, "22023", naming="results[1].outcome: must be one of"):
        world.db.rpc("record_check_results", results=[good, {**good, "outcome": "green"}])


BAD: list[tuple[str, Json]] = [
    ("results[0].outcome: is missing", {"outcome": ...}),
    ("results[0].check_id: is missing", {"check_id": ...}),
    ("results[0].forged: is not known", {"forged": 1}),
    *(("results[0].outcome: must be one of", {"outcome": value})
      for value in anything("", "OK", None, 1, ["ok"], [], {})),
    *(("results[0].check_id: ", {"check_id": value}) for value in anything(None, "", 1, "x", ONE_MB, "0" * 36)),
    *(("results[0].due_at: ", {"due_at": value}) for value in anything(
        None, "", 7, ONE_MB, "now", "infinity", "-infinity", "2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00+99:99", "2026-01-01T00:00:00", "2036-01-01T00:00:00Z", "1999-01-01T00:00:00Z",
        "2019-12-31T23:59:59Z", "10000-01-01T00:00:00Z",
    )),
    ("results[0].finished_at: must not be in the future", {"finished_at": "2036-01-01T00:00:00Z"}),
    ("results[0].started_at: must not be after finished_at", {"finished_at": "2026-01-01T00:00:00Z"}),
    ("results[0].reason: is needed when the outcome is fail", {"outcome": "fail"}),
    ("results[0].reason: is needed when the outcome is unknown", {"outcome": "unknown", "reason": ""}),
    ("results[0].reason: must have at most 2000", {"outcome": "fail", "reason": ONE_MB}),
    ("results[0].reason: must be", {"reason": {"deep": [1]}}),
    ("results[0].samples: must be a list", {"samples": {}}),
    ("results[0].samples: must have at most 100 items", {"samples": [sample("x", 1)] * 101}),
    ("results[0].samples[0]: must be a map", {"samples": [None]}),
    ("results[0].samples[0].name: ", {"samples": [sample("", 1)]}),
    ("results[0].samples[0].name: ", {"samples": [sample(ONE_MB, 1)]}),
    ("results[0].samples[0].value: is missing", {"samples": [{"name": "x"}]}),
    *(("results[0].samples[0].value: ", {"samples": [sample("x", value)]}) for value in anything(
        None, True, [], {}, "", "abc", "NaN", "Infinity", "-Infinity", "0x1", "1_000", "1e99", "9" * 41, "1e40", 1e300,
        "1e-41", ONE_MB,
    )),
    ("results[0].samples[1].value: must be a finite", {"samples": [sample("x", 1), sample("y", 1e40)]}),
    ("results[0].samples[0].severity: ", {"samples": [sample("x", 1, severity="error")]}),
    ("results[0].samples[0].severity: ", {"samples": [sample("x", 1, severity=["info"])]}),
    ("results[0].samples[0].unit: ", {"samples": [sample("x", 1, unit=ONE_MB)]}),
    ("results[0].findings[0].state: ", {"findings": [finding("maybe")]}),
    ("results[0].findings[0].severity: ", {"findings": [finding("clear", severity="fatal")]}),
    ("results[0].findings[0].message: ", {"findings": [{**finding("clear"), "message": ""}]}),
    ("results[0].findings[0].message: ", {"findings": [{**finding("clear"), "message": ONE_MB}]}),
    ("results[0].findings[0].alert_type: ", {"findings": [finding("clear", "Robert'); drop table x; --")]}),
    ("results[0].findings[0].alert_type: blind is for the database", {"findings": [finding("clear", "blind")]}),
    ("results[0].findings[1].alert_type: ", {"findings": [finding("clear"), finding("breach")]}),
    *(("results[0].findings[0].failure_threshold: ", {"findings": [finding("clear", failure_threshold=value)]})
      for value in anything(0, -1, 1.5, "1", None, 1001, 1e300)),
    *(("results[0].blind_threshold: ", {"blind_threshold": value}) for value in anything(0, "3", 2.5, None, 10**9)),
    ("results[0].uptime.is_up: is missing", {"uptime": {"service_name": "x", "endpoint": "x"}}),
    *(("results[0].uptime.", {"uptime": {**LOOK, **wrong}}) for wrong in anything(
        {"service_name": ""}, {"service_name": ONE_MB}, {"endpoint": None}, {"is_up": "yes"}, {"status_code": 99},
        {"status_code": 200.5}, {"response_time_ms": -1}, {"response_time_ms": 1e9}, {"error_message": ONE_MB},
    )),
]  # fmt: skip


@pytest.mark.parametrize(("message", "wrong"), BAD, ids=lambda value: str(value)[:70])
def test_a_bad_result_is_refused_by_the_path_of_its_wrong_part(
    world: World, message: str, wrong: Json
) -> None:
    given = {key: value for key, value in {**a_result(), **wrong}.items() if value is not ...}
    with refused(world.db, "22023", naming=message), world.db.acting_as("service_role"):
        world.db.rpc("record_check_results", results=[given])


@pytest.mark.parametrize(
    ("message", "results"),
    [
        ("results: must be a JSON array (is null)", None),
        ("results: must be a JSON array (is object)", {}),
        ("results[0]: must be a map", [1]),
        ("results[0]: must be a map", [None]),
        ("results: must have at most 1000 items (has 1001)", [{}] * 1001),
        ("results: must have at most", [0] * 1_000_000),
        ("results: must have at most", [None] * 1_000_000),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_list_of_results_is_refused_fast(world: World, message: str, results: Any) -> None:
    given = json.dumps(results)
    began = time.monotonic()
    with pytest.raises(psycopg.Error) as caught, world.db.connection.transaction():
        world.db.value(
            "select public.record_check_results(%s::jsonb)", given if results is not None else None
        )
    assert time.monotonic() - began < 20, "not one by one"
    assert (caught.value.sqlstate, http_status(caught.value.sqlstate)) == ("22023", 400)
    assert (caught.value.diag.message_primary or "").startswith(message)


@pytest.mark.parametrize("rpc", ["record_check_results", "save_target", "publish_catalog", "apply_targets"])
def test_a_nul_character_is_a_bad_request(world: World, rpc: str) -> None:
    argument = {"record_check_results": "results", "save_target": "target", "publish_catalog": "catalog",
                "apply_targets": "targets"}[rpc]  # fmt: skip
    with refused(world.db, "22P05"):
        world.db.value(f"select public.{rpc}({argument} => %s::jsonb)", '{"name": "\\u0000"}')
    assert http_status("22P05") == 400


def test_json_ten_thousand_levels_deep_is_no_crash(world: World) -> None:
    """Postgres's own parser gives up before our code is reached; 54001 is a 500, and the server goes on."""
    for deep in ("[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000):
        for rpc in ("record_check_results", "save_target"):
            with refused(world.db, "22023", "54001"):
                world.db.value(f"select public.{rpc}(%s::jsonb)", deep)
    assert world.db.rpc("list_targets") == []


def test_a_thousand_results_are_recorded_in_one_call(fresh: Callable[[], Db]) -> None:
    # A database and a session as new as its tables: what the tests before left makes other plans.
    world = World(fresh())
    world.db.run(
        "select watchkeeper.apply_targets(%s, false, false, %s)",
        [a_target(f"t{n}", {"blockchain": {}, "p2p": {"interval_s": 60}}) for n in range(550)], world.start,
    )  # fmt: skip
    tasks = sorted(world.tick(0), key=lambda task: task["target_id"])
    results = [
        result(task, "fail", *(finding("breach", f"rule_{n}") for n in range(5)),
               samples=[sample(f"m{n}", n) for n in range(5)]) for task in tasks
    ]  # fmt: skip
    with world.db.connection.transaction():
        began = world.db.rows_read()
        world.record(1, results[:100])
        few = world.db.rows_read()
        answer = world.record(1, results[100:])
        many = world.db.rows_read()
    assert (answer["recorded"], len(answer["transitions"])) == (1000, 2500)
    assert many - few < 1.5 * 10 * (few - began), "ten times the work"


# Many at once ----------------------------------------------------------------------------------------------------


def test_two_checks_that_clear_at_the_same_moment_resolve_their_alert(fresh: Callable[[], Db]) -> None:
    world = World(fresh())
    world.target(checks={"blockchain": {"interval_s": 60}, "p2p": {"interval_s": 60}})
    world.never_flapping()
    workers = [World(fresh(), world.start), World(fresh(), world.start)]
    with ThreadPoolExecutor(2) as pool:
        for minute in range(0, 20, 2):
            world.step(minute, "fail", finding("breach"))
            assert world.firing() == ["endpoint_unreachable"]
            tasks = world.tick(60 * (minute + 1))
            second = 60 * (minute + 1) + 1
            answers = list(pool.map(
                lambda work, at=second: work[0].record(at, [result(work[1], "ok", finding("clear"))]),
                zip(workers, tasks, strict=True),
            ))  # fmt: skip
            assert sorted(len(answer["transitions"]) for answer in answers) == [0, 1]
            assert world.firing() == []


END_S = 12 * 60


def record_at_random(world: World, tasks: list[Json], seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    for _ in range(15):
        state = chance.choice(["breach", "clear"])
        world.record(END_S, [result(task, "fail", finding(state)) for task in chance.sample(tasks, 8)])


def apply_again_and_again(world: World, targets: list[Json]) -> None:
    for n in range(10):
        changed = [{**target, "labels": {"round": str(n)}} for target in targets]
        world.db.run("select watchkeeper.apply_targets(%s, false, false, %s)", changed, world.at(END_S))


def resolve_what_fires(world: World) -> None:
    for _ in range(20):
        for alert in world.alerts(status="firing"):
            with allowing("PT409"):
                world.db.rpc("resolve_alert", alert_id=alert["id"])


def tick_on(world: World) -> None:
    for n in range(10):
        world.tick(END_S + n)


def pause_and_resume(world: World) -> None:
    for target in world.targets(END_S):
        for paused in (True, False):
            world.db.rpc("pause_target", target_id=target["id"], paused=paused)


def test_recorders_and_everybody_else_over_shared_targets_never_deadlock(fresh: Callable[[], Db]) -> None:
    world = World(fresh())
    kinds = {"blockchain": {"interval_s": 60}, "p2p": {"interval_s": 60}, "mempool": {"interval_s": 60}}
    targets = [a_target(f"t{n}", kinds) for n in range(6)]
    world.db.run("select watchkeeper.apply_targets(%s, false, false, %s)", targets, world.start)
    tasks = [task for minute in range(12) for task in world.tick(60 * minute)]
    works: list[Callable[[World], None]] = [
        *(partial(record_at_random, tasks=tasks, seed=seed) for seed in range(8)),
        partial(apply_again_and_again, targets=targets), resolve_what_fires, tick_on, tick_on, pause_and_resume,
    ]  # fmt: skip
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work, World(fresh(), world.start)) for work in works]:
            done.result(timeout=60)
    assert_alerts_and_rules_agree(world)


def assert_alerts_and_rules_agree(world: World) -> None:
    """One firing alert for what a rule reports, and none for what no rule reports."""
    alerts = world.db.rows("select target_id, alert_type from system_alerts where status = 'firing'")
    rules = world.db.rows(
        "select distinct c.target_id, r.alert_type from watchkeeper.rule_states as r "
        "join watchkeeper.checks as c on c.id = r.check_id where r.state = 'firing'"
    )
    assert sorted(alerts) == sorted(rules)


def test_what_is_claimed_by_a_horizon_is_checked(world: World) -> None:
    for horizon in (0, -1, 901, None, 2**31 - 1):
        with refused(world.db, "22023", naming="horizon_s: must be from 1 to 900"):
            world.db.rpc("claim_due_checks", horizon_s=horizon)
