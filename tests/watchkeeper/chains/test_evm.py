import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.anvil import Anvil
from tests.watchkeeper.servers import Talk, answering_json, read_request, reply, serving
from watchkeeper.chains.evm import Evm, EvmSettings
from watchkeeper.errors import Inconclusive, NotSupported, ObservationError, Unreachable
from watchkeeper.http import Door
from watchkeeper.model import Head, Mempool, Model, Peers

HASH = "0x" + "ab" * 32
ANSWERS: dict[str, Any] = {
    "eth_chainId": "0x1",
    "eth_syncing": False,
    "net_peerCount": "0x19",
    "txpool_status": {"pending": "0xa", "queued": "0x7"},
}


def block(number: int, seconds: int) -> dict[str, str]:
    return {"number": hex(number), "hash": HASH, "timestamp": hex(seconds), "extra": "ignored"}


def answer(request: Any, **other: Any) -> Any:
    """What a healthy node says to one call: 100 blocks, 12 seconds apart."""
    if request["method"] == "eth_getBlockByNumber" and "eth_getBlockByNumber" not in other:
        number = 100 if request["params"][0] == "latest" else int(request["params"][0], 16)
        result: Any = block(number, 1_700_000_000 + 12 * number)
    else:
        result = {**ANSWERS, **other}[request["method"]]
    if isinstance(result, ErrorOf):
        return {"jsonrpc": "2.0", "id": request["id"], "error": result.error}
    return {"jsonrpc": "2.0", "id": request["id"], "result": result}


class ErrorOf:
    def __init__(self, code: int, message: str = "no") -> None:
        self.error = {"code": code, "message": message}


def healthy(request: Any, **other: Any) -> Any:
    return (
        [answer(one, **other) for one in request] if isinstance(request, list) else answer(request, **other)
    )


NO_BATCH = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "batch is not supported"}}


def ask(
    question: str,
    answers: Callable[[Any], Any] = healthy,
    requests: list[object] | None = None,
    chain_id: int | None = None,
) -> Any:
    """What the adapter makes of a node that answers like that, over real HTTP."""
    return asked(question, answering_json(answers, requests), chain_id)


def asked(question: str, talk: Talk, chain_id: int | None = None) -> Any:
    async def go() -> object:
        async with serving(talk) as port, Door(5, "loopback") as door:
            return await getattr(
                Evm(f"http://127.0.0.1:{port}", EvmSettings(chain_id=chain_id), door), question
            )()

    return asyncio.run(go())


def saying(**other: Any) -> Callable[[Any], Any]:
    return lambda request: healthy(request, **other)


def test_the_head() -> None:
    assert ask("head") == Head(
        height=100,
        total_blocks=101,
        hash=HASH,
        block_at=datetime.fromtimestamp(1_700_001_200, UTC),
        avg_block_time_s=Decimal(12),
        syncing=False,
        sync_lag_blocks=0,
    )


def test_peers_and_mempool() -> None:
    assert ask("peers") == Peers(active=25, total=25)
    assert ask("mempool") == Mempool(pending=10, queued=7)


