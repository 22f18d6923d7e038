"""Reading a chain that is in tables: right numbers, any names, no surprises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.supabase.world import Db, Json, refused

SUBJECTS = ("head", "peers", "mempool", "keys", "economy")
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def chain(db: Db) -> Db:
    db.connection.execute((Path(__file__).parent / "chain.sql").read_bytes())
    return db


def observe(db: Db, subject: str, settings: Any = None) -> Json:
    answer: Json = db.value(
        "select watchkeeper.observe_chain_tables(%s, %s, %s)", subject, settings or {}, NOW
    )
    return answer


def block(db: Db, height: int, age_s: float) -> None:
    db.run("insert into blockchain_blocks (block_index, block_hash, created_at) values (%s, %s, %s)",
           height, f"0x{height}", NOW - timedelta(seconds=age_s))  # fmt: skip


def test_empty_tables_have_no_block_and_count_nothing(chain: Db) -> None:
    seen = {subject: observe(chain, subject) for subject in SUBJECTS}
    for each in seen.values():
        assert datetime.fromisoformat(each.pop("observed_at")) == NOW
    assert seen == {
        "head": {"total_blocks": 0, "height": None, "hash": None, "block_at": None, "avg_block_time_s": None},
        "peers": {"active": 0, "total": 0, "avg_reputation": None},
        "mempool": {"pending": 0, "total_fees": "0", "size_bytes": 0, "oldest_at": None},
        "keys": {"active": 0, "total": 0, "expiring_7d": 0, "cache_hits": 0, "cache_lookups": 0},
        "economy": {"accounts": 0, "active_accounts": 0, "negative_accounts": 0, "supply": "0", "locked": "0",
                    "earned": "0", "spent": "0"},
    }  # fmt: skip


def test_in_a_stall_the_height_stays_what_it_is(chain: Db) -> None:
    """Looking at the last hour only, it once turned null in the very stall."""
    for n in range(20):
        block(chain, n, 86400 - 12 * n)
    head = observe(chain, "head")
    assert (head["total_blocks"], head["height"], head["hash"]) == (20, 19, "0x19")
    assert float(head["avg_block_time_s"]) == 12
    assert datetime.fromisoformat(head["block_at"]) == NOW - timedelta(seconds=86400 - 12 * 19)


def test_the_block_time_is_of_the_newest_blocks_and_counts_gaps(chain: Db) -> None:
    for height, age in ((1, 1000), (10, 40), (12, 20), (13, 0)):
        block(chain, height, age)
    assert float(observe(chain, "head", {"block_window": 2})["avg_block_time_s"]) == pytest.approx(40 / 3)
    assert observe(chain, "head", {"block_window": 1})["avg_block_time_s"] == 20
    chain.run("delete from blockchain_blocks where block_index > 1")
    assert observe(chain, "head")["avg_block_time_s"] is None


def test_banned_peers_are_neither_active_nor_averaged(chain: Db) -> None:
    for reputation, age_s, banned in ((80, 10, False), (60, 299, None), (40, 301, False), (0, 1, True)):
        chain.run("insert into p2p_peers (reputation_score, last_seen_at, is_banned) values (%s, %s, %s)",
                  reputation, NOW - timedelta(seconds=age_s), banned)  # fmt: skip
    peers = observe(chain, "peers")
    assert (peers["active"], peers["total"], float(peers["avg_reputation"])) == (2, 4, 60)
    assert observe(chain, "peers", {"peer_active_within_s": 600})["active"] == 3


def test_fifteen_hundred_pending_transactions_are_fifteen_hundred(chain: Db) -> None:
    """A page of the API ends at 1,000 rows: counted there, no threshold above it was ever reached."""
    chain.run(
        "insert into blockchain_mempool select n::text, 0.00000001, 250, %s, "
        "(array['pending', 'confirmed'])[1 + n / 1501]::transaction_status from generate_series(1, 2000) as n", NOW,
    )  # fmt: skip
    pool = observe(chain, "mempool")
    assert (pool["pending"], pool["total_fees"], pool["size_bytes"]) == (1500, "0.00001500", 375000)


def test_expired_keys_are_not_active_and_hits_are_counted_against_lookups(chain: Db) -> None:
    for days, active in ((None, True), (1, True), (30, True), (-1, True), (1, False)):
        chain.run("insert into quantum_key_cache (expires_at, is_active, cache_hit_count) values (%s, %s, 1000)",
                  None if days is None else NOW + timedelta(days=days), active)  # fmt: skip
    for hit, age_s in ((True, 10), (True, 3599), (False, 5), (None, 5), (True, 3601), (True, -60)):
        chain.run("insert into quantum_performance_metrics (cache_hit, created_at) values (%s, %s)",
                  hit, NOW - timedelta(seconds=age_s))  # fmt: skip
    keys = observe(chain, "keys")
    assert (keys["active"], keys["total"], keys["expiring_7d"]) == (3, 5, 1)
    assert (keys["cache_hits"], keys["cache_lookups"]) == (2, 3)


def test_balances_add_up_to_the_last_decimal(chain: Db) -> None:
    chain.run("insert into user_token_balances (balance, locked_balance, total_earned, total_spent) values "
              "(0.1, 0.00000001, 999999999999.99999999, 0), (0.2, 0, 0.00000001, 0), (-0.3, 0, 0, 0.7)")  # fmt: skip
    economy = observe(chain, "economy")
    assert (economy["supply"], economy["locked"]) == ("0.00000000", "0.00000001")
    assert (economy["earned"], economy["spent"]) == ("1000000000000.00000000", "0.70000000")
    assert (economy["accounts"], economy["active_accounts"], economy["negative_accounts"]) == (3, 2, 1)


HOSTILE = """bl"oc'ks; drop table x; --"""


