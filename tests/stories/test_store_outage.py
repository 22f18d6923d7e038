"""The database's API is away: nothing looks green, and no claimed slot is lost without a trace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.paths import VENV
from tests.stories.endpoints import Node
from tests.stories.world import World, eventually


@pytest.fixture
def gateway_back(world: World) -> Iterator[None]:
    """Whatever happens, the next story finds the API."""
    yield
    if not world.gateway.process.alive:
        world.gateway.start()


def ask_for_status(world: World, folder: Path) -> subprocess.Popen[str]:
    """`watchkeeper status`, as an operator of this API asks."""
    env = {**os.environ, "SUPABASE_URL": world.api.url, "SUPABASE_SECRET_KEY": world.api.secret_key}
    return subprocess.Popen(
        [VENV / "bin" / "watchkeeper", "status"],
        env=env, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.usefixtures("gateway_back")
def test_what_was_claimed_before_the_outage_is_recorded_after_it(
    world: World, chain_node: Node, tmp_path: Path
) -> None:
    target = world.watch(chain_node.url, checks={"uptime": {}})
    with world.again_after("uptime", 8):
        with world.held("uptime"):
            since = target.claim()
            eventually(lambda: world.is_waiting("uptime"))
            world.gateway.stop()
        eventually(lambda: chain_node.requests)  # the check ran, and nobody takes its result
        with ask_for_status(world, tmp_path) as asked:
            assert "errorMessage" in world.tick()
            printed, complained = asked.communicate()
        assert (printed, asked.returncode) == ("", 2)
        assert f"unknown: Supabase did not answer at {world.api.url}" in complained
        assert "SUPABASE_URL" in complained
        assert [run.outcome for run in target.runs()] == [None]

        world.gateway.start()
        (run,) = target.recorded(since)
        assert (run.outcome, run.missed) == ("ok", False)
        eventually(lambda: world.is_done("uptime"))
    assert target.look().outcome == "ok"
    assert all(run.outcome for run in target.runs())
    assert target.status() == "ok"
