"""The database's API is away while checks go on: nothing that was measured is lost, and nothing is there twice."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.stories.endpoints import Node
from tests.stories.world import Watched, World, eventually
from watchkeeper.queues import pack_results

# Longer than what one tick claims ahead, and than the last look then speaks.
AWAY_S = 170
CLAIMED_S = 120
EVERY_S = 5
TIMEOUT_S = 2
SPEAKS_S = 2 * EVERY_S + TIMEOUT_S + 30


@pytest.fixture
def gateway_back(world: World) -> Iterator[None]:
    """Whatever happens, the next story finds the API."""
    yield
    if not world.gateway.process.alive:
        world.gateway.start()


def waiting(world: World, queue: str) -> int:
    counts = world.attributes(world.names[queue])
    names = (
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    )
    return sum(int(counts[name]) for name in names)


def counted(world: World, target_id: str) -> tuple[int, int]:
    """Looks at the service and runs that looked, at one moment: the checks go on."""
    row = world.db.execute(
        "select (select count(*) from public.uptime_checks where target_id = %(id)s), "
        "(select count(*) from watchkeeper.runs as r join watchkeeper.checks as c on c.id = r.check_id "
        "where c.target_id = %(id)s and r.started_at is not null)",
        {"id": target_id},
    ).fetchone()
    assert row
    return row[0], row[1]


def due(first: datetime, until: datetime) -> list[datetime]:
    """What was due from the first slot on, counted and not read."""
    count = math.ceil((until - first) / timedelta(seconds=EVERY_S))
    return [first + n * timedelta(seconds=EVERY_S) for n in range(count)]


def unknown_s(world: World, target: Watched, since: datetime, until: datetime) -> float:
    """How much of that time nobody can tell of, as reports count it."""
    row = world.db.execute(
        "select a.unknown_s from watchkeeper.availabilities(array[%s::uuid], %s, %s, clock_timestamp()) as a",
        [target.id, since, until],
    ).fetchone()
    assert row
    return float(row[0])


def seen_at(world: World, target: Watched) -> dict[datetime, datetime]:
    """Each slot that was looked at, and when its look was finished."""
    found = world.db.execute(
        "select r.due_at, r.finished_at from watchkeeper.runs as r join watchkeeper.checks as c on c.id = r.check_id "
        "where c.target_id = %s and r.finished_at is not null",
        [target.id],
    ).fetchall()
    return dict(found)


@pytest.mark.usefixtures("gateway_back")
def test_minutes_without_the_database_lose_no_result(world: World, chain_node: Node) -> None:
    """What was claimed before is looked at and recorded late. What fell due later nobody looked at: that time is told
    as unknown."""
    checks = {"uptime": {"interval_s": EVERY_S, "timeout_s": TIMEOUT_S}}
    targets = [world.watch(chain_node.url, name=f"busy {n}", checks=checks) for n in range(10)]
    world.tick()
    eventually(lambda: all(any(run.outcome for run in target.runs()) for target in targets))
    claimed = world.now() + timedelta(seconds=CLAIMED_S)
    assert "errorMessage" not in world.tick()  # what falls due in the next two minutes is on its way
    world.gateway.stop()
    stopped = world.now()
    time.sleep(AWAY_S)
    spooled = waiting(world, "Spool")
    world.gateway.start()
    back = world.now()
    assert spooled > 0, "what was measured meanwhile waits"
    assert "errorMessage" not in world.tick()  # not at the next minute, so that the gap ends here

    def settled() -> bool:
        """Each slot has an outcome of its own, and the spool is empty."""
        runs = [run for target in targets for run in target.runs() if run.due_at < back]
        return waiting(world, "Spool") == 0 and all(run.outcome and not run.missed for run in runs)

    eventually(settled, within_s=180)
    for target in targets:
        slots = [run.due_at for run in target.runs() if run.due_at < back]
        was_due = due(slots[0], back)
        nobody_looked = [slot for slot in was_due if slot not in slots]
        assert sorted([*slots, *nobody_looked]) == was_due, "no slot twice, and none that was not due"
        assert nobody_looked == due(nobody_looked[0], nobody_looked[-1] + timedelta(seconds=1)), "one gap"
        assert nobody_looked[0] >= claimed, "which begins after what was claimed before"
        assert len(nobody_looked) >= (AWAY_S - CLAIMED_S) / EVERY_S - 1

        looks = seen_at(world, target)
        assert set(slots) <= looks.keys(), "each that was claimed has its own look"
        last = max(finished for slot, finished in looks.items() if slot < nobody_looked[0])
        resumed = min(finished for slot, finished in looks.items() if slot > nobody_looked[-1])
        untold_s = max(0.0, (resumed - last).total_seconds() - SPEAKS_S)
        assert unknown_s(world, target, stopped, resumed) == pytest.approx(untold_s, abs=0.01)
        services, runs = counted(world, target.id)
        assert services == runs, "each look once"
    outcomes = {run.outcome for target in targets for run in target.runs() if run.due_at < back}
    assert outcomes == {"ok"}
    assert waiting(world, "DeadResults") == waiting(world, "DeadChecks") == 0


def test_what_comes_twice_and_in_any_order_is_recorded_once(world: World, chain_node: Node) -> None:
    target = world.watch(chain_node.url, checks={"uptime": {"interval_s": 10, "timeout_s": 2}})
    with world.held("uptime"):
        target.claim()
        tasks = [
            task for body in eventually(lambda: world.peek("uptime")) for task in json.loads(body)["tasks"]
        ]
        slots = [run.due_at for run in target.runs()]
        check_id = next(task["check_id"] for task in tasks)
        now = world.now()
        due = [slot for slot in slots if slot < now] or slots[:1]
        results = [
            {"check_id": check_id, "due_at": slot.isoformat(), "outcome": "ok", "reason": None,
             "started_at": slot.isoformat(), "finished_at": (slot + timedelta(milliseconds=5)).isoformat(),
             "uptime": {"service_name": target.name, "endpoint": "http://x", "is_up": True}}
            for slot in due
        ]  # fmt: skip
        messages = [message for each in results for message in pack_results([each])] * 3
        random.Random(7).shuffle(messages)  # noqa: S311 - an order, not a secret
        for message in messages:
            world.sqs.send_message(QueueUrl=world.names["Spool"], MessageBody=message.body)
        eventually(lambda: waiting(world, "Spool") == 0)
    recorded = {run.due_at: run.outcome for run in target.runs() if run.due_at in due}
    assert recorded == dict.fromkeys(due, "ok")
    assert target.count("uptime_checks") >= len(due)
    looks: list[datetime] = [
        row[0] for row in world.db.execute(
            "select checked_at from uptime_checks where target_id = %s and endpoint = 'http://x'", [target.id]
        ).fetchall()
    ]  # fmt: skip
    assert sorted(looks) == sorted(slot + timedelta(milliseconds=5) for slot in due)
