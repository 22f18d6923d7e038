"""`apply` and `export` as an operator meets them."""

from pathlib import Path

import pytest

from tests.handlers.doubles import refusal
from tests.infra.cli.conftest import Command

FILE = """\
channels:
  - name: ops
    kind: webhook
    secrets: {url: "env:CHANNEL_OPS"}
routes:
  - name: all
    channels: [ops]
  - name: night
    channels: [nobody]
"""
NOTHING: dict[str, list[str]] = {"created": [], "changed": [], "unchanged": [], "deleted": []}
PLAN = {
    "channels": {**NOTHING, "created": ["ops"]},
    "routes": {**NOTHING, "changed": ["all"], "deleted": ["x\x1b"]},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.yaml"
    path.write_text(FILE)
    return path


def test_apply_prints_the_plan_of_all_sections(command: Command, file: Path) -> None:
    command.rpcs.answers["apply_config"] = lambda _: {"plan": PLAN}
    ran = command("apply", str(file), "--dry-run", "--prune")
    assert (ran.code, ran.out.splitlines()) == (
        0,
        [
            "+ channels/ops  created",
            "~ routes/all  changed",
            "- routes/x   deleted",
            "1 created, 1 changed, 1 deleted, 0 unchanged (dry run: nothing was changed)",
        ],
    )
    (args,) = command.rpcs.called("apply_config")
    assert (args["prune"], args["dry_run"], list(args["config"])) == (True, True, ["channels", "routes"])


def test_the_token_of_a_new_heartbeat_is_told_once(command: Command, file: Path) -> None:
    plan = {"heartbeats": {**NOTHING, "created": ["backup"]}}
    command.rpcs.answers["apply_config"] = lambda _: {"plan": plan, "tokens": {"backup": "t0ken"}}
    assert "heartbeat backup: its token is t0ken" in command("apply", str(file)).out


def test_a_bad_file_never_reaches_the_database(command: Command, file: Path) -> None:
    file.write_text("chanels: []\n")
    ran = command("apply", str(file))
    assert (ran.code, command.rpcs.calls) == (2, [])
    assert ran.err == 'my.yaml:1: chanels: is not known; did you mean "channels"?\n'


@pytest.mark.parametrize(
    ("said", "line"), [("delivery_settings.storm_alerts: no", 9), ("incident_settings: no", 10)]
)
def test_a_refusal_of_settings_of_which_there_is_one_has_its_line(
    command: Command, file: Path, said: str, line: int
) -> None:
    file.write_text(f"{FILE}delivery_settings: {{storm_alerts: 20}}\nincident_settings: {{}}\n")
    command.rpcs.answers["apply_config"] = lambda _: refusal("22023", said)
    ran = command("apply", str(file))
    assert (ran.code, ran.err) == (2, f"my.yaml:{line + 1}: {said}\n")


@pytest.mark.parametrize("code", ["22023", "PT404"])
def test_what_the_database_refuses_is_told_with_its_line(command: Command, file: Path, code: str) -> None:
    said = "routes[1].channels: there is no channel nobody"
    command.rpcs.answers["apply_config"] = lambda _: refusal(code, said)
    ran = command("apply", str(file))
    assert (ran.code, ran.err) == (2, f"my.yaml:9: {said}\n")


def test_a_refusal_of_something_else_is_told_as_it_is(command: Command, file: Path) -> None:
    command.rpcs.answers["apply_config"] = lambda _: refusal("PT409", "name: a route still uses it", 409)
    assert command("apply", str(file)).err == "refused: name: a route still uses it\n"


def test_export_is_what_apply_takes(command: Command, file: Path) -> None:
    channel = {
        "name": "ops",
        "kind": "webhook",
        "config": {},
        "secrets": {"url": "env:CHANNEL_OPS"},
        "person": None,
    }
    command.rpcs.answers["export_config"] = lambda _: {"targets": [], "channels": [channel], "routes": []}
    command.rpcs.answers["apply_config"] = lambda _: {"plan": PLAN}
    file.write_text(command("export").out)
    assert command("apply", str(file)).code == 0
    (args,) = command.rpcs.called("apply_config")
    assert args["config"] == {
        "targets": [],
        "channels": [{"name": "ops", "kind": "webhook", "secrets": {"url": "env:CHANNEL_OPS"}}],
    }
