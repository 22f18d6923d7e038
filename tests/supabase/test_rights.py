"""The matrix of rights.py, as the catalog has it and as it really goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.supabase.rights import CALLERS, HELPERS, NOBODY, ROLES, RPCS, SEQUENCES, TABLES
from tests.supabase.world import MEMBERS, Array, Db, World, a_target, refused
from tests.support.parts import Cluster, Database

TABLE_VERBS = ("select", "insert", "update", "delete", "truncate", "references", "trigger")
API_TABLES = [table for table in TABLES if table.startswith("public.")]


def relations(db: Db, kinds: str) -> list[str]:
    return db.values(
        "select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
        "where n.nspname in ('public', 'watchkeeper') and c.relkind = any (%s::text::char[]) order by 1",
        "{" + ",".join(kinds) + "}",
    )


def functions(db: Db) -> list[tuple[str, str, str]]:
    """Schema, name and signature."""
    return db.rows(
        "select n.nspname, p.proname, p.oid::regprocedure::text from pg_proc as p "
        "join pg_namespace as n on n.oid = p.pronamespace where n.nspname in ('public', 'watchkeeper') order by 3"
    )


def test_every_table_has_a_row_in_the_matrix(db: Db) -> None:
    assert relations(db, "rpvmf") == sorted(TABLES)
    assert relations(db, "S") == sorted(SEQUENCES)


def test_every_function_of_the_api_has_a_row_in_the_matrix(db: Db) -> None:
    names = [name for schema, name, _ in functions(db) if schema == "public"]
    assert sorted(names) == sorted(RPCS), "an RPC is missing in rights.py, or has two signatures"


@pytest.mark.parametrize("table", TABLES)
def test_the_catalog_grants_on_tables_what_the_matrix_says(db: Db, table: str) -> None:
    granted = {
        (role, verb)
        for role in ROLES
        for verb in TABLE_VERBS
        if db.value("select has_table_privilege(%s, %s, %s) or (%s = any (array['select', 'insert', 'update', "
                    "'references']) and has_any_column_privilege(%s, %s, %s))",
                    role, table, verb, verb, role, table, verb if verb in TABLE_VERBS[:3] else "references")
    }  # fmt: skip
    assert granted == {(role, verb) for verb, roles in TABLES[table].items() for role in roles}


def test_nobody_may_touch_a_sequence(db: Db) -> None:
    for sequence in SEQUENCES:
        for role in ROLES:
            assert not db.value(
                "select has_sequence_privilege(%s, %s, 'usage, select, update')", role, sequence
            )


def test_the_catalog_grants_on_functions_what_the_matrix_says(db: Db) -> None:
    for schema, name, signature in functions(db):
        expected = (
            RPCS.get(name, (HELPERS.get(name, NOBODY),))[0] if schema == "watchkeeper" else RPCS[name][0]
        )
        granted = [
            role
            for role in ROLES
            if db.value("select has_function_privilege(%s, %s, 'execute')", role, signature)
        ]
        assert sorted(granted) == sorted(expected), signature


def test_no_function_is_executable_by_public(db: Db) -> None:
    open_to_all = db.values(
        "select p.oid::regprocedure::text from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace, "
        "aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a "
        "where n.nspname in ('public', 'watchkeeper') and a.grantee = 0"
    )
    assert open_to_all == []


def test_what_a_later_migration_creates_is_nobodys_until_it_is_granted(db: Db) -> None:
    db.run(
        "create table public.later (x integer); create function public.later() returns int language sql as 'select 1'"
    )
    for role in ROLES:
        assert not db.value("select has_table_privilege(%s, 'public.later', 'select')", role)
        assert not db.value("select has_function_privilege(%s, 'public.later()', 'execute')", role)


def test_row_level_security_is_on_for_every_table(db: Db) -> None:
    off = db.values(
        "select c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
        "where n.nspname in ('public', 'watchkeeper') and c.relkind in ('r', 'p') and not c.relrowsecurity"
    )
    assert off == []


def test_definers_are_private_and_every_function_has_an_empty_search_path(db: Db) -> None:
    rows = db.rows(
        "select n.nspname, p.oid::regprocedure::text, p.prosecdef, p.proconfig from pg_proc as p "
        "join pg_namespace as n on n.oid = p.pronamespace where n.nspname in ('public', 'watchkeeper')"
    )
    assert [signature for schema, signature, definer, _ in rows if definer and schema == "public"] == []
    assert [signature for _, signature, _, settings in rows if 'search_path=""' not in (settings or [])] == []


def test_policies_ask_for_the_role_once_a_query_and_not_once_a_row(db: Db) -> None:
    policies = db.rows(
        "select tablename, roles::text[], cmd, qual from pg_policies where schemaname = 'public'"
    )
    assert sorted(f"public.{table}" for table, *_ in policies) == sorted(API_TABLES)
    for _, roles, command, condition in policies:
        assert (roles, command) == (["authenticated"], "SELECT")
        assert "( SELECT watchkeeper.has_role" in condition


def test_nobody_may_create_anything(db: Db) -> None:
    for role in ROLES:
        assert not db.value("select has_schema_privilege(%s, 'watchkeeper', 'create')", role)
        assert not db.value("select has_schema_privilege(%s, 'public', 'create')", role)


# What really happens ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lived_in_connection(cluster: Cluster) -> Iterator[psycopg.Connection]:
    """To a database that was lived in, committed once: a thousand cases begin with it."""
    database = cluster.copy("migrated")
    with database.connect() as connection:
        world = World(Db(connection))
        with connection.transaction():
            live(world)
        yield connection
    cluster.drop(database)


@pytest.fixture
def lived_in(lived_in_connection: psycopg.Connection) -> Iterator[World]:
    """One row in each table of the API."""
    with lived_in_connection.transaction(force_rollback=True):
        yield World(Db(lived_in_connection))


def live(world: World) -> None:
    """Leaves a row in each table of the API, and what the RPCs of the matrix ask for."""
    world.db.run(
        "create table public.blockchain_blocks (block_index int, block_hash text, created_at timestamptz)"
    )
    world.db.sign_up("new@example.org")
    world.db.member("viewer", "old@example.org")
    world.target(checks={"uptime": {}})
    for name in ("chat", "spare"):
        world.db.rpc("save_channel", channel={"name": name, "kind": "chat"})
    world.db.rpc("save_route", route={"name": "all", "channels": ["chat"]})
    world.db.rpc(
        "save_rotation",
        rotation={"name": "primary", "people": ["a@example.org"], "starts_at": "2026-01-05T09:00"},
    )
    world.db.rpc(
        "save_override",
        rotation="primary",
        person="b@example.org",
        from_time=world.at(0),
        to_time=world.at(9),
    )
    world.db.rpc("save_escalation", escalation={"name": "ladder", "steps": [{"after_s": 0}]})
    world.db.rpc("save_silence", silence=A_SILENCE)
    world.db.rpc("save_heartbeat", heartbeat={"name": "backup", "period_s": 60})
    world.db.rpc(
        "save_benchmark_rule", rule={"name": "slower", "benchmark_name": "ci", "operation_type": "sign"}
    )
    world.db.rpc("save_objective", objective={"name": "all"})
    world.db.rpc("create_api_token", name="grafana", role="watchkeeper_metrics")
    world.db.run("select watchkeeper.close_month('2025-10-01', '2025-11-02')")
    world.db.rpc("save_report_plan", plan={"name": "monthly"})
    world.db.run(
        "insert into watchkeeper.reports (kind, title, from_time, to_time, formats, requested_at, next_attempt_at, "
        "status, lease_id) "
        "select 'sla', r.status, '2026-01-01Z', '2026-01-02Z', '{pdf}', now(), now(), r.status, r.lease_id "
        "from (values ('failed', null), ('making', gen_random_uuid())) as r (status, lease_id)"
    )
    world.db.run("update watchkeeper.heartbeats set token_hash = sha256('the-token')")
    world.db.run("select watchkeeper.claim_due_checks(%s, 1, 'gone')", world.at(-60))
    tasks = world.tick(0)
    world.db.rpc("request_probe", target=a_target(), kind="blockchain")
    look = {"service_name": "web", "endpoint": "http://x", "is_up": True}
    world.record(50, [
        {"check_id": task["check_id"], "due_at": task["due_at"], "outcome": "ok", "started_at": task["due_at"],
         "finished_at": task["due_at"], "uptime": look} for task in tasks
    ])  # fmt: skip
    world.db.rpc(
        "record_system_metric",
        metric_name_param="temperature",
        metric_value_param=99,
        severity_param="critical",
    )
    world.db.run(
        "insert into incident_logs (incident_type, severity, title) values ('outage', 'high', 'It is down')"
    )
    world.db.run(
        "insert into performance_benchmarks (benchmark_name, operation_type, duration_ms) values ('b', 'sign', 1)"
    )


@pytest.mark.parametrize("table", API_TABLES)
def test_members_read_and_a_stranger_sees_no_row(lived_in: World, table: str) -> None:
    seen = {}
    for who in (*MEMBERS, "authenticated", "service_role"):
        with lived_in.db.asking_as(who):
            seen[who] = lived_in.db.value(f"select count(*) > 0 from {table}")  # noqa: S608
    assert seen == {**dict.fromkeys((*MEMBERS, "service_role"), True), "authenticated": False}


@pytest.mark.parametrize("who", ["anon", "watchkeeper_ingest", "watchkeeper_metrics"])
@pytest.mark.parametrize("table", API_TABLES)
def test_anon_and_tools_may_not_even_look(lived_in: World, table: str, who: str) -> None:
    with refused(lived_in.db, "42501"), lived_in.db.asking_as(who):
        lived_in.db.run(f"select from {table}")


@pytest.mark.parametrize("who", CALLERS)
def test_nobody_writes_a_table_directly(lived_in: World, who: str) -> None:
    columns = {
        "system_health_metrics": "metric_name", "system_alerts": "message", "incident_logs": "title",
        "performance_benchmarks": "benchmark_name", "uptime_checks": "service_name",
    }  # fmt: skip
    with lived_in.db.asking_as(who):
        for table, column in columns.items():
            for statement in (
                f"insert into public.{table} default values",
                f"update public.{table} set {column} = 'forged'",  # noqa: S608
                f"delete from public.{table}",  # noqa: S608
                f"truncate public.{table}",
            ):
                with (
                    pytest.raises(psycopg.errors.InsufficientPrivilege),
                    lived_in.db.connection.transaction(),
                ):
                    lived_in.db.run(statement)


@pytest.mark.parametrize("table", [table for table in TABLES if table.startswith("watchkeeper.")])
def test_private_tables_are_closed_even_to_the_secret_key(db: Db, table: str) -> None:
    for who in ("admin", "service_role"):
        with refused(db, "42501"), db.asking_as(who):
            db.run(f"select from {table}")


A_SILENCE = {"comment": "a move", "starts_at": "2026-01-05T09:00", "ends_at": "2026-01-05T10:00"}


def arguments(db: Db, rpc: str) -> dict[str, Any]:
    """Good ones: what is refused is refused because of who asks."""
    target: UUID = db.value("select id from watchkeeper.targets")
    now = datetime.now(UTC)
    making = db.rows("select id, lease_id from watchkeeper.reports where status = 'making'")[0]
    given: dict[str, dict[str, Any]] = {
        "publish_catalog": {"catalog": db.value("select document from watchkeeper.catalog")},
        "claim_due_checks": {"horizon_s": 60},
        "record_check_results": {"results": []},
        "observe_chain_tables": {"subject": "head", "settings": {}},
        "prune_history": {"keep_days": 30},
        "save_target": {"target": a_target("another")},
        "apply_targets": {"targets": [a_target("another")], "prune": True, "dry_run": False},
        "pause_target": {"target_id": target, "paused": True},
        "delete_target": {"target_id": target},
        "run_check_now": {"target_id": target, "kind": "uptime"},
        "get_target": {"target_id": target},
        "validate_target": {"target": a_target("another")},
        "validate_setting": {"kind": "route", "document": {"name": "another", "channels": ["chat"]}},
        "move_route": {"name": "all"},
        "get_setting": {"kind": "route", "key": "all"},
        "delete_setting": {"kind": "route", "key": "all", "version": db.value(
            "select watchkeeper.version_of(watchkeeper.setting_now('route', '{\"name\": \"all\"}'))")},
        "request_probe": {"target": a_target("another"), "kind": "blockchain"},
        "get_probe": {"probe_id": db.value("select id from watchkeeper.probes")},
        "settle_probe": {"probe_id": target, "result": {
            "check_id": str(target), "due_at": now.isoformat(), "started_at": now.isoformat(),
            "finished_at": now.isoformat(), "outcome": "ok"}},
        "grant_role": {"email": "new@example.org", "role": "viewer"},
        "revoke_role": {"email": "old@example.org"},
        "change_role": {"email": "new@example.org", "role": "viewer", "saw": None},
        "resolve_alert": {"alert_id": db.value("select id from system_alerts"), "note": "by hand"},
        "acknowledge_alert": {"alert_id": db.value("select id from system_alerts")},
        "get_alert": {"alert_id": db.value("select id from system_alerts")},
        "acknowledge_alerts": {"alert_ids": Array([db.value("select id from system_alerts")])},
        "get_metric_series": {"target_id": target, "metric_name": "height",
                              "from_time": now - timedelta(hours=1), "to_time": now, "points": 10},
        "get_compliance_report": {"from_time": now - timedelta(hours=1), "to_time": now},
        "list_alerts": {"status": "firing", "severity": "critical", "target_id": None, "before": now, "max_rows": 10,
                        "before_id": target},
        "record_system_metric": {"metric_name_param": "cpu", "metric_value_param": 1, "metric_unit_param": "percent",
                                 "severity_param": "info", "metadata_param": {}},
        "settle_deliveries": {"settlements": []},
        "record_heartbeat": {"token": "the-token"},
        "save_channel": {"channel": {"name": "another", "kind": "chat"}},
        "save_route": {"route": {"name": "another", "channels": ["chat"]}},
        "save_escalation": {"escalation": {"name": "another", "steps": [{"after_s": 60, "channels": ["chat"]}]}},
        "save_rotation": {"rotation": {"name": "another", "people": ["a@b"], "starts_at": "2026-01-05T09:00"}},
        "save_heartbeat": {"heartbeat": {"name": "another", "period_s": 60}},
        "save_silence": {"silence": A_SILENCE},
        "preview_silence": {"silence": A_SILENCE},
        "end_silence": {"silence_id": db.value("select id from watchkeeper.silences")},
        "delete_override": {"override_id": db.value("select id from watchkeeper.rotation_overrides")},
        "save_override": {"rotation": "primary", "person": "b@example.org", "from_time": now,
                          "to_time": now + timedelta(hours=1)},
        **{f"delete_{kind}": {"name": name} for kind, name in (
            ("channel", "spare"), ("route", "all"), ("escalation", "ladder"), ("rotation", "primary"),
            ("heartbeat", "backup"))},
        "send_test": {"channel": "chat"},
        "retry_delivery": {"delivery_id": db.value("select id from watchkeeper.deliveries limit 1")},
        "forget_region": {"name": "gone"},
        "save_watchdog": {"url": "https://example.org/hook"},
        "create_api_token": {"name": "ci", "role": "watchkeeper_ingest"},
        "revoke_api_token": {"name": "grafana"},
        "save_delivery_settings": {"settings": {"storm_alerts": 20}},
        "save_access_settings": {"settings": {"require_mfa": False}},
        "create_incident": {"title": "It is slow", "severity": "high"},
        **{rpc: {"incident_id": db.value("select id from incident_logs"), **more} for rpc, more in (
            ("update_incident_status", {"status": "investigating", "version": 1}), ("add_incident_note", {"note": "x"}),
            ("assign_incident", {"email": None, "version": 1}), ("get_incident", {}), ("draft_postmortem", {}),
            ("change_incident_severity", {"severity": "low", "version": 1}),
            ("set_affected_systems", {"affected_systems": Array(["web"]), "version": 1}),
            ("link_alert", {"alert_id": db.value("select id from system_alerts")}),
            ("save_postmortem", {"postmortem": "# It was slow", "version": 1}))},
        "save_incident_settings": {"settings": {"enabled": False}},
        "record_benchmark": {"benchmark_name": "ci", "operation_type": "sign", "duration_ms": 1},
        "record_benchmarks": {"benchmarks": []},
        "get_benchmark_series": {"benchmark_name": "ci", "operation_type": "sign",
                                 "from_time": now - timedelta(hours=1), "to_time": now},
        "save_benchmark_rule": {"rule": {"name": "b", "benchmark_name": "ci", "operation_type": "sign"}},
        "delete_benchmark_rule": {"name": "slower"},
        "save_report_plan": {"plan": {"name": "another"}},
        "delete_report_plan": {"name": "monthly"},
        "request_report": {"from_time": now - timedelta(days=1), "to_time": now},
        "renew_report": {"report_id": db.value("select id from watchkeeper.reports where status = 'failed'")},
        "get_report_data": {"report_id": making[0], "lease_id": making[1]},
        "settle_report": {"report": {"id": str(making[0]), "lease_id": str(making[1]), "outcome": "making"}},
        "save_objective": {"objective": {"name": "another"}},
        "delete_objective": {"name": "all"},
        "get_sla_report": {"from_time": now - timedelta(days=1), "to_time": now},
        "get_sla_close": {"month": "2025-10"},
        "verify_sla_close": {"month": "2025-10"},
        "apply_config": {"config": {"channels": [{"name": "another", "kind": "chat"}]}, "prune": False,
                         "dry_run": False},
    }  # fmt: skip
    return given.get(rpc, {})


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("rpc", RPCS)
def test_each_rpc_serves_whom_the_matrix_says_and_refuses_the_others(
    lived_in: World, rpc: str, who: str
) -> None:
    db = lived_in.db
    given = arguments(db, rpc)
    if who in RPCS[rpc][1]:
        with db.asking_as(who):
            db.rpc(rpc, **given)
    else:
        with refused(db, "42501"), db.asking_as(who):
            db.rpc(rpc, **given)


def test_a_login_that_inherits_authenticated_is_no_operator(fresh_database: Database) -> None:
    """Connected directly it runs as nobody's role; that once counted as the owner."""
    with psycopg.connect(fresh_database.superuser_url, autocommit=True) as server:
        server.execute("drop role if exists grafana")
        server.execute("create role grafana login password 'secret' in role authenticated")
    host = fresh_database.url.rpartition("@")[2]
    with psycopg.connect(f"postgresql://grafana:secret@{host}", autocommit=True) as grafana:
        assert Db(grafana).value("select count(*) from public.system_alerts") == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            Db(grafana).rpc("list_targets")
    with fresh_database.connect() as owner:
        assert Db(owner).rpc("list_targets") == []


def test_a_tool_whose_token_has_any_text_as_its_subject_can_work(world: World) -> None:
    for value in ("critical", "info"):
        with world.db.acting_as("watchkeeper_ingest", sub="ci-job"):
            world.db.rpc(
                "record_system_metric", metric_name_param="x", metric_value_param=1, severity_param=value
            )
    with world.db.acting_as("watchkeeper_metrics", sub="grafana"):
        assert world.db.rpc("get_system_health_summary")["status"] == "unknown"
