"""Replies that make no sense say nothing about the chain: unknown, then blind, and no alert about the chain."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.stories.endpoints import Lie, Node, truth
from tests.stories.world import World

Json = dict[str, Any]


def retold(**results: object) -> Lie:
    """The truth, but for the results of these methods."""

    def lie(request: bytes) -> bytes:
        calls: list[Json] = json.loads(request)
        replies: list[Json] = json.loads(truth(request))
        for call, reply in zip(calls, replies, strict=True):
            reply["result"] = results.get(call["method"], reply["result"])
        return json.dumps(replies).encode()

    return lie


def block(number: str = "0x64", ahead_s: int = 0) -> Json:
    return {"number": number, "timestamp": hex(int(time.time()) + ahead_s), "hash": "0x" + "ab" * 32}


def wrong_ids(request: bytes) -> bytes:
    return json.dumps([{**reply, "id": 77} for reply in json.loads(truth(request))]).encode()


NONSENSE: dict[str, Lie] = {
    "a web page": lambda _: b"<html><body>Welcome to nginx!</body></html>",
    "nothing": lambda _: b"",
    "half a reply": lambda request: truth(request)[:-9],
    "another's ids": wrong_ids,
    "megabytes": lambda _: b'["' + b"x" * 3_000_000 + b'"]',
    "a block from tomorrow": retold(eth_getBlockByNumber=block(ahead_s=86400)),
    "a negative height": retold(eth_getBlockByNumber=block("-0x64")),
    "no block": retold(eth_getBlockByNumber=None),
    "a list for a number": retold(eth_getBlockByNumber=[1, 2, 3]),
    "bytes": lambda _: bytes(range(256)) * 4,
}


@pytest.fixture(scope="module")
def checks() -> Json:
    return {"blockchain": {"timeout_s": 5, "params": {"blind_threshold": 3}}}


def test_nonsense_is_unknown_then_blind_and_never_an_alert_about_the_chain(
    world: World, chain_node: Node, checks: Json
) -> None:
    target = world.watch(chain_node.url, chain="evm", labels={"primary": "true"}, checks=checks)
    assert target.look().outcome == "ok"

    outcomes = {}
    for n, (name, lie) in enumerate(NONSENSE.items(), start=1):
        chain_node.say = lie
        run = target.look()
        outcomes[name] = run.outcome
        assert run.reason
        assert target.alerts() == ({"blind": "firing"} if n >= 3 else {}), name
    assert outcomes == dict.fromkeys(NONSENSE, "unknown")
    assert world.summary()["blockchain"]["latest_block"] is None
    assert target.status() == "unknown"
    assert target.alert("blind")["severity"] == "error"

    chain_node.say = truth
    assert target.look().outcome == "ok"
    assert target.alerts() == {"blind": "resolved"}
    assert target.status() == "ok"


def test_a_reply_that_breaks_off_is_unknown(world: World, chain_node: Node, checks: Json) -> None:
    target = world.watch(chain_node.url, chain="evm", checks=checks)
    chain_node.missing = 10
    run = target.look()
    assert (run.outcome, target.alerts()) == ("unknown", {})