def test_it_asks_in_one_batch_and_once_more_for_the_pace() -> None:
    requests: list[Any] = []
    ask("head", requests=requests, chain_id=1)
    assert [call["method"] for call in requests[0]] == ["eth_getBlockByNumber", "eth_syncing", "eth_chainId"]
    assert requests[1:] == [
        {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0x5a", False]}
    ]


@pytest.mark.parametrize(
    "refusal",
    [
        reply(body=json.dumps(NO_BATCH).encode()),
        reply(body=json.dumps([NO_BATCH]).encode()),
        reply("400 Bad Request", json.dumps(NO_BATCH).encode()),
        reply("413 Payload Too Large", b"<html>no batches here"),
        reply("405 Method Not Allowed"),
    ],
)
def test_an_endpoint_that_takes_no_batches_is_asked_one_by_one(refusal: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = json.loads((await read_request(reader))[1])
        writer.write(
            refusal if isinstance(request, list) else reply(body=json.dumps(answer(request)).encode())
        )

    assert asked("head", talk, chain_id=1) == ask("head")


def test_an_endpoint_that_limits_our_rate_is_not_asked_again() -> None:
    requests: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append((await read_request(reader))[1])
        writer.write(reply("429 Too Many Requests"))

    with pytest.raises(Inconclusive, match="limits our rate"):
        asked("head", talk)
    assert len(requests) == 1


def test_a_lone_error_without_an_id_is_about_the_call() -> None:
    unsupported = {"id": None, "error": {"code": -32601, "message": "no"}}
    with pytest.raises(NotSupported, match="the endpoint does not offer net_peerCount"):
        ask("peers", lambda _request: unsupported)


def test_another_chain_than_expected_is_no_healthy_node() -> None:
    for question in ("head", "peers", "mempool"):
        with pytest.raises(Inconclusive, match="the endpoint serves chain 1, not 11155111"):
            ask(question, chain_id=11155111)


@pytest.mark.parametrize(
    "error",
    [
        ErrorOf(-32601, "the method net_peerCount does not exist/is not available"),
        ErrorOf(-32004),
        ErrorOf(-32000, "Method not found"),
        ErrorOf(-32600, "Unsupported method: net_peerCount on ETH_MAINNET"),
        ErrorOf(403, "The method net_peerCount is not supported"),
    ],
)
def test_a_method_that_is_not_offered_is_never_down(error: ErrorOf) -> None:
    with pytest.raises(NotSupported, match="the endpoint does not offer net_peerCount"):
        ask("peers", saying(net_peerCount=error))


def test_a_node_that_does_not_tell_whether_it_syncs_still_has_a_head() -> None:
    head = ask("head", saying(eth_syncing=ErrorOf(-32601)))
    assert (head.height, head.syncing, head.sync_lag_blocks) == (100, None, None)


@pytest.mark.parametrize(
    ("syncing", "lag"),
    [
        ({"startingBlock": "0x0", "currentBlock": "0x10", "highestBlock": "0x30"}, 32),
        ({"currentBlock": "0x30", "highestBlock": "0x10"}, 0),
        ({"batchSeen": 7}, None),
    ],
)
def test_a_node_that_catches_up(syncing: object, lag: int | None) -> None:
    head = ask("head", saying(eth_syncing=syncing))
    assert (head.syncing, head.sync_lag_blocks) == (True, lag)


def test_an_error_is_told_with_its_code_and_a_capped_message() -> None:
    with pytest.raises(Inconclusive, match=r"net_peerCount: error -32005: x{199}…$"):
        ask("peers", saying(net_peerCount=ErrorOf(-32005, "x" * 5000)))


@pytest.mark.parametrize(
    ("earlier", "pace"),
    [
        (None, None),
        (block(90, 1_700_001_300), None),
        (block(91, 1_700_001_000), None),
        (ErrorOf(-32000, "missing trie node"), None),
        (block(90, 1_700_001_200), Decimal(0)),
    ],
)
def test_without_a_credible_earlier_block_there_is_a_head_without_a_pace(earlier: Any, pace: object) -> None:
    def reply_to(request: Any) -> Any:
        if not isinstance(request, list):
            return answer(request, eth_getBlockByNumber=earlier)
        return healthy(request)

    assert ask("head", reply_to).avg_block_time_s == pace


@pytest.mark.parametrize(("height", "pace"), [(0, None), (1, None), (2, Decimal(12)), (5, Decimal(12))])
def test_the_pace_leaves_out_the_genesis_block(height: int, pace: Decimal | None) -> None:
    def reply_to(request: Any) -> Any:
        if isinstance(request, list):
            return healthy(request, eth_getBlockByNumber=block(height, 1_700_000_000 + 12 * height))
        return (
            answer(request, eth_getBlockByNumber=block(0, 0))
            if request["params"][0] == "0x0"
            else answer(request)
        )

    assert ask("head", reply_to).avg_block_time_s == pace


LATEST = block(100, 1_700_001_200)
NONSENSE: dict[str, dict[str, Any]] = {
    "no block": {"eth_getBlockByNumber": None},
    "a number for a block": {"eth_getBlockByNumber": 7},
    "a block without a number": {"eth_getBlockByNumber": {"timestamp": "0x1"}},
    "a block without a time": {"eth_getBlockByNumber": {"number": "0x1"}},
    "a decimal height": {"eth_getBlockByNumber": {**LATEST, "number": "100"}},
    "a height that is a number": {"eth_getBlockByNumber": {**LATEST, "number": 100}},
    "a negative height": {"eth_getBlockByNumber": {**LATEST, "number": "-0x1"}},
    "an empty quantity": {"eth_getBlockByNumber": {**LATEST, "number": "0x"}},
    "a height beyond bigint": {"eth_getBlockByNumber": {**LATEST, "number": "0x8000000000000000"}},
    "a height of a thousand digits": {"eth_getBlockByNumber": {**LATEST, "number": "0x" + "f" * 1000}},
    "a time in the year 30000": {"eth_getBlockByNumber": {**LATEST, "timestamp": hex(10**12)}},
    "a hash that is none": {"eth_getBlockByNumber": {**LATEST, "hash": "0x12"}},
    "a word for syncing": {"eth_syncing": "yes"},
    "true for syncing": {"eth_syncing": True},
    "a sync lag of words": {"eth_syncing": {"currentBlock": "many", "highestBlock": "0x1"}},
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_inconclusive_and_never_a_number(case: str) -> None:
    with pytest.raises(Inconclusive):
        ask("head", saying(**NONSENSE[case]))


@pytest.mark.parametrize(
    "answers",
    [
        lambda request: [answer(request[0])],
        lambda request: [answer(request[0]), answer(request[0])],
        lambda request: [{**answer(one), "id": one["id"] + 5} for one in request],
        lambda request: [{**answer(one), "id": str(one["id"])} for one in request],
        lambda request: [{"jsonrpc": "2.0", "id": one["id"]} for one in request],
        lambda _request: [1, 2],
        lambda _request: [],
        lambda _request: "hello",
        lambda _request: {"error": None},
    ],
)
def test_a_reply_that_does_not_answer_the_request_is_inconclusive(answers: Callable[[Any], Any]) -> None:
    with pytest.raises(Inconclusive):
        ask("head", answers)


def test_a_node_that_hides_its_chain_id_is_taken_at_its_word() -> None:
    assert ask("peers", saying(eth_chainId=ErrorOf(-32601)), chain_id=5).active == 25


def test_headers_must_be_printable() -> None:
    with pytest.raises(ValueError, match="pattern"):
        EvmSettings(headers={"X-Key": "a\r\nHost: b"})


class Canned:
    """A net in which every reply is this."""

    def __init__(self, said: object) -> None:
        self.said = said

    async def post_json(self, url: str, payload: object, headers: Mapping[str, str] | None = None) -> object:  # noqa: ARG002
        return self.said

    async def probe(self, url: str, method: str = "GET", body_bytes: int = 0) -> Any:
        raise NotImplementedError


quantities = st.integers(-(2**70), 2**70).map(hex) | st.text(max_size=6)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9) | quantities
)
keys = st.sampled_from(
    ["id", "result", "error", "code", "message", "number", "timestamp", "hash", "pending", "queued",
     "currentBlock", "highestBlock"]
) | st.text(max_size=5)  # fmt: skip
garbage = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=20,
)
blocks = st.fixed_dictionaries({}, optional={"number": quantities, "timestamp": quantities, "hash": garbage})
near_misses = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(1, 2) | garbage}, optional={"result": blocks | garbage, "error": garbage}
    ),
    max_size=3,
)


