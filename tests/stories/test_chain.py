"""A chain grows, stops, fills up: what a real node does, as everybody with a role sees it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from infra.local.anvil import Anvil
from infra.local.paths import VENV
from tests.stories.world import PATIENCE_S, World, eventually

Start = Callable[..., Anvil]
PRIMARY = {"primary": "true"}


def rpc(node: Anvil, method: str, *params: object) -> Any:
    """Tells the node something."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    reply = httpx.post(node.url, json=request, timeout=PATIENCE_S).json()
    assert "error" not in reply, reply
    return reply["result"]


def send_transactions(node: Anvil, count: int) -> None:
    """From one account to itself, in one batch; the node takes a batch's calls in any order."""
    account = rpc(node, "eth_accounts")[0]
    nonce = int(rpc(node, "eth_getTransactionCount", account, "pending"), 16)
    spend = {"from": account, "to": account, "value": "0x1", "gas": "0x5208"}
    batch = [
        {
            "jsonrpc": "2.0",
            "id": n,
            "method": "eth_sendTransaction",
            "params": [{**spend, "nonce": hex(nonce + n)}],
        }
        for n in range(count)
    ]
    replies = httpx.post(node.url, json=batch, timeout=PATIENCE_S).json()
    assert all("result" in reply for reply in replies), replies


def command(world: World, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs `watchkeeper` as an operator does."""
    env = {**os.environ, "SUPABASE_URL": world.api.url, "SUPABASE_SECRET_KEY": world.api.secret_key}
    return subprocess.run(
        [VENV / "bin" / "watchkeeper", *words],
        env=env,
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )


def test_a_growing_chain_is_ok_and_the_command_says_the_same(
    world: World, anvil: Start, tmp_path: Path
) -> None:
    node = anvil(block_time_s=1)
    pace = {"block_time_s": 1, "block_time_tolerance_percent": 100}
    target = world.watch(
        node.url, chain="evm", network="anvil", labels=PRIMARY, checks={"blockchain": {"params": pace}}
    )
    target.look()
    before = world.summary()["blockchain"]
    eventually(
        lambda: target.look() and world.summary()["blockchain"]["latest_block"] > before["latest_block"] + 2
    )
    summary = world.summary()
    assert summary["blockchain"]["total_blocks"] == summary["blockchain"]["latest_block"] + 1
    assert summary["blockchain"]["stale"] is False
    assert target.status() == "ok"

    printed = command(world, tmp_path, "status", "--json")
    told = json.loads(printed.stdout)
    assert told["blockchain"] == summary["blockchain"]
    assert printed.returncode == (0 if told["status"] == "ok" else 1)


def test_paused_mining_is_a_stall_that_grows_critical_and_ends_with_the_next_block(
    world: World, anvil: Start
) -> None:
    node = anvil(block_time_s=1)
    params = {"block_time_s": 1, "stalled_after_blocks": 3, "stalled_min_s": 0, "stalled_critical_blocks": 10}
    target = world.watch(node.url, chain="evm", checks={"blockchain": {"params": params}})
    assert target.look().outcome == "ok"

    rpc(node, "evm_setIntervalMining", 0)
    eventually(lambda: target.look() and target.alerts().get("chain_stalled") == "firing")
    assert target.alert("chain_stalled")["severity"] == "warning"
    eventually(lambda: target.look() and target.alert("chain_stalled")["severity"] == "critical")
    assert target.status() == "critical"

    rpc(node, "evm_setIntervalMining", 1)
    eventually(lambda: target.look().outcome == "ok")
    assert target.alerts() == {"chain_stalled": "resolved"}
    assert len(world.store.list_alerts(target_id=target.id)) == 1


def test_a_full_mempool_is_a_backlog_until_it_is_mined(world: World, anvil: Start) -> None:
    node = anvil()
    rpc(node, "evm_setAutomine", False)
    checks = {"mempool": {"params": {"mark_above": 3, "backlog_above": 20}}}
    target = world.watch(node.url, chain="evm", labels=PRIMARY, checks=checks)

    send_transactions(node, 5)
    target.look()
    assert target.alerts() == {}
    assert target.status() == "warning"
    send_transactions(node, 20)
    target.look()
    assert target.alerts() == {"mempool_backlog": "firing"}
    assert world.summary()["mempool"]["pending_transactions"] == 25

    rpc(node, "evm_mine")
    target.look()
    assert target.alerts() == {"mempool_backlog": "resolved"}
    assert world.summary()["mempool"]["pending_transactions"] == 0
    assert target.status() == "ok"
