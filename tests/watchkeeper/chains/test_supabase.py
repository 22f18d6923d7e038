import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def observe(subject: str, reply: object, settings: SupabaseSettings | None = None) -> Any:  # noqa: ANN401
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
