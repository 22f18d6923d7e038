"""What queues do to messages: deliver them twice, beside a poison, beside a slow one, or not at all."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from tests.stories.endpoints import Node, silence
from tests.stories.world import World, eventually

UPTIME: dict[str, Any] = {"uptime": {}}


def test_a_message_that_comes_again_is_recorded_once(world: World, chain_node: Node) -> None:
    down = {"uptime": {"params": {"expected_status": [404], "failure_threshold": 2}}}
    target = world.watch(chain_node.url, checks=down)
    with world.held("uptime"):
        since = target.claim()
        (body,) = eventually(lambda: world.peek("uptime"))
        world.send("uptime", body)
    (run,) = target.recorded(since)
    world.send("uptime", body)
    eventually(lambda: world.is_done("uptime"))
    assert chain_node.requests == 3
    assert [run.recorded_at for run in target.runs()] == [run.recorded_at]
    assert target.count("uptime_checks") == 1
    assert target.alerts() == {}  # three looks at one slot are one failure, and two are needed


def test_a_poison_beside_a_good_message_dies_alone(world: World, chain_node: Node) -> None:
    target = world.watch(chain_node.url, checks=UPTIME)
    dead = world.aws.output("DeadChecksQueueUrl")
    poison = '{"kind": "uptime", "tasks": "all of them"}'
    with world.again_after("uptime", 1):
        with world.held("uptime"):
            since = target.claim()
            world.send("uptime", poison)
        assert target.recorded(since)[0].outcome == "ok"
        died = eventually(
            lambda: world.sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages")
        )
        eventually(lambda: world.is_done("uptime"))
    assert [message["Body"] for message in died] == [poison]
    assert len(target.runs()) == 1
    world.sqs.purge_queue(QueueUrl=dead)


def test_a_slow_target_holds_the_fast_ones_up_no_longer_than_its_own_timeout(
    world: World, chain_node: Node
) -> None:
    with ExitStack() as open_, silence() as mute:
        slow = world.watch(mute, name="slow", checks={"uptime": {"timeout_s": 2}})
        fast = [world.watch(chain_node.url, name="fast", checks=UPTIME) for _ in range(5)]
        open_.enter_context(world.held("uptime"))
        since = world.now()
        for target in (slow, *fast):
            world.store.run_check_now(target.id)
        world.tick()
        open_.close()
        runs = [target.recorded(since)[0] for target in fast]
        (mute_run,) = slow.recorded(since)
    assert {run.outcome for run in runs} == {"ok"}
    assert (mute_run.outcome, mute_run.reason) == ("fail", "no answer within 2 s")
    for run in runs:
        assert run.started_at
        assert run.recorded_at
        assert run.recorded_at - run.started_at < timedelta(seconds=2 + 28)  # the silence lasts for ever


def test_a_slot_whose_message_is_lost_is_missed_and_due_again(world: World, chain_node: Node) -> None:
    target = world.watch(chain_node.url, checks=UPTIME)
    with world.held("uptime"):
        target.claim()
        eventually(lambda: world.is_waiting("uptime"))
        world.sqs.purge_queue(QueueUrl=world.queue("uptime"))
    target.grow_older(timedelta(seconds=60))
    world.tick()
    lost, again = eventually(lambda: runs if len(runs := target.runs()) == 2 and runs[1].outcome else None)
    assert (lost.outcome, lost.missed) == ("unknown", True)
    assert lost.reason == "missed: claimed, but no result came back in time"
    assert (again.outcome, again.missed) == ("ok", False)
    assert target.status() == "ok"
