import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.support.parts import Database
from watchkeeper.chains.supabase import SupabaseChain, SupabaseSettings, parse
from watchkeeper.errors import Inconclusive, StoreError
from watchkeeper.model import Economy, Head, Keys, Mempool, Model, Peers

AT = "2026-11-23T12:00:00.123456+00:00"
NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
REPLIES: dict[str, dict[str, Any]] = {
    "head": {"total_blocks": 3, "height": 2, "hash": "ab", "block_at": AT, "avg_block_time_s": 10.5},
    "peers": {"active": 1, "total": 2, "avg_reputation": 81.5},
    "mempool": {"pending": 0, "total_fees": "0.00000001", "size_bytes": 0, "oldest_at": None},
    "keys": {"active": 1, "total": 2, "expiring_7d": 0, "cache_hits": 0, "cache_lookups": 0},
    "economy": {
        "accounts": 1, "active_accounts": 1, "supply": "90071992547409930000.00000001", "locked": "0",
        "earned": "0", "spent": "0", "negative_accounts": 0,
    },
}  # fmt: skip
REPLIES = {subject: {**reply, "observed_at": AT} for subject, reply in REPLIES.items()}
MODELS: dict[str, type[Model]] = {
    "head": Head, "peers": Peers, "mempool": Mempool, "keys": Keys, "economy": Economy,
}  # fmt: skip


def observe(subject: str, reply: object, settings: SupabaseSettings | None = None) -> Any:
    """What the adapter makes of what the database says."""

    def read(asked: str, given: dict[str, Any]) -> object:
        assert asked == subject
        assert given["schema"] == "public"
        if isinstance(reply, Exception):
            raise reply
        return reply

    return asyncio.run(getattr(SupabaseChain(settings or SupabaseSettings(), read), subject)())


@pytest.mark.parametrize("subject", REPLIES)
def test_each_reply_of_the_contract_is_understood(subject: str) -> None:
    assert observe(subject, REPLIES[subject]) == MODELS[subject].model_validate(REPLIES[subject])


def test_numbers_and_times_stay_exact() -> None:
    assert observe("economy", REPLIES["economy"]).supply == Decimal("90071992547409930000.00000001")
    assert observe("head", REPLIES["head"]).block_at == NOON


def test_an_empty_chain_is_known_to_be_empty() -> None:
    reply = {**dict.fromkeys(REPLIES["head"]), "total_blocks": 0, "observed_at": AT}
    head = observe("head", reply)
    assert (head.total_blocks, head.height, head.block_at) == (0, None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"total_blocks": "3"}, {"total_blocks": True}, {"total_blocks": -1}, {"total_blocks": 1.5},
        {"height": 2**63}, {"block_at": "yesterday"}, {"block_at": "2026-11-23T12:00:00"}, {"block_at": 12},
        {"avg_block_time_s": "NaN"}, {"avg_block_time_s": float("nan")}, {"avg_block_time_s": -1},
        {"surprise": 1},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_inconclusive_and_named(change: dict[str, Any]) -> None:
    with pytest.raises(Inconclusive, match=f"head.{next(iter(change))}"):
        observe("head", REPLIES["head"] | change)


@pytest.mark.parametrize("reply", [None, [], "x", 3])
def test_what_is_no_object_is_inconclusive(reply: object) -> None:
    with pytest.raises(Inconclusive, match="make no sense"):
        observe("peers", reply)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*REPLIES["head"]]), inner, max_size=6)
    ),
)


@given(json_values)
def test_no_reply_whatever_breaks_the_adapter(reply: object) -> None:
    try:
        assert isinstance(parse("head", Head, reply), Head)
    except Inconclusive as error:
        error.reason.encode()


def test_a_missing_table_is_named_and_no_fact_about_the_chain() -> None:
    error = StoreError("22023", "settings.tables.blocks: there is no table public.blocks")
    with pytest.raises(Inconclusive, match=r"cannot read the chain's tables: settings\.tables\.blocks: "):
        observe("head", error)


def test_names_that_differ_are_handed_on_beside_the_defaults() -> None:
    settings = SupabaseSettings.model_validate(
        {"tables": {"blocks": "my_blocks"}, "columns": {"blocks": {"height": "number"}}}
    )
    asked: list[dict[str, Any]] = []

    def read(_subject: str, given: dict[str, Any]) -> object:
        asked.append(given)
        return REPLIES["head"]

    asyncio.run(SupabaseChain(settings, read).head())
    assert asked[0]["tables"]["blocks"] == "my_blocks"
    assert asked[0]["tables"]["peers"] == "p2p_peers"
    assert asked[0]["columns"]["blocks"] == {
        "height": "number",
        "hash": "block_hash",
        "created_at": "created_at",
    }


