"""The watchdog as an operator sees and sets it. Its address is never printed."""

import io
import json

import pytest

from tests.infra.cli.conftest import Command

URL = "https://hooks.slack.example/services/T0/B0/secret"
ON = {"status": "on", "reason": None}
OFF = {"status": "off", "reason": "the extension pg_cron is not there"}


def test_it_is_shown_and_off_is_a_problem(command: Command) -> None:
    command.rpcs.answers["get_system_health_summary"] = lambda _: {"monitoring": {"watchdog": OFF}}
    ran = command("watchdog")
    assert (ran.code, ran.out) == (1, "unknown  the watchdog is off: the extension pg_cron is not there\n")
    command.rpcs.answers["get_system_health_summary"] = lambda _: {"monitoring": {"watchdog": ON}}
    assert (command("watchdog").code, json.loads(command("watchdog", "--json").out)) == (0, ON)


@pytest.mark.parametrize("given", [URL, "-"])
def test_it_is_given_an_address(command: Command, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{URL}\n"))
    command.rpcs.answers["save_watchdog"] = lambda args: {**ON, "silent_s": args["silent_s"]}
    ran = command("watchdog", "set", given, "--silent-s", "600")
    assert command.rpcs.called("save_watchdog") == [{"url": URL, "silent_s": 600}]
    assert (ran.code, ran.out) == (0, "ok  the watchdog is on: it speaks after 600 s of silence\n")


def test_an_address_that_it_cannot_use_yet_is_a_problem(command: Command) -> None:
    command.rpcs.answers["save_watchdog"] = lambda _: {**OFF, "silent_s": 300}
    assert command("watchdog", "set", URL).code == 1


def test_it_is_switched_off(command: Command) -> None:
    command.rpcs.answers["save_watchdog"] = lambda _: {
        "status": "off", "reason": "it has no address: save_watchdog", "silent_s": 300,
    }  # fmt: skip
    assert command("watchdog", "off").code == 0
    assert command.rpcs.called("save_watchdog") == [{"url": None, "silent_s": 300}]


def test_help_says_what_it_is_for(command: Command) -> None:
    ran = command("watchdog", "--help")
    assert ran.code == 0
    assert "when nobody checks any more" in ran.out
