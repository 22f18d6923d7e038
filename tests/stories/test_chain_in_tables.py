"""A chain whose state is in tables of the same project: every group of the summary, from the functions' own reading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from infra.local.paths import TESTS
from tests.stories.world import Watched, World

TABLES = (Path(TESTS) / "supabase" / "chain.sql").read_text()
SCHEMA = "story_chain"

# 1,500 pending transactions: more than a page of the API holds. One peer is banned, one was last seen yesterday.
STATE = """
insert into story_chain.blockchain_blocks (block_index, block_hash, created_at)
  select n, 'hash ' || n, now() - (20 - n) * interval '10 seconds' from generate_series(0, 20) as n;
insert into story_chain.p2p_peers (peer_id, reputation_score, last_seen_at, is_banned)
  select 'peer ' || n, 80, now(), n = 5 from generate_series(1, 5) as n;
insert into story_chain.p2p_peers (peer_id, reputation_score, last_seen_at, is_banned)
  values ('gone', 60, now() - interval '1 day', false);
insert into story_chain.blockchain_mempool (transaction_id, transaction_fee, size_bytes, received_at, status)
  select 'tx ' || n, 0.00000001, 250, now(), 'pending' from generate_series(1, 1500) as n;
insert into story_chain.quantum_key_cache (key_type, created_at, expires_at, is_active)
  values ('kem', now(), now() + interval '30 days', true), ('kem', now(), now() - interval '1 day', true);
insert into story_chain.quantum_performance_metrics (operation_type, cache_hit, created_at)
  select 'sign', n <= 3, now() from generate_series(1, 4) as n;
insert into story_chain.user_token_balances (user_id, balance, locked_balance, total_earned, total_spent)
  values (gen_random_uuid(), 123456789012.00000001, 1, 123456789013, 1), (gen_random_uuid(), 0, 0, 0, 0);
"""


@pytest.fixture
def chain(world: World) -> Iterator[Watched]:
    world.db.execute(f"drop schema if exists {SCHEMA} cascade")
    world.db.execute(f"create schema {SCHEMA}")
    owned = re.sub(r"\bpublic\.", f"{SCHEMA}.", TABLES)
    world.db.execute(owned.encode())
    world.db.execute(STATE.encode())
    checks: dict[str, dict[str, int]] = {
        kind: {} for kind in ("blockchain", "p2p", "mempool", "quantum", "economics")
    }
    yield world.watch(
        None, chain="supabase", settings={"schema": SCHEMA}, labels={"primary": "true"}, checks=checks
    )
    world.forget_all()
    world.db.execute(f"drop schema {SCHEMA} cascade")


def test_a_chain_in_tables_fills_every_group_of_the_summary(world: World, chain: Watched) -> None:
    chain.look()
    told = world.summary()
    assert {told[group]["target"] for group in ("blockchain", "mempool", "quantum_security")} == {chain.name}
    assert (told["blockchain"]["latest_block"], told["blockchain"]["total_blocks"]) == (20, 21)
    assert told["blockchain"]["avg_block_time"] == 10
    assert (told["p2p_network"]["active_peers"], told["p2p_network"]["total_peers"]) == (4, 6)
    assert told["mempool"]["pending_transactions"] == 1500
    assert Decimal(str(told["mempool"]["total_fees"])) == Decimal("0.000015")
    assert (told["quantum_security"]["active_keys"], told["quantum_security"]["cache_hit_rate"]) == (1, 75)
    values = chain.told()["checks"]["economics"]["values"]
    assert values["active_accounts"]["value"] == 1
    exact = world.db.execute(
        "select value from watchkeeper.latest_values l join watchkeeper.checks c on c.id = l.check_id "
        "where c.target_id = %s and metric_name = 'supply'",
        [chain.id],
    ).fetchone()
    assert exact == (Decimal("123456789012.00000001"),)


def test_a_table_that_is_gone_is_unknown_and_names_its_setting(world: World, chain: Watched) -> None:
    chain.look()
    world.db.execute(f"drop table {SCHEMA}.blockchain_blocks")
    run = chain.look("blockchain")
    assert run.outcome == "unknown"
    assert "settings.tables.blocks" in str(run.reason)
    group = world.summary()["blockchain"]
    assert (group["status"], group["latest_block"]) == ("unknown", None)
    assert chain.alerts() == {}