@given(garbage | near_misses, st.sampled_from(["head", "peers", "mempool"]), st.none() | st.just(1))
def test_no_reply_whatever_breaks_the_adapter(said: object, question: str, chain_id: int | None) -> None:
    adapter = Evm("http://node", EvmSettings(chain_id=chain_id), Canned(said))
    try:
        observation = asyncio.run(getattr(adapter, question)())
    except ObservationError as error:
        json.dumps(error.reason).encode()
    else:
        assert isinstance(observation, Model)


def tell(node: Anvil, method: str, *params: object) -> Any:
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    return httpx.post(node.url, json=call, trust_env=False).json()["result"]


def look(node: Anvil, question: str, timeout_s: float = 5) -> Any:
    async def go() -> object:
        async with Door(timeout_s, "loopback") as door:
            return await getattr(Evm(node.url, EvmSettings(chain_id=31337), door), question)()

    return asyncio.run(go())


def test_a_real_node_grows(anvil: Callable[[], Anvil]) -> None:
    node = anvil()
    tell(node, "anvil_mine", hex(20), hex(7))
    head = look(node, "head")
    assert (head.height, head.total_blocks) == (20, 21)
    assert head.avg_block_time_s == 7
    assert head.hash == tell(node, "eth_getBlockByNumber", "latest", False)["hash"]
    assert (head.syncing, head.sync_lag_blocks) == (False, 0)


def test_a_real_mempool_fills_and_empties(anvil: Callable[[], Anvil]) -> None:
    node = anvil()
    assert look(node, "mempool") == Mempool(pending=0, queued=0)
    tell(node, "evm_setAutomine", False)
    sender, receiver = tell(node, "eth_accounts")[:2]
    for _ in range(3):
        tell(node, "eth_sendTransaction", {"from": sender, "to": receiver, "value": "0x1"})
    assert look(node, "mempool").pending == 3
    tell(node, "anvil_mine")
    assert look(node, "mempool").pending == 0


def test_a_real_node_without_peers_says_so(anvil: Callable[[], Anvil]) -> None:
    with pytest.raises(NotSupported, match="net_peerCount"):
        look(anvil(), "peers")


def keep_looking(node: Anvil) -> None:
    """A moment passes until a signal has stopped all its threads."""
    for _ in range(100):
        look(node, "head", timeout_s=0.5)


def test_a_real_node_that_hangs_is_unreachable(anvil: Callable[[], Anvil]) -> None:
    node = anvil()
    pid = json.loads(node.process._note.read_text())["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
            keep_looking(node)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_real_node_that_dies_refuses(anvil: Callable[[], Anvil]) -> None:
    node = anvil()
    assert look(node, "head").height == 0
    node.stop()
    with pytest.raises(Unreachable, match="refused the connection"):
        look(node, "head")
