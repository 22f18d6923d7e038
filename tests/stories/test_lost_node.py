"""A node that freezes or dies: its endpoint is unreachable, and what it told is unknown, never 0."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.anvil import Anvil
from tests.stories.world import Watched, World

Start = Callable[..., Anvil]


def send_signal(node: Anvil, number: signal.Signals) -> None:
    assert node.process._popen
    os.kill(node.process._popen.pid, number)


def freeze(node: Anvil) -> None:
    send_signal(node, signal.SIGSTOP)


def thaw(node: Anvil) -> None:
    send_signal(node, signal.SIGCONT)


def height(target: Watched) -> dict[str, Any]:
    found: dict[str, Any] = target.told()["checks"]["blockchain"]["values"]["height"]
    return found


@pytest.mark.parametrize(
    ("harm", "cure"), [(freeze, thaw), (Anvil.stop, Anvil.start)], ids=["frozen", "killed"]
)
def test_a_lost_node_is_unreachable_and_its_numbers_unknown_until_it_is_back(
    world: World, anvil: Start, harm: Callable[[Anvil], None], cure: Callable[[Anvil], None]
) -> None:
    node = anvil()
    checks = {"blockchain": {"timeout_s": 1, "params": {"stalled_min_s": 600}}}
    target = world.watch(node.url, chain="evm", labels={"primary": "true"}, checks=checks)
    target.look()
    known = height(target)
    assert world.summary()["blockchain"]["status"] == "ok"

    harm(node)
    try:
        assert target.look().outcome == "fail"
        assert target.alerts() == {}
        assert world.summary()["blockchain"]["latest_block"] is None
        assert target.look().outcome == "fail"
        assert target.alerts() == {"endpoint_unreachable": "firing"}
        group = world.summary()["blockchain"]
        assert {group[name] for name in ("latest_block", "total_blocks", "avg_block_time")} == {None}
        assert (group["status"], group["stale"]) == ("unknown", True)
        assert group["observed_at"] == known["observed_at"]
        assert height(target) == {**known, "known": False}
        assert target.status() == "critical"
    finally:
        cure(node)

    assert target.look().outcome == "ok"
    assert target.alerts() == {"endpoint_unreachable": "resolved"}
    group = world.summary()["blockchain"]
    assert (group["status"], group["stale"]) == ("ok", False)
    assert group["latest_block"] is not None