def test_tables_and_columns_may_have_any_name(chain: Db) -> None:
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    chain.run('create schema "My App"')
    chain.run('alter table blockchain_blocks set schema "My App"')
    chain.run(f'alter table "My App".blockchain_blocks rename to {quoted}')
    chain.run(f'alter table "My App".{quoted} rename column block_index to "He ight"')
    chain.run(f'insert into "My App".{quoted} ("He ight") values (7)')  # noqa: S608
    settings = {
        "schema": "My App",
        "tables": {"blocks": HOSTILE},
        "columns": {"blocks": {"height": "He ight"}},
    }
    assert observe(chain, "head", settings)["height"] == 7


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_answers_through_the_api(chain: Db, subject: str) -> None:
    with chain.acting_as("service_role"):
        assert chain.rpc("observe_chain_tables", subject=subject)["observed_at"]


@pytest.mark.parametrize(
    ("subject", "settings", "message"),
    [
        ("head", {"tables": {"blocks": "nope"}}, "settings.tables.blocks: there is no table public.nope"),
        ("head", {"tables": {"blocks": HOSTILE}}, "settings.tables.blocks: there is no table"),
        ("head", {"schema": "nope"}, "settings.tables.blocks: there is no table nope.blockchain_blocks"),
        ("head", {"columns": {"blocks": {"height": "nope"}}}, "settings.columns.blocks: public.blockchain_"),
        ("head", {"columns": {"blocks": {"height": HOSTILE}}}, "settings.columns.blocks: "),
        ("head", {"columns": {"blocks": {"height": "ctid"}}}, "settings.columns.blocks: "),
        ("keys", {"tables": {"key_uses": "nope"}}, "settings.tables.key_uses: there is no table"),
        *(("head", {"schema": schema}, "settings.schema: ") for schema in
          ("auth", "watchkeeper", "pg_catalog", "information_schema", "vault", "storage")),
        ("peers", {"columns": {"peers": {"reputation": "peer_id"}}}, "settings.columns: the tables cannot be read"),
        ("mempool", {"columns": {"mempool": {"status": "size_bytes"}}}, "settings.columns: the tables cannot be read"),
        ("keys", {"columns": {"keys": {"is_active": "algorithm"}}}, "settings.columns: the tables cannot be read"),
        ("peers", {"peer_active_within_s": 0}, "settings.peer_active_within_s: must be from 1"),
        ("peers", {"peer_active_within_s": "abc"}, "settings.peer_active_within_s: must be a whole number"),
        ("peers", {"peer_active_within_s": 1e300}, "settings.peer_active_within_s: must be from 1"),
        ("head", {"block_window": None}, "settings.block_window: must be a whole number"),
        ("head", {"block_window": 10001}, "settings.block_window: must be from 1"),
        ("keys", {"cache_window_s": 1.5}, "settings.cache_window_s: must be a whole number"),
        ("head", {"table": {}}, "settings.table: is not known"),
        ("head", {"tables": []}, "settings.tables: must be a map"),
        ("head", {"tables": {"block": "x"}}, "settings.tables.block: is not known"),
        ("head", {"tables": {"blocks": 1}}, "settings.tables.blocks: must be a text"),
        ("head", {"tables": {"blocks": ""}}, "settings.tables.blocks: must have"),
        ("head", {"columns": {"blocks": "x"}}, "settings.columns.blocks: must be a map"),
        ("head", {"columns": {"blocks": {"nope": "x"}}}, "settings.columns.blocks.nope: is not known"),
        ("head", {"x": "y" * 1_000_000}, "settings: must have at most 20000"),
        ("head", [], "settings: must be a JSON object"),
        ("tail", {}, "subject: must be one of"),
        ("", {}, "subject: must be one of"),
        (None, {}, "subject: must be one of"),
        ("x" * 1_000_000, {}, "subject: must be one of"),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused_by_name(
    chain: Db, subject: Any, settings: Any, message: str
) -> None:
    with refused(chain, "22023", naming=message), chain.acting_as("service_role"):
        chain.rpc("observe_chain_tables", subject=subject, settings=settings)


def test_a_table_that_is_not_there_yet_names_its_setting(db: Db) -> None:
    for subject, part in zip(SUBJECTS, ("blocks", "peers", "mempool", "keys", "balances"), strict=True):
        with refused(db, "22023", naming=f"settings.tables.{part}: there is no table"):
            observe(db, subject)


def test_the_settings_of_the_deployed_code_are_the_defaults_here(db: Db) -> None:
    from watchkeeper.chains.supabase import SupabaseSettings  # noqa: PLC0415

    assert SupabaseSettings().model_dump(by_alias=True) == db.value(
        "select watchkeeper.chain_table_defaults()"
    )
