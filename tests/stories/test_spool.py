"""The database's API is away while checks go on: nothing that was measured is lost, and nothing is there twice."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.stories.endpoints import Node
from tests.stories.world import Watched, World, eventually
from watchkeeper.queues import pack_results

AWAY_S = 60
EVERY_S = 5


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


def due(target: Watched, since: datetime, until: datetime) -> list[datetime]:
    """What was due then, counted from the first slot on and not from what is recorded."""
    slots = [target.runs()[0].due_at]
    while slots[-1] < until:
        slots.append(slots[-1] + timedelta(seconds=EVERY_S))
    return [slot for slot in slots if since <= slot < until]


def unknown_s(world: World, target: Watched, since: datetime, until: datetime) -> float:
    """How much of that time nobody can tell of, as reports count it."""
    row = world.db.execute(
        "select a.unknown_s from watchkeeper.availabilities(array[%s::uuid], %s, %s, clock_timestamp()) as a",
        [target.id, since, until],
    ).fetchone()
    assert row
    return float(row[0])


@pytest.mark.usefixtures("gateway_back")
def test_a_minute_without_the_database_loses_no_result(world: World, chain_node: Node) -> None:
    targets = [
        world.watch(
            chain_node.url, name=f"busy {n}", checks={"uptime": {"interval_s": EVERY_S, "timeout_s": 2}}
        )
        for n in range(10)
    ]
    world.tick()
    eventually(lambda: all(any(run.outcome for run in target.runs()) for target in targets))
    world.tick()  # what falls due in the next two minutes is on its way
    world.gateway.stop()
    stopped = world.now()
    time.sleep(AWAY_S)
    spooled = waiting(world, "Spool")
    world.gateway.start()
    back = world.now()
    assert spooled > 0, "what was measured meanwhile waits"

    def settled() -> bool:
        """Each slot of that time has an outcome of its own, and the spool is empty."""
        during = [run for target in targets for run in target.runs() if stopped <= run.due_at < back]
        return (
            waiting(world, "Spool") == 0 and bool(during) and all(r.outcome and not r.missed for r in during)
        )

    eventually(settled, within_s=150)
    during = [run for target in targets for run in target.runs() if stopped <= run.due_at < back]
    assert {run.outcome for run in during} == {"ok"}
    for target in targets:
        assert [run.due_at for run in target.runs() if stopped <= run.due_at < back] == due(
            target, stopped, back
        ), "each slot that was due, and no other"
        assert unknown_s(world, target, stopped, back) == 0
        looks, recorded = counted(world, target.id)
        assert looks == recorded, "each look once"
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
