"""Half a network goes down: one incident, told to those who asked for incidents, kept with all that happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email.message import EmailMessage
from secrets import token_hex
from typing import Any

import pytest

from tests.stories.endpoints import Mailbox, Node, Receiver, mailbox, receiver
from tests.stories.world import Watched, World, eventually

Json = dict[str, Any]
DOWN = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Team:
    """Hears of the incidents of one network, by webhook and by mail."""

    world: World
    network: str
    hook: Receiver
    box: Mailbox

    def watch(self, n: int) -> Watched:
        checks = {"uptime": {"timeout_s": 2, "params": {"failure_threshold": 1}}}
        return self.world.watch(DOWN, name=f"{self.network}-{n}", network=self.network, checks=checks)

    def recover(self, target: Watched, url: str) -> None:
        checks = {"uptime": {"interval_s": 3600, "timeout_s": 2, "params": {"failure_threshold": 1}}}
        document = {"name": target.name, "network": self.network, "endpoint": url, "checks": checks}
        self.world.store.save_target({"id": target.id, **document})
        target.look()

    def incidents(self) -> list[Json]:
        return self.world.store.list_incidents(network=self.network)

    def hears(self, *events: str) -> list[Json]:
        """Waits until both have heard these, in this order, and nothing else; what the webhook got."""
        self.world.tick()
        eventually(lambda: len(self.hook.heard) >= len(events) and len(self.box.mails) >= len(events))
        assert self.hook.events() == list(events)
        assert len(self.box.mails) == len(events)
        return self.hook.heard


@pytest.fixture
def team(world: World) -> Iterator[Team]:
    name = f"story-{token_hex(4)}"
    function = world.functions.get_function_configuration(FunctionName=world.names["DeliverNotifications"])
    port = int(function["Environment"]["Variables"]["SMTP_PORT"])
    with ExitStack() as stack:
        hook, box = stack.enter_context(receiver()), stack.enter_context(mailbox(port))
        secret = f"/watchkeeper/channels/{name}"
        world.aws.client("ssm").put_parameter(Name=secret, Value=hook.url, Type="SecureString")
        world.store.save_channel({"name": name, "kind": "webhook", "secrets": {"url": f"ssm:{secret}"}})
        world.store.save_channel(
            {"name": f"{name} mail", "kind": "email", "config": {"to": ["ann@example.org"]}}
        )
        match = {"kinds": ["incident"], "networks": [name]}
        world.store.save_route({"name": name, "match": match, "channels": [name, f"{name} mail"]})
        yield Team(world, name, hook, box)
        world.store.delete_route(name)
        world.forget_all()
        for channel in (name, f"{name} mail"):
            world.store.delete_channel(channel)


def subject_of(mail: EmailMessage) -> str:
    return str(mail["Subject"])


def test_three_of_a_network_are_one_incident_from_its_first_word_to_its_postmortem(
    team: Team, chain_node: Node
) -> None:
    store = team.world.store
    targets = [team.watch(n) for n in range(2)]
    for target in targets:
        target.look()
    team.world.db.execute("select watchkeeper.sweep(now())")  # the policy looks, and two are not enough
    assert team.incidents() == []

    targets.append(team.watch(2))
    targets[2].look()
    (opened,) = eventually(team.incidents)
    assert (opened["status"], opened["severity"], opened["opened_by"]) == ("open", "critical", "policy")
    assert sorted(opened["affected_systems"]) == [target.name for target in targets]
    (told,) = team.hears("trigger")
    assert (told["alerts"], told["incident"]["id"]) == ([], opened["id"])
    assert told["incident"]["network"] == team.network

    store.update_incident_status(opened["id"], "investigating", opened["version"], "looking at the switch")
    told = team.hears("trigger", "update")[-1]
    assert told["incident"]["status"] == "investigating"
    assert told["incident"]["change"] == "open -> investigating: looking at the switch"

    for target in targets:
        team.recover(target, chain_node.url)
    told = team.hears("trigger", "update", "resolve")[-1]
    assert told["incident"]["status"] == "resolved"

    first, *later = team.box.mails
    title = opened["title"]
    assert [subject_of(mail) for mail in team.box.mails] == [
        f"CRITICAL incident: {title}", f"Update: CRITICAL incident: {title}", f"Resolved: incident: {title}",
    ]  # fmt: skip
    assert {str(mail["References"]) for mail in later} == {f"{first['References']} {first['Message-ID']}"}

    def whole() -> Json | None:
        """With the last mail in the ledger, too."""
        read = store.get_incident(opened["id"])
        sent = [entry for entry in read["timeline"] if entry["kind"] == "delivery_sent"]
        return read if len(sent) == 6 else None

    ended = eventually(whole)
    last = max(alert["resolved_at"] for alert in ended["alerts"])
    assert (ended["status"], ended["resolved_at"]) == ("resolved", last)
    kinds = [entry["kind"] for entry in ended["timeline"]]
    assert kinds[:3] == ["alert_fired"] * 3
    assert [kind for kind in kinds if not kind.startswith(("alert_", "delivery_"))] == [
        "opened", "linked", "status", "settled", "status",
    ]  # fmt: skip
    assert kinds.count("alert_resolved") == 3
    assert kinds.index("settled") > max(n for n, kind in enumerate(kinds) if kind == "alert_resolved")

    draft = store.draft_postmortem(opened["id"])
    assert draft.startswith(f"# {title}\n")
    for part in (
        "## Summary",
        "## Impact",
        "## Timeline",
        "## Causes",
        "## Actions",
        "looking at the switch",
        team.network,
    ):
        assert part in draft
    assert all(target.name in draft for target in targets)
