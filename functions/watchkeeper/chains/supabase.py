"""A chain whose state is in tables of the same Supabase project; read and summed up in SQL."""

import json
from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from watchkeeper.errors import Inconclusive, StoreError
from watchkeeper.model import Economy, Head, Keys, Mempool, Model, Peers
from watchkeeper.protocols import Chain, ChainFamily, Net, Read
from watchkeeper.threads import in_thread

M = TypeVar("M", bound=Model)
Name = Annotated[str, Field(min_length=1, max_length=63)]


class Tables(Model):
    blocks: Name = "blockchain_blocks"
    peers: Name = "p2p_peers"
    mempool: Name = "blockchain_mempool"
    keys: Name = "quantum_key_cache"
    key_uses: Name = "quantum_performance_metrics"
    balances: Name = "user_token_balances"


class BlockColumns(Model):
    height: Name = "block_index"
    hash: Name = "block_hash"
    created_at: Name = "created_at"


class PeerColumns(Model):
    reputation: Name = "reputation_score"
    last_seen_at: Name = "last_seen_at"
    is_banned: Name = "is_banned"


class MempoolColumns(Model):
    fee: Name = "transaction_fee"
    size_bytes: Name = "size_bytes"
    received_at: Name = "received_at"
    status: Name = "status"


class KeyColumns(Model):
    expires_at: Name = "expires_at"
    is_active: Name = "is_active"


class KeyUseColumns(Model):
    cache_hit: Name = "cache_hit"
    created_at: Name = "created_at"


class BalanceColumns(Model):
    balance: Name = "balance"
    locked: Name = "locked_balance"
    earned: Name = "total_earned"
    spent: Name = "total_spent"


class Columns(Model):
    blocks: BlockColumns = BlockColumns()
    peers: PeerColumns = PeerColumns()
    mempool: MempoolColumns = MempoolColumns()
    keys: KeyColumns = KeyColumns()
    key_uses: KeyUseColumns = KeyUseColumns()
    balances: BalanceColumns = BalanceColumns()


class SupabaseSettings(Model):
    model_config = ConfigDict(populate_by_name=True)

    schema_name: Name = Field(default="public", alias="schema", description="The schema the tables are in")
    tables: Tables = Tables()
    columns: Columns = Columns()
    peer_active_within_s: int = Field(
        default=300, ge=1, le=604800, description="A peer seen within so many seconds is active"
    )
    cache_window_s: int = Field(
        default=3600, ge=60, le=2592000, description="Seconds over which cache hits are counted"
    )
    block_window: int = Field(
        default=10, ge=1, le=10000, description="Blocks over which the block time is averaged"
    )


class SupabaseChain(Chain):
    def __init__(self, settings: SupabaseSettings, read: Read) -> None:
        self._settings = settings.model_dump(by_alias=True)
        self._read = read

    async def head(self) -> Head:
        return await self._observe("head", Head)

    async def peers(self) -> Peers:
        return await self._observe("peers", Peers)

    async def mempool(self) -> Mempool:
        return await self._observe("mempool", Mempool)

    async def keys(self) -> Keys:
        return await self._observe("keys", Keys)

    async def economy(self) -> Economy:
        return await self._observe("economy", Economy)

    async def _observe(self, subject: str, model: type[M]) -> M:
        try:
            reply = await in_thread(lambda: self._read(subject, self._settings))
        except StoreError as error:
            raise Inconclusive(f"cannot read the chain's tables: {error.message}") from error
        return parse(subject, model, reply)


def parse(subject: str, model: type[M], reply: object) -> M:
    """Strictly, as JSON: a text where a number belongs is no number."""
    try:
        return model.model_validate_json(json.dumps(reply), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join([subject, *map(str, first["loc"])])
        raise Inconclusive(f"the chain's tables make no sense: {place}: {first['msg']}") from error


def _open(_endpoint: str | None, settings: SupabaseSettings, _net: Net, read: Read) -> Chain:
    return SupabaseChain(settings, read)


FAMILY = ChainFamily(
    Settings=SupabaseSettings,
    kinds=("blockchain", "p2p", "mempool", "quantum", "economics"),
    needs_endpoint=False,
    open=_open,
)
