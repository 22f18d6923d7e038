"""A function throws, takes too long or is throttled: no slot is lost without a trace, and nothing stays green."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from threading import Event

import pytest

from tests.stories.endpoints import Node, node, truth
from tests.stories.world import Watched, World, eventually

COLD_S = 180  # functions that were set up otherwise start anew, on a busy machine all at once
SLOW = {"timeout_s": 60}  # so that the Scheduler's own ticks call nothing missed while a function starts
MISSED = "missed: claimed, but no result came back in time"


@pytest.fixture
def patience() -> Iterator[Event]:
    """Until it is set, a node that waits for it does not answer."""
    event = Event()
    yield event
    event.set()


def look(world: World, targets: list[Watched]) -> datetime:
    """Makes all of them due in one tick, and does not wait for results."""
    since = world.now()
    for target in targets:
        world.store.run_check_now(target.id)
    assert "errorMessage" not in world.tick()
    return since


def collect_dead(world: World, dead: set[str], targets: list[Watched]) -> set[str]:
    """Those of the targets of which a message died, with those that were found before.

    A target that an earlier story deleted may have messages on their way yet, and they die in this one.
    """
    found = world.sqs.receive_message(
        QueueUrl=world.aws.output("DeadChecksQueueUrl"), MaxNumberOfMessages=10
    ).get("Messages", [])
    died = {task["target_id"] for message in found for task in json.loads(message["Body"])["tasks"]}
    dead |= died & {target.id for target in targets}
    return dead


def test_one_function_throws_one_times_out_one_is_throttled_and_the_fourth_works_on(
    world: World, chain_node: Node, patience: Event
) -> None:
    with ExitStack() as open_:
        open_.callback(world.sqs.purge_queue, QueueUrl=world.aws.output("DeadChecksQueueUrl"))
        slow_node = open_.enter_context(node())
        open_.callback(patience.set)  # before the node ends, which waits for its answers
        throws = world.watch(chain_node.url, name="throws", checks={"uptime": SLOW})
        overruns = world.watch(slow_node.url, name="overruns", chain="evm", checks={"blockchain": SLOW})
        throttled = world.watch(chain_node.url, name="throttled", chain="evm", checks={"mempool": SLOW})
        works = world.watch(chain_node.url, name="works", chain="evm", checks={"p2p": SLOW})
        targets = [throws, overruns, throttled, works]
        for kind in ("uptime", "blockchain"):
            # What is on its way to targets of before would meet the trouble.
            world.sqs.purge_queue(QueueUrl=world.queue(kind))
        since = look(world, targets)
        assert {target.recorded(since, COLD_S)[0].outcome for target in targets} == {"ok"}
        assert {target.status() for target in targets} == {"ok"}

        slow_node.say = lambda request: truth(request) if patience.wait(20) else b""
        trouble = open_.enter_context(ExitStack())
        for kind in ("uptime", "blockchain"):
            trouble.enter_context(world.again_after(kind, 1))
            # The emulator ends all instances of a function when one cannot start: one at a time, see below.
            trouble.enter_context(world.throttled(kind, 1))
        trouble.enter_context(world.configured("uptime", Handler="handlers.run_checks.is_not_there"))
        trouble.enter_context(world.configured("blockchain", Timeout=1))
        trouble.enter_context(world.throttled("mempool"))
        since = look(world, targets)
        assert works.recorded(since, COLD_S)[0].outcome == "ok"
        dead: set[str] = set()
        eventually(lambda: collect_dead(world, dead, targets) >= {throws.id, overruns.id}, COLD_S)
        assert dead == {throws.id, overruns.id}
        # What still starts in the trouble would end what is started after it.
        eventually(lambda: all(world.is_idle(kind) for kind in ("uptime", "blockchain")))
        assert [target.runs()[-1].outcome for target in targets] == [None, None, None, "ok"]

        # Two minutes later; what is due again meets the function as it is when it is mended.
        held = open_.enter_context(ExitStack())
        for kind in ("uptime", "blockchain"):
            held.enter_context(world.held(kind))
        for target in (throws, overruns):
            target.grow_older(timedelta(seconds=120))
        assert "errorMessage" not in world.tick()
        for target in (throws, overruns):
            lost = target.runs()[1]
            assert (lost.outcome, lost.missed, lost.reason) == ("unknown", True, MISSED)
            assert target.status() == "unknown"
        patience.set()
        trouble.close()
        held.close()

        for target in (throws, overruns):
            since = target.runs()[2].claimed_at
            assert target.recorded(since, COLD_S)[0].outcome == "ok"
        assert eventually(lambda: throttled.runs()[1].outcome, COLD_S) == "ok"
        assert [run.missed for run in throttled.runs()] == [False, False], "it waited, and nothing else"
        assert {target.status() for target in targets} == {"ok"}
        assert [len(target.runs()) for target in targets] == [3, 3, 2, 2]
        eventually(lambda: all(world.is_done(kind) for kind in ("uptime", "blockchain", "mempool")), COLD_S)
        assert collect_dead(world, set(), targets) <= dead
