"""Tokens of tools: each RPC a tool may call holds the token against its row, and admins make and revoke them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.supabase.rights import RPCS
from tests.supabase.test_audit import chain, entries, head
from tests.supabase.world import TOOLS, Db, World, refused

INGEST, METRICS = TOOLS
METRIC = {"metric_name_param": "disk", "metric_value_param": 1}
# What a tool may call, with arguments that would do.
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "record_system_metric": (INGEST, METRIC),
    "record_benchmark": (INGEST, {"benchmark_name": "ci", "operation_type": "sign", "duration_ms": 1}),
    "record_benchmarks": (INGEST, {"benchmarks": []}),
    "record_heartbeat": (INGEST, {"token": "the-token"}),
    "get_system_health_summary": (METRICS, {}),
}


@pytest.fixture
def beating(world: World) -> Db:
    """With a heartbeat whose token is known."""
    world.db.rpc("save_heartbeat", heartbeat={"name": "backup", "period_s": 60})
    world.db.run("update watchkeeper.heartbeats set token_hash = sha256('the-token')")
    return world.db


def only_row(db: Db) -> dict[str, Any]:
    (row,) = db.rpc("list_api_tokens")
    return dict(row)


def test_all_that_tools_may_call_is_tried_here() -> None:
    assert {name for name, (roles, _) in RPCS.items() if set(roles) & set(TOOLS)} == set(CALLS)


@pytest.mark.parametrize("rpc", CALLS)
def test_a_tool_is_served_while_its_token_holds(beating: Db, rpc: str) -> None:
    db = beating
    role, given = CALLS[rpc]
    jti = str(db.registered(role))
    for claims, problem in (
        ({"jti": None}, "this token has no jti"),
        ({"jti": ""}, "this token is not registered"),
        ({"jti": "';--"}, "this token is not registered"),
        ({"jti": str(uuid4())}, "this token is not registered"),
        # of the other tool
        ({"jti": str(db.registered(METRICS if role == INGEST else INGEST))}, "this token is not registered"),
    ):
        with refused(db, "42501", naming=problem), db.acting_as(role, **claims):
            db.rpc(rpc, **given)
    with db.acting_as(role, jti=jti):
        db.rpc(rpc, **given)
    db.run("update watchkeeper.api_tokens set expires_at = now() where id = %s", jti)
    with refused(db, "42501", naming="this token expired at "), db.acting_as(role, jti=jti):
        db.rpc(rpc, **given)
    db.run("update watchkeeper.api_tokens set expires_at = now() + interval '1 s' where id = %s", jti)
    db.rpc("revoke_api_token", name=f"a test ({role})")
    with refused(db, "42501", naming="this token was revoked at "), db.acting_as(role, jti=jti):
        db.rpc(rpc, **given)


def test_what_is_no_tool_needs_no_token(beating: Db) -> None:
    with beating.asking_as("anon"):
        beating.rpc("record_heartbeat", token="the-token")
    with beating.asking_as("admin"):
        beating.rpc("record_system_metric", **METRIC)
    with beating.asking_as("viewer"):
        beating.rpc("get_system_health_summary")


def test_a_new_token_is_told_with_all_its_claims_and_its_row_says_who_made_it(db: Db) -> None:
    with db.acting_as("authenticated", db.member("admin", "ann@example.org")):
        made = db.rpc("create_api_token", name="ci", role=INGEST, expires_in_days=7)
        row = only_row(db)
    assert made == {key: row["id" if key == "jti" else key] for key in made}
    assert sorted(made) == ["created_at", "expires_at", "jti", "name", "role"]
    assert (row["created_by"], row["status"], row["last_used_at"]) == ("ann@example.org", "active", None)
    assert db.value("select expires_at - created_at = '7 days' from watchkeeper.api_tokens")
    db.run("update watchkeeper.api_tokens set expires_at = now()")
    assert only_row(db)["status"] == "expired"


def test_ninety_days_unless_said_otherwise(db: Db) -> None:
    db.rpc("create_api_token", name="ci", role=METRICS)
    assert db.value("select expires_at - created_at = '90 days' from watchkeeper.api_tokens")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("name", None), ("name", " "), ("name", "x" * 101), ("role", None), ("role", "ingest"),
        ("role", "service_role"), ("role", "authenticated"), ("expires_in_days", None), ("expires_in_days", 0),
        ("expires_in_days", -1), ("expires_in_days", 3651), ("expires_in_days", 2147483647),
    ],
)  # fmt: skip
def test_a_bad_token_is_refused_by_name(db: Db, argument: str, value: Any) -> None:
    with refused(db, "22023", naming=f"{argument}: "):
        db.rpc("create_api_token", **{"name": "ci", "role": INGEST, "expires_in_days": 1, argument: value})


def test_a_name_is_taken_until_its_token_is_revoked(db: Db) -> None:
    first = db.rpc("create_api_token", name="ci", role=INGEST)
    for role in TOOLS:
        with refused(db, "PT409", naming="name: there is a token of this name"):
            db.rpc("create_api_token", name="ci", role=role)
    db.rpc("revoke_api_token", name="ci")
    with refused(db, "PT404", naming="name: there is no such token"):
        db.rpc("revoke_api_token", name="ci")
    second = db.rpc("create_api_token", name="ci", role=INGEST)
    rows = db.rpc("list_api_tokens")
    assert [(row["id"], row["status"]) for row in rows] == [
        (second["jti"], "active"),
        (first["jti"], "revoked"),
    ]


def test_the_last_use_is_noted_once_a_minute_and_not_of_what_was_refused(db: Db) -> None:
    jti = str(db.registered(INGEST))

    def used_after(aged: str) -> bool:
        db.run("update watchkeeper.api_tokens set last_used_at = now() - %s::interval", aged)
        with db.acting_as(INGEST, jti=jti):
            db.rpc("record_system_metric", **METRIC)
        return bool(db.value("select last_used_at = now() from watchkeeper.api_tokens"))

    with refused(db, "22023"), db.acting_as(INGEST, jti=jti):
        db.rpc("record_system_metric", **{**METRIC, "metric_name_param": ""})
    assert only_row(db)["last_used_at"] is None
    with db.acting_as(INGEST, jti=jti):
        db.rpc("record_system_metric", **METRIC)
    assert only_row(db)["last_used_at"] is not None
    assert (used_after("59 s"), used_after("61 s")) == (False, True)


def test_a_summary_is_read_where_nothing_may_be_written(db: Db) -> None:
    """As PostgREST runs it."""
    jti = str(db.registered(METRICS))
    with db.acting_as(METRICS, jti=jti):
        db.run("set local transaction_read_only = on")
        db.rpc("get_system_health_summary")
    assert only_row(db)["last_used_at"] is None


def test_the_log_knows_who_made_and_who_revoked_it_and_nothing_of_its_use(db: Db) -> None:
    before = head(db)
    with db.acting_as("authenticated", db.member("admin", "ann@example.org")):
        jti = db.rpc("create_api_token", name="ci", role=INGEST)["jti"]
        db.rpc("create_api_token", name="grafana", role=METRICS)
    chain(db)
    with db.acting_as(INGEST, jti=jti):
        db.rpc("record_system_metric", **METRIC)
    chain(db)
    db.rpc("revoke_api_token", name="ci")
    rows = [row for row in entries(db, before) if row["table_name"] == "api_tokens"]
    assert [(row["actor"], row["action"], row["row_key"]) for row in rows] == [
        ("ann@example.org", "insert", "ci"),
        ("ann@example.org", "insert", "grafana"),
        ("operator", "update", "ci"),
    ]
    assert rows[-1]["before"]["revoked_at"] is None
    assert rows[-1]["after"]["revoked_at"] is not None
