"""From a change to the channel's yes: the real function tells a real receiver, and the ledger says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

import pytest

from infra.local.anvil import Anvil
from tests.stories.endpoints import Node, Receiver, receiver
from tests.stories.world import Watched, World, eventually

Json = dict[str, Any]


@dataclass(frozen=True)
class Channel:
    """A channel whose route takes only what carries the label `story`: its own name."""

    name: str
    receiver: Receiver
    world: World

    def ledger(self) -> list[Json]:
        """Its deliveries, oldest first."""
        return self.world.store.list_deliveries(channel=self.name)[::-1]

    def settled(self, *events: str) -> list[Json]:
        """Waits until these were sent, in this order."""

        def sent() -> list[Json] | None:
            rows = self.ledger()
            return rows if [row["event"] for row in rows if row["status"] == "sent"] == list(events) else None

        return eventually(sent)


@pytest.fixture
def channel(world: World) -> Iterator[Channel]:
    name = f"story-{token_hex(4)}"
    secret = f"/watchkeeper/channels/{name}"
    with receiver() as served:
        world.aws.client("ssm").put_parameter(Name=secret, Value=served.url, Type="SecureString")
        world.store.save_channel({"name": name, "kind": "webhook", "secrets": {"url": f"ssm:{secret}"}})
        world.store.save_route({"name": name, "match": {"labels": {"story": name}}, "channels": [name]})
        yield Channel(name, served, world)
        world.store.delete_route(name)
        world.forget_all()
        world.store.delete_channel(name)


def watched(channel: Channel, url: str) -> Watched:
    checks = {"uptime": {"timeout_s": 2, "params": {"failure_threshold": 1}}}
    return channel.world.watch(url, labels={"story": channel.name}, checks=checks)


def test_whoever_heard_of_the_trouble_hears_of_its_end(channel: Channel, anvil: Callable[..., Anvil]) -> None:
    node = anvil()
    checks = {"blockchain": {"timeout_s": 2, "params": {"failure_threshold": 1, "stalled_min_s": 600}}}
    target = channel.world.watch(node.url, chain="evm", labels={"story": channel.name}, checks=checks)
    node.stop()
    target.look()
    told = channel.settled("trigger")
    assert told[0]["attempts"] == 1
    node.start()
    target.look()
    channel.settled("trigger", "resolve")
    assert channel.receiver.events() == ["trigger", "resolve"]
    assert len({message["alerts"][0]["id"] for message in channel.receiver.heard}) == 1


def test_a_nudge_is_answered_without_waiting_for_the_sweep(channel: Channel) -> None:
    target = watched(channel, "http://127.0.0.1:1")
    target.look()
    row = channel.settled("trigger")[0]
    fired = target.alert("service_down")["created_at"]
    assert row["created_at"] == fired, "the duty to notify is written with the alert"
    took = datetime.fromisoformat(row["settled_at"]) - datetime.fromisoformat(fired)
    assert took < timedelta(seconds=14), "its tick ordered the next sweep for later than that"


def test_a_receiver_that_is_away_gets_both_later_and_in_order(channel: Channel, chain_node: Node) -> None:
    channel.receiver.away = True
    target = watched(channel, "http://127.0.0.1:1")
    target.look()
    eventually(lambda: [row for row in channel.ledger() if row["attempts"] >= 1 and row["last_error"]])
    target.world.store.save_target(
        {"id": target.id, "name": target.name, "endpoint": chain_node.url, "labels": {"story": channel.name},
         "checks": {"uptime": {"interval_s": 3600, "timeout_s": 2, "params": {"failure_threshold": 1}}}}
    )  # fmt: skip
    target.look()
    assert target.alerts() == {"service_down": "resolved"}
    assert channel.receiver.heard == []
    channel.receiver.away = False
    for row in channel.ledger():
        channel.world.store.retry_delivery(row["id"])
    channel.settled("trigger", "resolve")
    assert channel.receiver.events() == ["trigger", "resolve"]


def test_a_metric_recorded_by_a_tool_is_told_by_the_sweep(world: World, channel: Channel) -> None:
    # By its source: an alert that another test left untold would be told as soon as a route takes it.
    world.store.save_route(
        {
            "name": channel.name,
            "position": 0,
            "match": {"targets": [channel.name]},
            "channels": [channel.name],
        }
    )
    world.tick()  # which orders the sweeps of its minute
    world.store.record_system_metric(channel.name, 99, severity="critical")
    assert channel.settled("trigger")[0]["attempts"] == 1
    world.store.record_system_metric(channel.name, 1)
    channel.settled("trigger", "resolve")


def test_a_test_message_goes_the_whole_way(world: World, channel: Channel) -> None:
    world.store.send_test(channel.name)
    world.tick()
    assert channel.settled("test")[0]["status"] == "sent"
    assert channel.receiver.events() == ["test"]