@pytest.mark.parametrize(
    "given",
    [
        {"tables": {"block": "x"}},
        {"columns": {"blocks": {"heigth": "x"}}},
        {"schema": ""},
        {"block_window": 0},
    ],
)
def test_a_setting_that_is_not_known_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="1 validation error"):
        SupabaseSettings.model_validate(given)


TABLES = """
create table public.blockchain_blocks (
  block_index bigint unique, block_hash text, created_at timestamptz);
create table public.p2p_peers (
  peer_id text, reputation_score numeric, last_seen_at timestamptz, is_banned boolean);
create table public.blockchain_mempool (
  transaction_fee numeric(20, 8), size_bytes integer, received_at timestamptz, status text);
create table public.quantum_key_cache (
  key_type text, expires_at timestamptz, is_active boolean);
create table public.quantum_performance_metrics (
  cache_hit boolean, created_at timestamptz);
create table public.user_token_balances (
  balance numeric(30, 8), locked_balance numeric(30, 8), total_earned numeric(30, 8), total_spent numeric(30, 8));
"""
ROWS = """
insert into public.blockchain_blocks
  select n, md5(n::text), now() - make_interval(secs => 10 * (1500 - n)) from generate_series(0, 1500) as n;
insert into public.p2p_peers values
  ('a', 80, now(), false), ('b', 71, now() - interval '1 day', false), ('c', 0, now(), true);
insert into public.blockchain_mempool
  select 0.00000001, 250, now(), 'pending' from generate_series(1, 1200);
insert into public.quantum_key_cache values
  ('a', now() + interval '1 day', true), ('b', now() - interval '1 day', true);
insert into public.quantum_performance_metrics values (true, now()), (true, now()), (false, now());
insert into public.user_token_balances values
  (90071992547409930000.00000001, 0, 1, 2), (-1, 0, 0, 0);
"""


@pytest.fixture
def chain(fresh_database: Database) -> Iterator[tuple[psycopg.Connection[Any], SupabaseChain]]:
    """The adapter on a real database that holds an empty chain."""
    with fresh_database.connect() as db:
        db.execute(TABLES)

        def read(subject: str, settings: dict[str, Any]) -> object:
            found = db.execute(
                "select public.observe_chain_tables(%s, %s)", [subject, Jsonb(settings)]
            ).fetchone()
            return found and found[0]

        yield db, SupabaseChain(SupabaseSettings(), read)


def test_a_real_empty_chain_is_known_to_be_empty(
    chain: tuple[psycopg.Connection[Any], SupabaseChain],
) -> None:
    adapter = chain[1]
    head = asyncio.run(adapter.head())
    assert (head.total_blocks, head.height, head.block_at, head.avg_block_time_s) == (0, None, None, None)
    assert asyncio.run(adapter.peers()).active == 0
    assert asyncio.run(adapter.mempool()).total_fees == 0
    assert asyncio.run(adapter.keys()).cache_lookups == 0
    assert asyncio.run(adapter.economy()).supply == 0


def test_a_real_chain_is_counted_exactly(chain: tuple[psycopg.Connection[Any], SupabaseChain]) -> None:
    db, adapter = chain
    db.execute(ROWS)
    head = asyncio.run(adapter.head())
    assert (head.total_blocks, head.height, head.avg_block_time_s) == (1501, 1500, Decimal(10))
    peers = asyncio.run(adapter.peers())
    assert (peers.active, peers.total, peers.avg_reputation) == (1, 3, Decimal("75.5"))
    mempool = asyncio.run(adapter.mempool())
    assert (mempool.pending, mempool.total_fees, mempool.size_bytes) == (1200, Decimal("0.000012"), 300000)
    keys = asyncio.run(adapter.keys())
    assert (keys.active, keys.total, keys.expiring_7d, keys.cache_hits, keys.cache_lookups) == (1, 2, 1, 2, 3)
    economy = asyncio.run(adapter.economy())
    assert (economy.supply, economy.negative_accounts) == (Decimal("90071992547409929999.00000001"), 1)
