"""The settings of which there is one, as an operator sees and changes them."""

import errno
import json

import pytest

from infra.cli.render import Screen
from infra.cli.settings import SECTION_OF, WORDS
from tests.handlers.doubles import Json, refusal
from tests.infra.cli.conftest import Command

DELIVERY: Json = {"storm_alerts": 10, "flapping_changes": 6, "flapping_window_s": 600, "dead_after_s": 86_400}
INCIDENT: Json = {
    "enabled": True, "match": {}, "critical_unacknowledged_s": 900, "network_targets": None, "resolves_itself": False,
}  # fmt: skip
ACCESS: Json = {"require_mfa": False}


@pytest.fixture
def stored(command: Command) -> Command:
    command.rpcs.answers["get_delivery_settings"] = lambda _: DELIVERY
    command.rpcs.answers["get_incident_settings"] = lambda _: INCIDENT
    command.rpcs.answers["get_access_settings"] = lambda _: ACCESS
    return command


def plan(**changed: list[str]) -> Json:
    return {
        section: {"created": [], "changed": names, "unchanged": [], "deleted": []}
        for section, names in changed.items()
    }


def test_every_setting_is_shown_and_explained(stored: Command) -> None:
    assert set(WORDS) == set(SECTION_OF) == {*DELIVERY, *INCIDENT, *ACCESS}
    ran = stored("settings")
    assert ran.code == 0
    shown = [line.split()[:2] for line in ran.out.splitlines()]
    assert shown[:2] == [["storm_alerts", "10"], ["flapping_changes", "6"]]
    assert ["network_targets", "none"] in shown
    assert ["resolves_itself", "false"] in shown
    assert ["require_mfa", "false"] in shown


def test_as_json_they_are_what_the_database_says(stored: Command) -> None:
    assert json.loads(stored("settings", "--json").out) == {**DELIVERY, **INCIDENT, **ACCESS}


def test_several_are_changed_in_one_call(command: Command) -> None:
    command.rpcs.answers["apply_config"] = lambda _: {
        "plan": plan(delivery_settings=["storm_alerts"], incident_settings=[])
    }
    match = '{"networks": ["main"]}'
    ran = command("settings", "set", "storm_alerts=20", "network_targets=none", f"match={match}")
    assert (ran.code, ran.out.splitlines()) == (
        0,
        [
            "storm_alerts is 20 (changed)",
            "network_targets is none (unchanged)",
            f"match is {match} (unchanged)",
        ],
    )
    (sent,) = command.rpcs.called("apply_config")
    assert sent["config"] == {
        "delivery_settings": {"storm_alerts": 20},
        "incident_settings": {"network_targets": None, "match": {"networks": ["main"]}},
    }


@pytest.mark.parametrize("text", ["storm_alert=20", "storm_alerts", "=5", ""])
def test_what_is_no_setting_never_reaches_the_database(command: Command, text: str) -> None:
    ran = command("settings", "set", text)
    assert (ran.code, command.rpcs.calls) == (2, [])
    if text.startswith("storm_alert="):
        assert 'did you mean "storm_alerts"?' in ran.err


def test_a_value_that_the_database_refuses_is_told(command: Command) -> None:
    said = 'delivery_settings.storm_alerts: must be a whole number (is "many")'
    command.rpcs.answers["apply_config"] = lambda _: refusal("22023", said)
    ran = command("settings", "set", "storm_alerts=many")
    assert (ran.code, ran.err) == (2, f"refused: {said}\n")
    (sent,) = command.rpcs.called("apply_config")
    assert sent["config"] == {"delivery_settings": {"storm_alerts": "many"}}


def test_a_value_that_no_parser_takes_is_a_word(command: Command) -> None:
    deep = "[" * 100_000
    command.rpcs.answers["apply_config"] = lambda _: refusal("22023", "is no number")
    assert command("settings", "set", f"storm_alerts={deep}").code == 2
    (sent,) = command.rpcs.called("apply_config")
    assert sent["config"] == {"delivery_settings": {"storm_alerts": deep}}


def test_a_disk_that_is_full_is_no_traceback(stored: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Screen, "table", full)
    ran = stored("settings")
    assert (ran.code, ran.err) == (2, "[Errno 28] No space left on device\n")
