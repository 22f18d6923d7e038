import asyncio
import json
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.watchkeeper.servers import answering_json, reply, saying, serving, silent
from watchkeeper.checks import CHECKS
from watchkeeper.errors import StoreError
from watchkeeper.model import CheckResult, Task
from watchkeeper.protocols import Read
from watchkeeper.run import Access, run_all, run_check
from watchkeeper.settings import PrivateTargets

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:9/v3/0123456789abcdef0123"
HEAD: dict[str, Any] = {
    "total_blocks": 3, "height": 2, "hash": "ab", "block_at": "2026-11-23T11:59:55Z", "avg_block_time_s": 10,
    "observed_at": "2026-11-23T12:00:00Z",
}  # fmt: skip
NO_PEERS: dict[str, Any] = {
    "active": 0,
    "total": 4,
    "avg_reputation": None,
    "observed_at": "2026-11-23T12:00:00Z",
}
IN_TABLES: dict[str, Any] = {"chain": "supabase", "endpoint": None}


def task(kind: str = "blockchain", **fields: Any) -> Task:
    known: dict[str, Any] = {
        "check_id": UUID(int=1), "target_id": UUID(int=2), "target": "node", "kind": kind, "due_at": NOW,
        "interval_s": 60, "timeout_s": 2, "chain": "evm", "endpoint": NOWHERE,
    }  # fmt: skip
    return Task.model_validate(known | fields)


def read(subject: str, _settings: dict[str, Any]) -> dict[str, Any]:
    return {"head": HEAD, "peers": NO_PEERS}[subject]


def run(task: Task, read: Read = read, private_targets: PrivateTargets = "loopback") -> CheckResult:
    return asyncio.run(run_check(task, Access(read, private_targets), lambda: NOW))


def states(result: CheckResult) -> dict[str, str]:
    return {finding.alert_type: finding.state for finding in result.findings}


def test_a_healthy_chain_is_ok() -> None:
    result = run(task(**IN_TABLES))
    assert (result.outcome, result.reason, result.uptime) == ("ok", None, None)
    assert (result.check_id, result.due_at, result.started_at) == (UUID(int=1), NOW, NOW)
    assert {sample.name for sample in result.samples} == {
        "height",
        "total_blocks",
        "block_age",
        "avg_block_time",
    }
    json.dumps(result.to_json())


def test_a_breach_fails_with_the_loudest_message_as_reason() -> None:
    result = run(task("p2p", **IN_TABLES))
    assert (result.outcome, result.reason) == ("fail", "0 active peers, minimum 3")
    assert states(result) == {"low_peers": "breach"}


def test_a_target_that_refuses_is_unreachable_and_the_rest_unknown() -> None:
    result = run(task())
    assert (result.outcome, result.reason) == ("fail", "refused the connection")
    assert states(result) == {
        "endpoint_unreachable": "breach",
        "no_blocks": "unknown",
        "chain_stalled": "unknown",
        "node_syncing": "unknown",
    }
    assert result.samples == ()


def test_an_answer_clears_unreachable() -> None:
    def node(request: Any) -> Any:
        return {"id": request["id"], "result": "0x9"}

    async def go() -> CheckResult:
        async with serving(answering_json(node)) as port:
            return await run_check(task("p2p", endpoint=f"http://127.0.0.1:{port}"), Access(read, "loopback"))

    assert states(asyncio.run(go())) == {"endpoint_unreachable": "clear", "low_peers": "clear"}


def test_our_own_failure_is_unknown_and_opens_nothing() -> None:
    result = run(task(endpoint="http://watchkeeper.invalid/"))
    assert result.outcome == "unknown"
    assert set(states(result).values()) == {"unknown"}
    assert "endpoint_unreachable" in states(result)


def test_a_private_address_is_refused_where_targets_must_be_public() -> None:
    result = run(task("uptime"), private_targets="none")
    assert (result.outcome, result.uptime) == ("unknown", None)
    assert "PRIVATE_TARGETS is none" in (result.reason or "")


@pytest.mark.parametrize("kind", CHECKS)
def test_every_rule_appears_on_every_run_unless_disabled(kind: str) -> None:
    rules = set(type(CHECKS[kind].Params().rules).model_fields)
    assert set(states(run(task(kind)))) == rules
    for off in rules:
        assert set(states(run(task(kind, params={"rules": {off: {"enabled": False}}})))) == rules - {off}


@pytest.mark.parametrize("kind", CHECKS)
def test_a_chain_in_tables_has_no_endpoint_to_be_unreachable(kind: str) -> None:
    assert "endpoint_unreachable" not in states(run(task(kind, **IN_TABLES)))


def test_a_database_that_cannot_be_read_is_unknown() -> None:
    def broken(_subject: str, _settings: dict[str, Any]) -> object:
        raise StoreError("unreachable", "cannot connect")

    result = run(task(**IN_TABLES), broken)
    assert (result.outcome, result.reason) == ("unknown", "cannot read the chain's tables: cannot connect")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"params": {"block_time_s": "soon"}}, "params.block_time_s: Input should be a valid number"),
        ({"params": {"rules": {"no_blocks": {"severity": "loud"}}}}, "params.rules.no_blocks.severity: "),
        ({"params": {"pace": 1}}, "params.pace: Extra inputs are not permitted"),
        ({"settings": {"chain_id": 0}}, "settings.chain_id: Input should be greater than or equal to 1"),
        ({"endpoint": None}, "the target has no endpoint"),
        ({"chain": "nova"}, "chain: this version has no family 'nova'"),
        ({"chain": None}, "this target has no blocks to read"),
        ({"kind": "weather"}, "kind: this version has no check 'weather'"),
    ],
)
def test_a_task_that_makes_no_sense_is_unknown_and_says_what(fields: dict[str, Any], reason: str) -> None:
    result = run(task(**fields))
    assert result.outcome == "unknown"
    assert (result.reason or "").startswith(reason)
    assert set(states(result).values()) <= {"unknown"}


