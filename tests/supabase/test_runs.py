"""Claiming: each slot once, on the grid, whatever the ticks do."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from math import gcd

import pytest

from infra.cost.usage import GRID_S
from tests.supabase.world import Db, Json, World, a_target, finding, only, result

INTERVALS = {"p2p": {"interval_s": 30}, "mempool": {"interval_s": 45}, "blockchain": {"interval_s": 60}}


def slots(world: World, tasks: list[Json], kind: str) -> list[float]:
    """Seconds since the start, in order."""
    due = (datetime.fromisoformat(task["due_at"]) for task in tasks if task["kind"] == kind)
    return sorted((at - world.start).total_seconds() for at in due)


@pytest.mark.parametrize("seed", range(5))
def test_ticks_that_jitter_through_their_minute_give_exact_grids(world: World, seed: int) -> None:
    world.target(checks=INTERVALS)
    jitter = random.Random(seed)  # noqa: S311
    world.tick(0, horizon_s=120)
    ticks = [60 * minute + jitter.uniform(0, 59) for minute in range(1, 20)]
    tasks = [task for at in ticks for task in world.tick(at, horizon_s=120)]
    for kind, settings in INTERVALS.items():
        due = slots(world, tasks, kind)
        step = settings["interval_s"]
        assert due == [due[0] + step * n for n in range(len(due))]
        assert due[0] <= 120 + step
        assert due[-1] >= ticks[-1] + 120 - step


def test_a_shorter_horizon_never_leaves_the_grid_and_never_claims_twice(world: World) -> None:
    world.target(checks=INTERVALS)
    jitter = random.Random(1)  # noqa: S311
    tasks = [task for minute in range(20) for task in world.tick(60 * minute + jitter.uniform(0, 59))]
    for kind in INTERVALS:
        due = slots(world, tasks, kind)
        assert len(set(due)) == len(due)


def test_a_task_tells_how_long_to_wait(world: World) -> None:
    world.target(checks={"p2p": {"interval_s": 45, "params": {"x": 1}}}, labels={"env": "dev"})
    first, second = world.tick(0)
    assert (first["delay_s"], second["delay_s"]) == (0, 45)
    assert (first["kind"], first["interval_s"], first["timeout_s"]) == ("p2p", 45, 10)
    assert (first["target"], first["chain"], first["network"]) == ("anvil", "evm", None)
    assert (first["endpoint"], first["params"]) == ("http://127.0.0.1:8545", {"x": 1})


def test_a_doubled_tick_claims_nothing_again(world: World) -> None:
    world.target(checks=INTERVALS)
    assert len(world.tick(0)) == 5
    assert world.tick(0) == []
    assert world.tick(0) == []


def test_after_an_outage_only_the_newest_slot_is_made_up_for(world: World) -> None:
    world.target(checks={"p2p": {"interval_s": 45}})
    world.tick(0)
    tasks = world.tick(7200 + 50)
    assert slots(world, tasks, "p2p") == [7245, 7290]
    assert tasks[0]["delay_s"] == 0


def test_a_missed_tick_loses_no_slot_of_a_check_that_runs_every_minute(world: World) -> None:
    world.target()
    due = slots(world, world.tick(0) + world.tick(119), "blockchain")
    assert due == [0, 60, 120]


def test_a_switched_off_check_and_a_paused_target_are_not_claimed(world: World) -> None:
    world.target(checks={"blockchain": {"enabled": False}})
    paused = world.target("paused")
    world.db.rpc("pause_target", target_id=paused["id"])
    assert world.tick(0) == []


def test_a_claimed_slot_that_nobody_records_becomes_unknown_and_is_due_again(world: World) -> None:
    target = world.target(checks={"blockchain": {"interval_s": 3600}})
    world.tick(0)
    assert world.tick(54) == []
    again = only(world.tick(60))
    assert slots(world, [again], "blockchain") == [60]
    run = only(
        world.db.rows("select outcome, missed, reason from watchkeeper.runs where outcome is not null")
    )
    assert run == ("unknown", True, "missed: claimed, but no result came back in time")
    check = only(world.targets(61))["checks"]["blockchain"]
    assert (check["status"], check["outcome"]) == ("unknown", "unknown")
    assert check["reason"].startswith("missed")
    assert check["last_run_at"] is None, "what never ran has no time"
    assert target["name"] == "anvil"


def test_workers_that_are_dead_for_long_are_not_asked_for_more_and_more(world: World) -> None:
    world.target(checks={"p2p": {"interval_s": 30}})
    claimed = [len(world.tick(60 * minute + minute % 7, horizon_s=120)) for minute in range(30)]
    assert sum(claimed) <= 30 * 2 + 6


def test_a_result_that_comes_after_its_slot_was_missed_is_still_the_newest_evidence(world: World) -> None:
    world.target()
    tasks = world.tick(0)
    world.tick(120)
    answer = world.record(121, [result(tasks[0], "ok", finding("clear"))])
    assert (answer["recorded"], answer["late"]) == (1, 0)
    assert only(world.targets(122))["checks"]["blockchain"]["outcome"] == "ok"


def test_a_result_of_a_missed_slot_moves_nothing_once_a_newer_one_is_recorded(world: World) -> None:
    world.target()
    old = only(world.tick(0))
    newer = world.tick(120)[0]
    world.record(121, [result(newer, "ok", finding("clear"))])
    answer = world.record(122, [result(old, "fail", finding("breach"))])
    assert (answer["recorded"], answer["late"]) == (0, 1)
    assert world.firing() == []


def test_run_check_now_is_picked_up_by_the_next_tick(world: World) -> None:
    target = world.target(checks=INTERVALS)
    world.tick(0)
    with world.db.asking_as("responder"):
        assert world.db.rpc("run_check_now", target_id=target["id"], kind="p2p") == {"due": 1}
    world.db.run("select watchkeeper.run_check_now(%s, null, %s)", target["id"], world.at(10))
    tasks = world.tick(10, horizon_s=1)
    assert {task["kind"] for task in tasks} == set(INTERVALS)
    assert {task["delay_s"] for task in tasks} == {0}


def test_eight_workers_claim_each_slot_exactly_once(fresh: Callable[[], Db]) -> None:
    world = World(fresh())
    world.db.run(
        "select watchkeeper.apply_targets(%s, false, false, %s)",
        [
            {"name": f"t{n}", "chain": "evm", "endpoint": "http://127.0.0.1", "checks": INTERVALS}
            for n in range(100)
        ],
        world.start,
    )

    def worker(db: Db) -> list[Json]:
        own = World(db, world.start)
        return [task for seconds in (0, 1, 60, 59, 120, 180) for task in own.tick(seconds)]

    with ThreadPoolExecutor(8) as pool:
        tasks = [task for claimed in pool.map(worker, [fresh() for _ in range(8)]) for task in claimed]
    claimed = [(task["check_id"], task["due_at"]) for task in tasks]
    assert len(set(claimed)) == len(claimed)
    assert len(claimed) == world.db.value("select count(*) from watchkeeper.runs")
    for kind, settings in INTERVALS.items():
        due = slots(world, tasks, kind)
        grid = set(range(0, 240, settings["interval_s"]))
        assert set(due) == grid
        assert len(due) == 100 * len(grid)


def test_a_tick_does_not_skip_a_check_whose_result_is_being_recorded(fresh: Callable[[], Db]) -> None:
    world = World(fresh())
    world.target(checks={"p2p": {"interval_s": 30}})
    tasks = world.tick(0)
    other = World(fresh(), world.start)
    with other.db.connection.transaction():
        other.record(50, [result(task, "fail", finding("breach")) for task in tasks])
        assert slots(world, world.tick(60), "p2p") == [60, 90]


def test_slots_from_before_a_standstill_of_the_monitor_blame_no_target(world: World) -> None:
    world.target(checks={"blockchain": {"interval_s": 10, "timeout_s": 5, "params": {"blind_threshold": 1}}})
    assert len(world.tick(0)) > 3
    assert world.tick(3600)
    assert world.db.values("select distinct outcome from watchkeeper.runs where missed") == ["unknown"]
    assert world.firing() == [], "nobody ticked for an hour: blind_since tells of that"
    world.tick(3660)
    world.tick(3780)
    assert world.firing() == ["blind"], "slots that die while we tick do count"


@pytest.mark.parametrize(
    ("interval_s", "grid_s"), [(5, 5), (7, 1), (10, 5), (20, 5), (30, 15), (45, 15), (60, 15), (86400, 15)]
)
def test_every_interval_is_a_multiple_of_its_grid(world: World, interval_s: int, grid_s: int) -> None:
    assert world.db.value("select watchkeeper.grid_s(%s)", interval_s) == grid_s
    assert grid_s == gcd(interval_s, GRID_S), "as make cost counts"


def test_targets_saved_at_different_moments_fall_due_together(world: World) -> None:
    """What falls due in one second travels in one message."""
    for n in range(30):
        world.db.run(
            "select watchkeeper.save_target(%s, %s)", a_target(f"t{n}", INTERVALS), world.at(n + 0.3)
        )
    first = world.tick(30.5, horizon_s=60)
    assert {task["kind"] for task in first if task["delay_s"] == 0} == set(INTERVALS), (
        "nobody waits for the grid"
    )
    assert set(slots(world, first, "p2p")) == set(range(15, 91, 15))
    world.tick(90)
    due = slots(world, world.tick(150), "p2p")
    assert set(due) == {150, 165, 180, 195}
    assert len(due) == 30 * 2


def test_a_check_from_before_the_grid_comes_to_it_without_a_gap_or_a_repeat(world: World) -> None:
    target = world.target(checks={"p2p": {"interval_s": 30}})
    world.db.run("update watchkeeper.checks set next_due_at = %s", world.at(7.3))
    world.db.run(
        "insert into watchkeeper.runs (check_id, due_at, claimed_at, outcome, recorded_at) "
        "values (%s, %s, %s, 'ok', %s)",
        world.check_id(target, "p2p"), world.at(-22.7), world.at(-60), world.at(-22),
    )  # fmt: skip
    due = [at for n in range(5) for at in slots(world, world.tick(60 * n + 1), "p2p")]
    assert due == list(range(0, 301, 30))


def test_what_was_saved_just_before_a_slot_is_late_for_one_look_only(world: World) -> None:
    world.db.run(
        "select watchkeeper.save_target(%s, %s)", a_target(checks={"p2p": {"interval_s": 30}}), world.at(14.9)
    )
    assert slots(world, world.tick(60.5), "p2p") == [60, 90, 120]


def test_run_check_now_is_at_once_and_the_grid_goes_on(world: World) -> None:
    target = world.target(checks={"p2p": {"interval_s": 30}})
    claimed = slots(world, world.tick(0), "p2p")
    world.db.run("select watchkeeper.run_check_now(%s, null, %s)", target["id"], world.at(33))
    now = world.tick(33)
    assert (claimed, slots(world, now, "p2p")) == ([0, 30], [33, 60, 90])
    assert now[0]["delay_s"] == 0
    assert slots(world, world.tick(93), "p2p") == [120, 150]
