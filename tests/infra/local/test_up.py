"""`make up` as its user lives it, from the first line to the last."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

import pytest

from infra.cli.env import parse
from infra.local.credentials import Credentials
from infra.local.paths import PYTHON, ROOT
from infra.local.ports import Ports, is_free
from infra.local.postgres import Postgres
from infra.local.processes import started_at
from infra.local.stack import Stack
from infra.local.up import apply_config
from tests.support.console import Console, console
from tests.support.parts import Api

COMMAND: list[str | Path] = [PYTHON, "-m", "infra.local.up"]
Up = Callable[[], AbstractContextManager[Console]]
PATIENCE_S = 180  # no claim about how fast it is


@pytest.fixture
def ports() -> Ports:
    """Free ones."""
    return Ports.free()


@pytest.fixture
def state(session_folder: Path, tmp_path: Path) -> Iterator[Path]:
    """Where this test's stack keeps its things, found by the next session if this one is killed."""
    state = session_folder / tmp_path.name
    yield state
    if (state / "credentials.json").is_file():
        Postgres(state, 0, "").erase()


@pytest.fixture
def up(ports: Ports, state: Path, tmp_path: Path) -> Up:
    """Starts it."""
    names = {name.upper(): str(port) for name, port in asdict(ports).items()}
    env = {**names, "WATCHKEEPER_STATE": str(state), "TARGETS": "", "ADMIN_EMAIL": ""}
    return lambda: console(COMMAND, tmp_path / "output", env)


def pids(state: Path) -> list[int]:
    """The processes that belong to it, with all their children."""
    return [
        int(p.name) for p in Path("/proc").glob("[0-9]*") if belongs(p, state) and started_at(int(p.name))
    ]


def belongs(process: Path, state: Path) -> bool:
    """The emulator's functions are told apart by the scratch folder they inherit."""
    try:
        return str(state).encode() in (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    except OSError:
        return False


def test_a_killed_chain_node_is_told_and_nothing_is_left_behind(
    up: Up, ports: Ports, state: Path, tmp_path: Path
) -> None:
    with up() as first:
        first.wait_for("anvil  blockchain=ok", PATIENCE_S)
        assert (state / "env").stat().st_mode & 0o777 == 0o600
        # `watchkeeper tokens create` signs with it.
        written = parse((state / "env").read_text())
        assert written["SUPABASE_JWT_SECRET"] == Credentials.kept_in(state).jwt_secret

        with console(COMMAND, tmp_path / "second", {"WATCHKEEPER_STATE": str(state)}) as second:
            assert str(first.popen.pid) in second.wait_for("already running", PATIENCE_S)
            assert second.popen.wait(PATIENCE_S) == 1

        node = int(first.wait_for("kill ", PATIENCE_S).split("kill ")[1].split(",")[0])
        os.kill(node, signal.SIGKILL)
        first.wait_for("make anvil", PATIENCE_S)
        assert "critical" in first.wait_for("FIRING", PATIENCE_S)

        assert first.end(signal.SIGINT) == 0
    assert pids(state) == []
    assert all(is_free(port) for port in asdict(ports).values())

    with up() as again:
        assert "0 applied" in again.wait_for("migrations", PATIENCE_S)
        again.wait_for("unchanged", PATIENCE_S)
        assert again.end(signal.SIGTERM) == 0
    assert pids(state) == []


def test_a_taken_port_names_the_variable_that_moves_it(up: Up, ports: Ports) -> None:
    with socket.create_server(("127.0.0.1", ports.db_port)), up() as console:
        assert f"DB_PORT={ports.db_port + 100}" in console.wait_for("is taken", PATIENCE_S)
        assert console.popen.wait(PATIENCE_S) == 1


def test_a_part_that_cannot_start_takes_the_others_along(up: Up, state: Path) -> None:
    """Here the database was made with another password than we keep."""
    with up() as console:
        console.wait_for("migrations", PATIENCE_S)
        console.end(signal.SIGTERM)
    (state / "credentials.json").unlink()
    with up() as console:
        console.wait_for("make reset", PATIENCE_S)
        assert console.popen.wait(PATIENCE_S) == 1
    assert pids(state) == []


def test_keys_are_kept_private(tmp_path: Path) -> None:
    kept = Credentials.kept_in(tmp_path)
    assert Credentials.kept_in(tmp_path) == kept
    assert (tmp_path / "credentials.json").stat().st_mode & 0o777 == 0o600


def test_the_state_is_never_committed() -> None:
    assert "/.watchkeeper/" in (ROOT / ".gitignore").read_text().splitlines()


def test_a_file_of_ones_own_replaces_the_demo(stack: Stack, api: Api, tmp_path: Path) -> None:  # noqa: ARG001
    """`api`: it has to run."""
    counts, _ = apply_config(stack, None)
    assert counts == "1 created"
    file = tmp_path / "my.yaml"
    file.write_text(
        "targets: [{name: mine, endpoint: 'http://127.0.0.1:9/', checks: {uptime: {}}}]\n"
        "channels: [{name: hook, kind: webhook, secrets: {url: 'env:CHANNEL_HOOK'}}]\n"
        "routes: [{name: all, channels: [hook]}]\n"
        "heartbeats: [{name: backup, period_s: 3600}]\n"
    )
    counts, tokens = apply_config(stack, file)
    with stack.store() as store:
        names = {target["name"]: target["id"] for target in store.list_targets()}
        store.delete_target(names["mine"])
        store.delete_route("all")
        store.delete_channel("hook")
        store.delete_heartbeat("backup")
    assert (counts, list(tokens)) == ("4 created", ["backup"])
    assert "anvil" not in names
