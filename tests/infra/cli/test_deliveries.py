"""The ledger, channels, and who is on call, as an operator reads them."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from infra.cli import channels
from tests.handlers.doubles import Json
from tests.infra.cli.conftest import Command

ID = "5f0c4f1e-0000-4000-8000-000000000001"


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def delivery(**changes: object) -> Json:
    return {
        "id": ID, "seq": 7, "event": "trigger", "status": "sent", "channel": "ops", "kind": "slack",
        "alert_type": "service_down", "severity": "critical", "source": "site", "attempts": 1, "last_error": None,
        "provider_id": "HTTP 200", "created_at": ago(60), "settled_at": ago(58), "next_attempt_at": ago(60),
        **changes,
    }  # fmt: skip


def pending(**changes: object) -> Json:
    return delivery(status="pending", settled_at=None, provider_id=None, **changes)


def test_the_ledger_says_when_what_to_whom_and_what_came_of_it(command: Command) -> None:
    command.rpcs.answers["list_deliveries"] = lambda _: [delivery()]
    ran = command("deliveries")
    assert ran.code == 0
    assert ran.out.split("  ")[1:] == [
        "5f0c4f1e", "sent", "60 s ago", "trigger service_down of site", "to ops (slack)", "1 attempt",
        "after 2 s, HTTP 200\n",
    ]  # fmt: skip


def test_what_failed_says_why_and_when_it_is_tried_next(command: Command) -> None:
    waits = pending(attempts=3, last_error="HTTP 503\x1b[2J", next_attempt_at=ago(-200))
    command.rpcs.answers["list_deliveries"] = lambda _: [waits]
    ran = command("deliveries", "list")
    assert ran.code == 1
    assert "3 attempts  next try in 3 min: HTTP 503 [2J" in ran.out


def test_what_was_never_tried_is_no_trouble_yet(command: Command) -> None:
    command.rpcs.answers["list_deliveries"] = lambda _: [
        pending(event="test", alert_type=None, source=None, attempts=0)
    ]
    ran = command("deliveries")
    assert ran.code == 0
    assert "test  to ops (slack)  0 attempts  next try now" in ran.out


def test_what_is_about_an_incident_or_a_report_says_its_title(command: Command) -> None:
    told = delivery(event="update", alert_type=None, severity="high", source="3 nodes fail")
    command.rpcs.answers["list_deliveries"] = lambda _: [told]
    assert "  update: 3 nodes fail  to ops (slack)" in command("deliveries").out


def test_a_dead_one_is_a_problem(command: Command) -> None:
    command.rpcs.answers["list_deliveries"] = lambda _: [
        delivery(status="dead", last_error="HTTP 404: no such")
    ]
    ran = command("deliveries", "list", "--status", "dead", "--channel", "ops", "--max", "5")
    assert ran.code == 1
    assert "HTTP 404: no such" in ran.out
    (args,) = command.rpcs.called("list_deliveries")
    assert (args["status"], args["channel"], args["max_rows"]) == ("dead", "ops", 5)


def test_the_ledger_as_json_is_what_the_database_said(command: Command) -> None:
    line = delivery()
    command.rpcs.answers["list_deliveries"] = lambda _: [line]
    assert json.loads(command("deliveries", "--json").out) == [line]


def test_one_delivery_is_shown_with_what_to_look_for_in_the_logs(command: Command) -> None:
    walk = "52fdfc07-2182-154f-163f-5f0f9a621d72"
    command.rpcs.answers["list_deliveries"] = lambda _: [delivery(correlation_id=walk, why="route: all")]
    ran = command("deliveries", "show", "5f0c")
    assert (ran.code, ran.err) == (0, "")
    told = dict(line.strip().split("  ", 1) for line in ran.out.splitlines())
    assert told["id"].strip() == ID
    assert told["correlation id"].strip().startswith(f"{walk}: in CloudWatch")
    assert json.loads(command("deliveries", "show", ID, "--json").out)["correlation_id"] == walk


def test_a_delivery_that_no_check_led_to_has_no_walk(command: Command) -> None:
    dead = delivery(correlation_id=None, why="test", status="dead", last_error="HTTP 404")
    command.rpcs.answers["list_deliveries"] = lambda _: [dead]
    ran = command("deliveries", "show", ID)
    assert ran.code == 1
    assert "HTTP 404" in ran.out
    assert "correlation" not in ran.out
    assert command("deliveries", "show", "ffff").code == 2


@pytest.mark.parametrize("given", [ID, "5f0c", "5F0C4F1E"])
def test_a_delivery_is_retried_by_its_id_or_the_start_of_it(command: Command, given: str) -> None:
    command.rpcs.answers["list_deliveries"] = lambda _: [delivery(), delivery(id="a" + ID[1:])]
    command.rpcs.answers["retry_delivery"] = lambda _: pending()
    assert command("deliveries", "retry", given).code == 0
    assert command.rpcs.called("retry_delivery") == [{"delivery_id": ID}]


def test_a_start_that_fits_several_or_none_is_a_mistake(command: Command) -> None:
    command.rpcs.answers["list_deliveries"] = lambda _: [delivery(), delivery(id=ID[:-1] + "2")]
    ran = command("deliveries", "retry", "5f0c")
    assert (ran.code, ran.err) == (2, '"5f0c" is the start of 2 ids of deliveries; give more of it\n')
    assert command("deliveries", "retry", "ffff").code == 2


CHANNEL = {
    "name": "ops", "kind": "slack", "status": "ok", "person": None, "pending": 0, "dead": 0, "last_error": "old",
}  # fmt: skip


def test_channels_are_listed_with_how_they_do(command: Command) -> None:
    command.rpcs.answers["list_channels"] = lambda _: [{**CHANNEL, "last_sent_at": ago(60)}]
    ran = command("channels")
    assert (ran.code, ran.out) == (0, "  ops  ok  slack    0 pending, 0 dead  last sent 60 s ago\n")


def test_a_channel_that_does_not_deliver_is_a_problem(command: Command) -> None:
    failing = {
        **CHANNEL,
        "status": "critical",
        "dead": 1,
        "last_error": "HTTP 410",
        "person": "ann@example.org",
    }
    command.rpcs.answers["list_channels"] = lambda _: [failing]
    ran = command("channels", "list")
    assert ran.code == 1
    assert "for ann@example.org  0 pending, 1 dead  last sent never  HTTP 410" in ran.out


def test_no_channels_means_that_nobody_hears_of_anything(command: Command) -> None:
    command.rpcs.answers["list_channels"] = lambda _: []
    assert command("channels").out.startswith("no channels: alerts reach nobody")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "LOOK_EVERY_S", 0.01)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (delivery(), 0, "ops took it (HTTP 200)"),
        (delivery(status="dead", last_error="HTTP 404"), 1, "ops refused it: HTTP 404"),
        (pending(last_error="timed out"), 1, "ops has not taken it yet: timed out"),
        (pending(), 1, "ops has not taken it yet: nobody has tried yet"),
    ],
)
def test_a_test_message_is_waited_for(command: Command, line: Json, code: int, said: str) -> None:
    answers = [[], [pending(event="test")]]
    command.rpcs.answers["send_test"] = lambda _: pending(event="test")
    command.rpcs.answers["list_deliveries"] = lambda _: answers.pop(0) if answers else [line]
    ran = command("channels", "test", "ops", "--wait", "0.2")
    assert ran.code == code
    assert ran.out.startswith(said)
