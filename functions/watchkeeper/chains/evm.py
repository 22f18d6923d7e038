"""Ethereum and its relatives, over JSON-RPC by HTTP."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from watchkeeper.errors import Inconclusive, NotSupported, ObservationError, Refused, clean
from watchkeeper.model import Head, Mempool, Model, Peers
from watchkeeper.protocols import Chain, ChainFamily, Net, Read

QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,16}")
HASH = re.compile(r"0x[0-9a-fA-F]{64}")
LATEST_MOMENT = 253402300799  # the end of the year 9999, in Unix seconds

# How nodes say "I do not offer this": the standard's code, hardhat's, and words beside codes of their own.
UNSUPPORTED_CODES = (-32601, -32004)
UNSUPPORTED_WORDS = re.compile(
    r"method .*(not (found|supported|available|exist|allowed|enabled)|unsupported)|unsupported method",
    re.IGNORECASE,
)


class EvmSettings(Model):
    chain_id: int | None = Field(
        default=None, ge=1, lt=2**53, description="The chain the endpoint must serve; null to take any"
    )
    block_window: int = Field(
        default=10, ge=1, le=10000, description="Blocks over which the block time is averaged"
    )
    headers: dict[str, Annotated[str, Field(max_length=4000, pattern="^[ -~]*$")]] = Field(
        default={}, description="HTTP headers to send along"
    )


class Call(NamedTuple):
    method: str
    params: tuple[Any, ...] = ()


BLOCK = "eth_getBlockByNumber"
CHAIN_ID = Call("eth_chainId")
LATEST = Call(BLOCK, ("latest", False))
SYNCING = Call("eth_syncing")
PEERS = Call("net_peerCount")
TXPOOL = Call("txpool_status")


class Block(NamedTuple):
    height: int
    hash: str | None
    at: datetime


class Evm(Chain):
    def __init__(self, endpoint: str, settings: EvmSettings, net: Net) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._net = net

    async def head(self) -> Head:
        """The latest block and whether the node is in sync."""
        results = await self._ask(LATEST, SYNCING)
        latest = _block(results[LATEST])
        syncing, lag = _syncing(results[SYNCING])
        return Head(
            height=latest.height,
            total_blocks=latest.height + 1,
            hash=latest.hash,
            block_at=latest.at,
            avg_block_time_s=await self._avg_block_time_s(latest),
            syncing=syncing,
            sync_lag_blocks=lag,
        )

    async def peers(self) -> Peers:
        results = await self._ask(PEERS)
        count = _quantity(PEERS.method, results[PEERS])
        return Peers(active=count, total=count)

    async def mempool(self) -> Mempool:
        results = await self._ask(TXPOOL)
        pool = _object(TXPOOL.method, results[TXPOOL])
        return Mempool(
            pending=_quantity("txpool_status.pending", pool.get("pending")),
            queued=_quantity("txpool_status.queued", pool.get("queued")),
        )

    async def _avg_block_time_s(self, latest: Block) -> Decimal | None:
        """Over the block window; None when the earlier block cannot be read: no reason to lose the head."""
        # From block 1: a genesis block often carries a date of its own.
        first = max(1, latest.height - self._settings.block_window)
        if first >= latest.height:
            return None
        call = Call(BLOCK, (hex(first), False))
        try:
            earlier = _block((await self._exchange([call]))[call])
        except ObservationError:
            return None
        elapsed = Decimal((latest.at - earlier.at).total_seconds())
        if earlier.height != first or elapsed < 0:
            return None
        return elapsed / (latest.height - first)

    async def _ask(self, *calls: Call) -> dict[Call, Any]:
        """The results of the calls, after the endpoint has shown that it serves the chain it should."""
        if self._settings.chain_id is None:
            return await self._exchange(calls)
        results = await self._exchange([*calls, CHAIN_ID])
        self._verify_chain(results[CHAIN_ID])
        return results

    def _verify_chain(self, result: object) -> None:
        if isinstance(result, NotSupported):
            return
        served, expected = _quantity(CHAIN_ID.method, result), self._settings.chain_id
        if served != expected:
            raise Inconclusive(f"the endpoint serves chain {served}, not {expected}")

    async def _exchange(self, calls: tuple[Call, ...] | list[Call]) -> dict[Call, Any]:
        """Result of each call; a NotSupported in its place where the node does not offer it."""
        requests = [
            {"jsonrpc": "2.0", "id": number, "method": call.method, "params": list(call.params)}
            for number, call in enumerate(calls, start=1)
        ]
        replies = await self._replies(requests)
        return {call: _result(call.method, replies[number]) for number, call in enumerate(calls, start=1)}

    async def _replies(self, requests: list[dict[str, Any]]) -> dict[int, Mapping[str, Any]]:
        """By id. In one batch, or one by one where the endpoint takes no batches."""
        if len(requests) > 1 and (batch := await self._batch(requests)) is not None:
            return _by_id(batch, len(requests))
        singles = [_addressed(await self._post(request), request["id"]) for request in requests]
        return _by_id(singles, len(requests))

    async def _batch(self, requests: list[dict[str, Any]]) -> list[Any] | None:
        """The replies; None where the batch as a whole was refused."""
        try:
            batch = await self._post(requests)
        except Refused:
            return None
        if not isinstance(batch, list) or any(_has_no_id(reply) for reply in batch):
            return None
        return batch

    async def _post(self, payload: object) -> object:
        return await self._net.post_json(self._endpoint, payload, self._settings.headers)


def _has_no_id(reply: object) -> bool:
    return isinstance(reply, dict) and reply.get("id") is None and "error" in reply


def _addressed(reply: object, number: int) -> object:
    """A lone error often comes without the id of the one call it can be about."""
    return {**reply, "id": number} if isinstance(reply, dict) and _has_no_id(reply) else reply


def _by_id(replies: list[Any], count: int) -> dict[int, Mapping[str, Any]]:
    found: dict[int, Mapping[str, Any]] = {}
    for reply in replies:
        if not isinstance(reply, dict):
            raise Inconclusive("the reply is not JSON-RPC")
        number = reply.get("id")
        if type(number) is not int or not 1 <= number <= count or number in found:
            raise Inconclusive("the reply's ids do not match the request's")
        found[number] = reply
    if len(found) < count:
        raise Inconclusive(f"{count - len(found)} of {count} calls were not answered")
    return found


def _result(method: str, reply: Mapping[str, Any]) -> object:
    if reply.get("error") is not None:
        error = _error(method, reply["error"])
        if isinstance(error, NotSupported):
            return error
        raise error
    if "result" not in reply:
        raise Inconclusive(f"{method}: the reply has neither result nor error")
    return reply["result"]


def _error(method: str, error: object) -> Inconclusive:
    code = error.get("code") if isinstance(error, dict) else None
    message = clean(str(error.get("message", "")) if isinstance(error, dict) else str(error), 200)
    if code in UNSUPPORTED_CODES or UNSUPPORTED_WORDS.search(message):
        return NotSupported(f"the endpoint does not offer {method}")
    return Inconclusive(f"{method}: error {clean(str(code), 20)}: {message}")


def _supported(result: object) -> object:
    if isinstance(result, NotSupported):
        raise result
    return result


def _object(name: str, result: object) -> dict[str, Any]:
    result = _supported(result)
    if not isinstance(result, dict):
        raise Inconclusive(f"{name}: expected an object")
    return result


def _quantity(name: str, result: object) -> int:
    """A JSON-RPC quantity, as a number that fits a Postgres bigint."""
    result = _supported(result)
    if not isinstance(result, str) or not QUANTITY.fullmatch(result):
        raise Inconclusive(f"{name}: {clean(repr(result), 40)} is not a hex quantity")
    number = int(result, 16)
    if number >= 2**63:
        raise Inconclusive(f"{name}: {result} is absurdly large")
    return number


def _block(result: object) -> Block:
    block = _object(BLOCK, result)
    seconds = _quantity("block.timestamp", block.get("timestamp"))
    if seconds > LATEST_MOMENT:
        raise Inconclusive(f"block.timestamp: {seconds} is no time in seconds")
    digest = block.get("hash")
    if digest is not None and not (isinstance(digest, str) and HASH.fullmatch(digest)):
        raise Inconclusive("block.hash: is not a hash")
    return Block(_quantity("block.number", block.get("number")), digest, datetime.fromtimestamp(seconds, UTC))


def _syncing(result: object) -> tuple[bool | None, int | None]:
    """Whether the node is catching up, and by how many blocks; None where it does not say."""
    if isinstance(result, NotSupported):
        return None, None
    if result is False:
        return False, 0
    if not isinstance(result, dict):
        raise Inconclusive("eth_syncing: expected false or an object")
    if "highestBlock" not in result or "currentBlock" not in result:  # some families describe it otherwise
        return True, None
    highest = _quantity("eth_syncing.highestBlock", result["highestBlock"])
    return True, max(0, highest - _quantity("eth_syncing.currentBlock", result["currentBlock"]))


def _open(endpoint: str | None, settings: EvmSettings, net: Net, _read: Read) -> Chain:
    if endpoint is None:
        raise Inconclusive("the target has no endpoint")
    return Evm(endpoint, settings, net)


FAMILY = ChainFamily(
    Settings=EvmSettings,
    kinds=("blockchain", "p2p", "mempool", "uptime"),
    needs_endpoint=True,
    open=_open,
)