def test_a_bug_costs_its_run_and_leaves_a_trace(caplog: pytest.LogCaptureFixture) -> None:
    def buggy(_subject: str, _settings: dict[str, Any]) -> object:
        raise KeyError("height")

    with caplog.at_level(logging.ERROR):
        result = run(task(**IN_TABLES), buggy)
    assert (result.outcome, result.reason) == ("unknown", "internal error: KeyError")
    assert "KeyError" in caplog.text


def test_a_check_that_hangs_costs_only_itself() -> None:
    never = threading.Event()

    def hanging(subject: str, settings: dict[str, Any]) -> object:
        return read(subject, settings) if subject == "head" else never.wait()

    async def go() -> list[CheckResult]:
        async with serving(silent) as port:
            tasks = [
                task("p2p", timeout_s=0.2, **IN_TABLES),
                task(timeout_s=0.2, endpoint=f"http://127.0.0.1:{port}"),
                task(**IN_TABLES),
            ]
            return await run_all(tasks, Access(hanging, "loopback"), lambda: NOW)

    started = time.monotonic()
    results = asyncio.run(go())
    assert time.monotonic() - started < 30, "one hangs for a minute, one for ever"
    never.set()
    assert [(result.outcome, result.reason) for result in results] == [
        ("unknown", "not finished within 0.2 s"),
        ("fail", "no answer within 0.2 s"),
        ("ok", None),
    ]


def test_a_run_lasts_as_long_as_it_took_whatever_the_clock_does() -> None:
    async def go() -> CheckResult:
        async with serving(silent) as port:
            silence = task(timeout_s=0.3, endpoint=f"http://127.0.0.1:{port}")
            return await run_check(silence, Access(read, "loopback"), lambda: NOW)

    result = asyncio.run(go())
    assert timedelta(seconds=0.3) <= result.finished_at - result.started_at < timedelta(seconds=1)


def test_a_network_s_preset_lies_under_the_target_s_own_words() -> None:
    def asked(network: str | None, **params: Any) -> str:
        def node(request: Any) -> Any:
            block = {"number": "0x1", "timestamp": hex(int(NOW.timestamp()) - 65)}
            results = {"eth_getBlockByNumber": block, "eth_syncing": False, "eth_chainId": "0x1"}
            return [{"id": one["id"], "result": results[one["method"]]} for one in request]

        async def go() -> CheckResult:
            async with serving(answering_json(node)) as port:
                there = task(network=network, params=params, endpoint=f"http://127.0.0.1:{port}")
                return await run_check(there, Access(read, "loopback"), lambda: NOW)

        result = asyncio.run(go())
        return states(result)["chain_stalled"] if result.outcome != "unknown" else str(result.reason)

    assert asked(None) == "breach"
    assert asked("ethereum-mainnet") == "clear"
    assert asked("ethereum-mainnet", block_time_s=10) == "breach"
    assert asked("ethereum-sepolia") == "the endpoint serves chain 1, not 11155111"
    assert asked("a name of our own") == "breach"


def test_a_service_that_is_up_leaves_a_reading_without_secrets() -> None:
    async def go() -> CheckResult:
        async with serving(saying(reply())) as port:
            url = f"http://user:hunter22@127.0.0.1:{port}/health?token=abcdef"
            return await run_check(task("uptime", chain=None, endpoint=url), Access(read, "loopback"))

    result = asyncio.run(go())
    assert result.outcome == "ok"
    assert result.uptime
    assert (result.uptime.service_name, result.uptime.is_up, result.uptime.status_code) == ("node", True, 200)
    assert (result.uptime.response_time_ms or 0) > 0
    assert result.uptime.endpoint.endswith("/health?token=***")
    assert "hunter22" not in json.dumps(result.to_json())


def test_a_service_that_is_down_leaves_a_reading_that_says_why() -> None:
    result = run(task("uptime", chain=None))
    assert (result.outcome, result.reason) == ("fail", "refused the connection")
    assert result.uptime
    assert (result.uptime.is_up, result.uptime.error_message) == (False, "refused the connection")
    assert result.uptime.endpoint == "http://127.0.0.1:9/v3/***"


def test_a_stranger_s_error_message_does_not_carry_our_key_on() -> None:
    def node(request: Any) -> Any:
        return {
            "id": request["id"],
            "error": {"code": -32005, "message": "key 0123456789abcdef0123 and s3cr3t-header"},
        }

    async def go() -> CheckResult:
        async with serving(answering_json(node)) as port:
            url = NOWHERE.replace(":9/", f":{port}/")
            settings = {"headers": {"X-Key": "s3cr3t-header"}}
            return await run_check(task("p2p", endpoint=url, settings=settings), Access(read, "loopback"))

    assert asyncio.run(go()).reason == "net_peerCount: error -32005: key *** and ***"


def test_thresholds_travel_with_the_result() -> None:
    result = run(task(params={"blind_threshold": 7, "failure_threshold": 4}))
    assert result.blind_threshold == 7
    assert {finding.failure_threshold for finding in result.findings} == {4}
