"""The audit log: what leaves a row, whose it is, what it shows, and that nobody can change it unnoticed."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.supabase.test_rights import A_SILENCE
from tests.supabase.world import Db, Json, World, a_target, anything, finding, only, refused
from tests.support.parts import Database

Connect = Callable[[], Db]
Line = tuple[str, str, str]

# Tables of `watchkeeper` and `public` that nobody sets anything in: what was measured, sent and worked out, and the
# log itself. A table that is not here needs a trigger.
NOT_SETTINGS = {
    "public.performance_benchmarks",
    "public.system_health_metrics",
    "public.uptime_checks",
    "watchkeeper.alert_transitions",
    "watchkeeper.audit_head",
    "watchkeeper.audit_log",
    "watchkeeper.audit_pending",
    "watchkeeper.availability_spans",
    "watchkeeper.catalog",
    "watchkeeper.check_states",
    "watchkeeper.deliveries",
    "watchkeeper.ladders",
    "watchkeeper.last_looks",
    "watchkeeper.latest_values",
    "watchkeeper.maintenance_clock",
    "watchkeeper.maintenance_spans",
    "watchkeeper.monitor",
    "watchkeeper.roll_ups",
    # drafts that are tried out, for ten minutes
    "watchkeeper.probes",
    "watchkeeper.rule_states",
    "watchkeeper.runs",
    "watchkeeper.services",
    "watchkeeper.sweep_clock",
    # closed and append-only by themselves
    "watchkeeper.sla_close_head",
    "watchkeeper.sla_closes",
    "watchkeeper.uptime_days",
    # what each region saw of a run
    "watchkeeper.votes",
    # what was made, by whom it says itself; the plans are settings
    "watchkeeper.reports",
    # the timeline of an incident: append-only, each line with its author
    "watchkeeper.incident_alerts",
    "watchkeeper.incident_entries",
}


def chain(db: Db) -> None:
    """What a commit does."""
    db.run("set constraints all immediate")
    db.run("set constraints all deferred")


def head(db: Db) -> int:
    return int(db.rpc("audit_head")["seq"])


def entries(db: Db, after: int = 0) -> list[Json]:
    chain(db)
    rows: list[Json] = db.rpc("export_audit_log", after_seq=after)["rows"]
    return rows


def lines(db: Db, after: int = 0) -> list[Line]:
    return [(row["action"], row["table_name"], row["row_key"]) for row in entries(db, after)]


def test_every_table_of_settings_is_audited(db: Db) -> None:
    bare = db.values(
        "select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
        "where n.nspname in ('public', 'watchkeeper') and c.relkind in ('r', 'p') and not exists ("
        "select from pg_trigger as t where t.tgrelid = c.oid and t.tgfoid = 'watchkeeper.audit'::regproc "
        "and t.tgenabled = 'O') order by 1"
    )
    assert set(bare) <= NOT_SETTINGS


# What leaves a row ------------------------------------------------------------------------------------------------


@pytest.fixture
def lived_in(world: World) -> World:
    """Something to change in each table; all of it is in the log."""
    db = world.db
    world.target("parent", {"p2p": {}})
    world.target("anvil")
    for name in ("chat", "spare"):
        world.channel(name)
    world.setting("rotation", name="primary", people=["a@example.org"], starts_at="2026-01-05T09:00")
    world.setting("escalation", name="ladder", steps=[{"after_s": 0}])
    world.route("chat")
    world.silence("2026-01-05T09:00", "2026-01-05T10:00")
    world.setting("heartbeat", name="backup", period_s=60)
    world.fire(0)
    db.run("select watchkeeper.claim_due_checks(%s, 1, 'eu-1')", world.at(-60))
    db.sign_up("new@example.org")
    db.member("viewer", "old@example.org")
    chain(db)
    return world


def anvil(**changes: Any) -> Json:
    return {"target": a_target(**changes)}


CHANGES: dict[str, tuple[str, Callable[[Db], Json] | Json, list[Line]]] = {
    "a target's label": ("save_target", anvil(labels={"a": "b"}), [("update", "targets", "anvil")]),
    "a target": (
        "save_target",
        anvil(name="new"),
        [("insert", "targets", "new"), ("insert", "checks", "new/blockchain")],
    ),
    "a check's interval": (
        "save_target",
        anvil(checks={"blockchain": {"interval_s": 30}}),
        [("update", "checks", "anvil/blockchain")],
    ),
    "a check switched off": (
        "save_target",
        anvil(checks={"blockchain": {"enabled": False}}),
        [("update", "checks", "anvil/blockchain")],
    ),
    "another check": (
        "save_target",
        anvil(checks={"p2p": {}}),
        [("delete", "checks", "anvil/blockchain"), ("insert", "checks", "anvil/p2p")],
    ),
    "a parent": ("save_target", anvil(depends_on=["parent"]), [("insert", "dependencies", "anvil/parent")]),
    "a pause": (
        "pause_target",
        lambda db: {"target_id": id_of(db, "targets", "anvil")},
        [("update", "targets", "anvil")],
    ),
    "a target deleted": (
        "delete_target",
        lambda db: {"target_id": id_of(db, "targets", "anvil")},
        [("delete", "checks", "anvil/blockchain"), ("delete", "targets", "anvil")],
    ),
    "a channel": (
        "save_channel",
        {"channel": {"name": "chat", "kind": "chat", "config": {"room": "1"}}},
        [("update", "channels", "chat")],
    ),
    "a channel deleted": ("delete_channel", {"name": "spare"}, [("update", "channels", "spare")]),
    "a route": (
        "save_route",
        {"route": {"name": "all", "channels": ["chat"], "continue": True}},
        [("update", "routes", "all")],
    ),
    "a route's channels": (
        "save_route",
        {"route": {"name": "all", "channels": ["chat", "spare"]}},
        [("insert", "route_channels", "all/spare")],
    ),
    "a route deleted": (
        "delete_route",
        {"name": "all"},
        [("delete", "routes", "all"), ("delete", "route_channels", "{}/{}")],
    ),
    "a rotation": (
        "save_rotation",
        {"rotation": {"name": "primary", "people": ["b@example.org"], "starts_at": "2026-01-05T09:00"}},
        [("update", "rotations", "primary")],
    ),
    "a rotation deleted": ("delete_rotation", {"name": "primary"}, [("delete", "rotations", "primary")]),
    "a stand-in": (
        "save_override",
        {
            "rotation": "primary",
            "person": "b",
            "from_time": "2026-01-05T09:00Z",
            "to_time": "2026-01-05T10:00Z",
        },
        [("insert", "rotation_overrides", "primary")],
    ),
    "an escalation": (
        "save_escalation",
        {"escalation": {"name": "ladder", "steps": [{"after_s": 9}]}},
        [("update", "escalations", "ladder")],
    ),
    "an escalation deleted": ("delete_escalation", {"name": "ladder"}, [("delete", "escalations", "ladder")]),
    "a silence": ("save_silence", {"silence": A_SILENCE}, [("insert", "silences", "{}")]),
    "a silence ended": (
        "end_silence",
        lambda db: {"silence_id": db.value("select id from watchkeeper.silences")},
        [("delete", "silences", "{}")],
    ),
    "a heartbeat": (
        "save_heartbeat",
        {"heartbeat": {"name": "nightly", "period_s": 60}},
        [("insert", "heartbeats", "nightly")],
    ),
    "a heartbeat's period": (
        "save_heartbeat",
        {"heartbeat": {"name": "backup", "period_s": 90}},
        [("update", "heartbeats", "backup")],
    ),
    "a heartbeat deleted": ("delete_heartbeat", {"name": "backup"}, [("delete", "heartbeats", "backup")]),
    "a number for all channels": (
        "save_delivery_settings",
        {"settings": {"storm_alerts": 20}},
        [("update", "delivery_settings", "only")],
    ),
    "a region forgotten": ("forget_region", {"name": "eu-1"}, [("delete", "regions", "eu-1")]),
    "what regions must agree": (
        "save_target",
        anvil(regions={"agree": 2}),
        [("update", "targets", "anvil")],
    ),
    "a role": (
        "grant_role",
        {"email": "new@example.org", "role": "viewer"},
        [("insert", "members", "new@example.org")],
    ),
    "another role": (
        "grant_role",
        {"email": "old@example.org", "role": "auditor"},
        [("update", "members", "old@example.org")],
    ),
    "a role taken away": (
        "revoke_role",
        {"email": "old@example.org"},
        [("delete", "members", "old@example.org")],
    ),
    "an acknowledgement": (
        "acknowledge_alert",
        lambda db: {"alert_id": db.value("select id from system_alerts")},
        [("update", "system_alerts", "{}")],
    ),
    "an alert resolved": (
        "resolve_alert",
        lambda db: {"alert_id": db.value("select id from system_alerts")},
        [("update", "system_alerts", "{}")],
    ),
}
AN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def id_of(db: Db, table: str, name: str) -> UUID:
    found: UUID = db.value(f"select id from watchkeeper.{table} where name = %s", name)  # noqa: S608
    return found


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_leaves_its_row(lived_in: World, what: str) -> None:
    rpc, given, expected = CHANGES[what]
    db = lived_in.db
    ann = db.member("admin", "ann@example.org")
    chain(db)
    before = head(db)
    arguments = given(db) if callable(given) else given
    with db.acting_as("authenticated", ann):
        db.rpc(rpc, **arguments)
    found = entries(db, before)
    assert [(row["action"], row["table_name"], AN_ID.sub("{}", row["row_key"])) for row in found] == expected
    for row in found:
        assert (row["actor"], row["actor_id"]) == ("ann@example.org", str(ann))
        assert (row["before"] is None, row["after"] is None) == (
            row["action"] == "insert",
            row["action"] == "delete",
        )
        assert row["before"] != row["after"]


def test_a_row_shows_what_was_and_what_is(lived_in: World) -> None:
    db = lived_in.db
    before = head(db)
    db.rpc("save_delivery_settings", settings={"storm_alerts": 20})
    row = only(entries(db, before))
    numbers = {"storm_alerts": 10, "flapping_changes": 6, "flapping_window_s": 600, "dead_after_s": 86400}
    assert (row["before"], row["after"]) == (numbers, {**numbers, "storm_alerts": 20})
    assert abs(datetime.now(UTC) - datetime.fromisoformat(row["at"])) < timedelta(minutes=1)


def test_an_incident_is_audited(db: Db) -> None:
    db.run("insert into incident_logs (incident_type, severity, title) values ('manual', 'low', 'slow')")
    chain(db)
    db.run("update incident_logs set severity = 'high'")
    assert [row["after"]["severity"] for row in entries(db)] == ["low", "high"]


def test_within_a_transaction_only_before_and_after_count(lived_in: World) -> None:
    db = lived_in.db
    before = head(db)
    for seconds in (70, 80, 90):
        db.rpc("save_heartbeat", heartbeat={"name": "backup", "period_s": seconds})
    db.rpc("save_heartbeat", heartbeat={"name": "brief", "period_s": 60})
    db.rpc("delete_heartbeat", name="brief")
    row = only(entries(db, before))
    assert (row["before"]["period_s"], row["after"]["period_s"]) == (60, 90)


SAME: dict[str, Json] = {
    "save_target": {"target": a_target()},
    "apply_targets": {"targets": [a_target()]},
    "save_channel": {"channel": {"name": "chat", "kind": "chat"}},
    "save_route": {"route": {"name": "all", "channels": ["chat"]}},
    "save_rotation": {
        "rotation": {"name": "primary", "people": ["a@example.org"], "starts_at": "2026-01-05T09:00"}
    },
    "save_escalation": {"escalation": {"name": "ladder", "steps": [{"after_s": 0}]}},
    "save_heartbeat": {"heartbeat": {"name": "backup", "period_s": 60}},
    "save_delivery_settings": {"settings": {"storm_alerts": 10}},
    "grant_role": {"email": "old@example.org", "role": "viewer"},
}


@pytest.mark.parametrize("rpc", SAME)
def test_saving_the_same_again_leaves_no_row(lived_in: World, rpc: str) -> None:
    before = head(lived_in.db)
    lived_in.db.rpc(rpc, **SAME[rpc])
    assert entries(lived_in.db, before) == []


def test_what_is_refused_or_only_planned_leaves_no_row(lived_in: World) -> None:
    db = lived_in.db
    before = head(db)
    db.rpc("apply_targets", targets=[], prune=True, dry_run=True)
    db.rpc("apply_config", config={"channels": [{"name": "new", "kind": "chat"}]}, dry_run=True)
    with refused(db, "PT409"):
        db.rpc("save_heartbeat", heartbeat={"name": "more", "period_s": 60})
        db.rpc("grant_role", email="old@example.org", role="admin")
        db.rpc("revoke_role", email="old@example.org")
    assert entries(db, before) == []


def test_the_machine_at_work_does_not_even_fire_the_trigger(lived_in: World) -> None:
    db = lived_in.db
    db.run("update watchkeeper.heartbeats set token_hash = sha256('the-token')")
    chain(db)
    db.run(
        "create or replace function watchkeeper.audit() returns trigger language plpgsql as "
        "$$begin raise exception 'fired on %%', tg_table_name; end$$"
    )
    lived_in.end(1)
    lived_in.step(0, "fail", finding("breach"))
    assert {event for _, event in lived_in.send(60)} == {"trigger", "resolve"}
    lived_in.step(1, "ok", finding("clear"))
    assert {event for _, event in lived_in.send(180)} == {"resolve"}
    lived_in.tick(600)  # what was claimed and never recorded
    for event in ("start", "success", "fail"):
        db.rpc("record_heartbeat", token="the-token", event=event)
    db.rpc("record_system_metric", metric_name_param="m", metric_value_param=1, severity_param="critical")
    db.rpc("record_system_metric", metric_name_param="m", metric_value_param=0)
    db.rpc("prune_history")


# Who -------------------------------------------------------------------------------------------------------------


def rename(db: Db, name: str) -> None:
    db.run("update watchkeeper.routes set name = %s", name)


def test_the_secret_key_and_the_owner_are_the_operator(lived_in: World) -> None:
    db = lived_in.db
    before = head(db)
    with db.acting_as("service_role", sub=str(db.sign_up("forged@example.org"))):
        db.rpc("save_route", route={"name": "all", "channels": ["chat"], "continue": True})
    chain(db)
    rename(db, "others")
    assert [(row["actor"], row["actor_id"]) for row in entries(db, before)] == [("operator", None)] * 2


@pytest.mark.parametrize("role", ["anon", "watchkeeper_ingest"])
def test_a_tool_is_known_by_its_role_whatever_its_token_says(lived_in: World, role: str) -> None:
    db = lived_in.db
    before = head(db)
    db.run(
        "create function public.rename() returns void language sql security definer set search_path = '' "
        "as $$update watchkeeper.routes set name = 'renamed'$$"
    )
    db.run("grant execute on function public.rename() to public")
    db.run("grant usage on schema public to public")
    with db.acting_as(role, sub=str(db.member("admin", "ann@example.org"))):
        db.rpc("rename")
    row = only([row for row in entries(db, before) if row["table_name"] == "routes"])
    assert (row["actor"], row["actor_id"]) == (role, None)


def test_what_the_sweep_decides_is_not_the_operators(lived_in: World) -> None:
    db = lived_in.db
    before = head(db)
    db.run(
        "create or replace function watchkeeper.sweep(at timestamptz) returns void language plpgsql "
        "set search_path = '' as $$begin update watchkeeper.routes set name = 'renamed'; end$$"
    )
    with db.acting_as("service_role"):
        db.rpc("claim_deliveries")
    assert [row["actor"] for row in entries(db, before)] == ["watchkeeper"]


def test_a_person_is_named_after_the_account_is_gone(lived_in: World) -> None:
    db = lived_in.db
    ann = db.member("admin", "ann@example.org")
    chain(db)
    before = head(db)
    with db.acting_as("authenticated", ann):
        db.rpc("save_delivery_settings", settings={"storm_alerts": 20})
    chain(db)
    db.run("update auth.users set email = 'anna@example.org' where id = %s", ann)
    db.run("delete from auth.users where id = %s", ann)
    changed, left = entries(db, before)
    assert (changed["actor"], changed["actor_id"]) == ("ann@example.org", str(ann))
    assert (left["action"], left["table_name"], left["row_key"]) == ("delete", "members", "ann@example.org")
    assert left["before"]["role"] == "admin"
    assert db.rpc("verify_audit_log")["ok"]


# Secrets ---------------------------------------------------------------------------------------------------------

HIDDEN = [
    ("https://ann:pw@node.example.org:8545/", "https://node.example.org:8545/"),
    ("https://a@b@node.example.org", "https://node.example.org"),
    ("https://node.example.org/?apikey=abc&x=&y", "https://node.example.org/?apikey=***&x=***&y"),
    ("https://node.example.org/#abc", "https://node.example.org/"),
    ("https://node.example.org/v3/0123456789abcdef0123456789abcdef/eth", "https://node.example.org/v3/***/eth"),
    ("see https://a:b@x.org/ and wss://c:d@y.org.", "see https://x.org/ and wss://y.org."),
    ("# no url: a@b?c=d", "# no url: a@b?c=d"),
    ({"api_key": "x", "API-Key": "x", "apiKey": "x"}, {"api_key": "***", "API-Key": "***", "apiKey": "***"}),
    ({"headers": {"Authorization": "Bearer x"}}, {"headers": {"Authorization": "***"}}),
    ({"token": {"a": ["x", 1, None, True]}}, {"token": {"a": ["***", "***", None, True]}}),
    ({"password_hash": "x", "Secret": "x"}, {"password_hash": "***", "Secret": "***"}),
    ({"secrets": {"url": "env:CHANNEL_A", "old": "x"}}, {"secrets": {"url": "env:CHANNEL_A", "old": "***"}}),
    ([{"a": "https://u:p@x.org"}, 1.50, [], {}], [{"a": "https://x.org"}, 1.5, [], {}]),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("given", "shown"), HIDDEN)
def test_secrets_are_hidden_wherever_they_stand(db: Db, given: Any, shown: Any) -> None:
    assert db.value(
        "select watchkeeper.redact(jsonb_build_object('x', %s::jsonb))", psycopg.types.json.Jsonb(given)
    ) == {"x": shown}


def test_what_is_nested_without_end_is_hidden_and_does_no_harm(db: Db) -> None:
    deep = "[" * 2000 + '"https://u:hush@x.org"' + "]" * 2000
    assert "hush" not in db.value("select watchkeeper.redact(%s::jsonb)::text", deep)


def test_no_secret_gets_into_the_log(lived_in: World) -> None:
    db = lived_in.db
    db.rpc(
        "save_target", target=a_target("keyed", endpoint="http://127.0.0.1:1/hush0123456789abcdef?key=hush")
    )
    db.rpc("save_channel", channel={"name": "chat", "kind": "chat", "secrets": {"url": "env:CHANNEL_CHAT"}})
    token = db.rpc("save_heartbeat", heartbeat={"name": "new", "period_s": 60})["token"]
    chain(db)
    text = db.value("select string_agg(l::text, '') from watchkeeper.audit_log as l")
    assert "hush" not in text
    assert token not in text
    assert (
        db.value("select encode(token_hash, 'hex') from watchkeeper.heartbeats where name = 'new'")
        not in text
    )
    assert "env:CHANNEL_CHAT" in text


def test_a_changed_secret_is_a_change(lived_in: World) -> None:
    db = lived_in.db
    before = head(db)
    db.run("update watchkeeper.heartbeats set token_hash = sha256('another')")
    row = only(entries(db, before))
    assert row["before"] == row["after"]
    assert row["after"]["token_hash"] == "***"


# The chain -------------------------------------------------------------------------------------------------------


def change(db: Db, n: int = 1) -> None:
    """One row for the log."""
    db.run("update watchkeeper.delivery_settings set storm_alerts = 2 + mod(storm_alerts + %s, 900)", n)
    chain(db)


@pytest.fixture
def five(world: World) -> Db:
    """Five rows in the log."""
    for _ in range(5):
        change(world.db)
    return world.db


def test_each_row_hangs_on_the_one_before(five: Db) -> None:
    rows = entries(five)
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["previous_hash"] for row in rows] == ["0" * 64, *(row["hash"] for row in rows[:-1])]
    assert sorted(rows, key=lambda row: datetime.fromisoformat(row["at"])) == rows
    told = five.rpc("verify_audit_log")
    top = {key: rows[-1][key] for key in ("seq", "hash", "at")}
    assert told == {"ok": True, "rows": 5, "head": top, "first_broken": None, "next_seq": None}
    assert five.rpc("audit_head") == top


def test_an_empty_log_is_whole(db: Db) -> None:
    told = db.rpc("verify_audit_log", expected=[{"seq": 0, "hash": "0" * 64}])
    assert told == {
        "ok": True, "rows": 0, "head": {"seq": 0, "hash": "0" * 64, "at": None}, "first_broken": None, "next_seq": None,
    }  # fmt: skip
    assert db.rpc("export_audit_log") == {"rows": [], "next_seq": None}
    assert db.rpc("list_audit_log") == []


def test_hashes_do_not_depend_on_the_session(world: World) -> None:
    db = world.db
    settings = ("set local timezone = 'Asia/Kolkata'", "set local datestyle = 'German, DMY'",
                "set local extra_float_digits = -15", "set local intervalstyle = 'sql_standard'",
                "set local bytea_output = 'escape'")  # fmt: skip
    world.silence("2026-01-05T09:00", "2026-01-05T10:00")
    chain(db)
    for setting in settings:
        db.run(setting)
    assert db.rpc("verify_audit_log")["ok"]
    db.run("update watchkeeper.silences set comment = 'another'")
    chain(db)
    for setting in settings:
        db.run(setting.partition("=")[0].replace("set local", "reset"))
    assert db.rpc("verify_audit_log")["ok"]
    row = entries(db)[-1]
    assert row["before"]["created_at"] == row["after"]["created_at"]


def test_the_log_is_verified_page_by_page(five: Db) -> None:
    first = five.rpc("verify_audit_log", max_rows=3)
    assert (first["rows"], first["next_seq"], first["ok"]) == (3, 4, True)
    second = five.rpc("verify_audit_log", from_seq=4, max_rows=3)
    assert (second["rows"], second["next_seq"], second["ok"]) == (2, None, True)
    assert five.rpc("verify_audit_log", from_seq=6)["rows"] == 0


@pytest.fixture
def superuser(own_database: Database) -> Iterator[Db]:
    """Five rows in the log."""
    with psycopg.connect(own_database.superuser_url) as connection:
        db = Db(connection)
        for _ in range(5):
            change(db)
        yield db
        connection.rollback()


def append_only(table: str) -> list[str]:
    verbs = (
        "insert into {0} select * from {0}",
        "update {0} set seq = seq",
        "delete from {0}",
        "truncate {0}",
    )
    return [verb.format(f"watchkeeper.{table}") for verb in verbs]


@pytest.mark.parametrize("table", ["audit_log", "audit_head"])
@pytest.mark.parametrize("who", ["service_role", "admin", "auditor"])
def test_nobody_may_write_it(five: Db, table: str, who: str) -> None:
    for statement in append_only(table):
        with refused(five, "42501"), five.asking_as(who):
            five.run(statement)


@pytest.mark.parametrize("table", ["audit_log", "audit_head"])
def test_not_even_a_superuser_may_rewrite_it(superuser: Db, table: str) -> None:
    for statement in append_only(table):
        with refused(superuser, "42501", naming=f"{table} is append-only"):
            superuser.run(statement)


def test_what_is_about_to_be_logged_cannot_be_taken_back(world: World) -> None:
    db = world.db
    world.channel()
    for statement in ("delete from watchkeeper.audit_pending", "truncate watchkeeper.audit_pending",
                      "update watchkeeper.audit_pending set actor = 'somebody else'"):  # fmt: skip
        with refused(db, "42501", "55006"):
            db.run(statement)
    assert lines(db) == [("insert", "channels", "chat")]


# Two at once -----------------------------------------------------------------------------------------------------


def in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.fixture
def pair(fresh: Connect) -> tuple[Db, Db]:
    one, two = fresh(), fresh()
    for name in ("x", "y"):
        one.run("insert into watchkeeper.targets (name) values (%s)", name)
    return one, two


def paint(db: Db, name: str, colour: str) -> None:
    db.run(
        "update watchkeeper.targets set labels = jsonb_build_object('colour', %s::text) where name = %s",
        colour,
        name,
    )


def test_whoever_changed_first_and_waits_for_a_row_does_not_hold_up_the_chain(pair: tuple[Db, Db]) -> None:
    """With the chain's lock taken at the change, and not at the commit, this is a deadlock."""
    one, two = pair
    one.run("begin")
    paint(one, "x", "red")
    two.run("begin")
    paint(two, "y", "blue")
    waiting = in_background(lambda: paint(one, "y", "red"))
    until(lambda: two.value("select count(*) from pg_locks where not granted") == 1)
    two.run("commit")
    waiting.join()
    one.run("commit")
    assert [(row["row_key"], row["after"]["labels"]["colour"]) for row in entries(one, 2)] == [
        ("y", "blue"),
        ("x", "red"),
        ("y", "red"),
    ]
    assert one.rpc("verify_audit_log")["ok"]


def until(done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_many_at_once_leave_one_unbroken_chain(fresh: Connect) -> None:
    connections = [fresh() for _ in range(4)]

    def work(db: Db, n: int) -> None:
        for round_ in range(25):
            db.run("begin")
            db.run(
                "insert into watchkeeper.targets (name) values (%s), (%s)", f"{n}-{round_}", f"{n}-{round_}-b"
            )
            db.run("rollback" if round_ % 5 == 4 else "commit")

    threads = [in_background(lambda db=db, n=n: work(db, n)) for n, db in enumerate(connections)]  # type: ignore[misc]
    for thread in threads:
        thread.join()
    db = connections[0]
    assert head(db) == 4 * 20 * 2
    assert db.rpc("verify_audit_log")["ok"]
    assert db.value("select count(*) from watchkeeper.audit_pending") == 0


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_change_on_an_old_snapshot_fails_and_the_chain_stays(pair: tuple[Db, Db], level: str) -> None:
    one, two = pair
    one.run(f"begin isolation level {level}")
    paint(one, "x", "red")
    paint(two, "y", "blue")
    with pytest.raises(psycopg.errors.SerializationFailure):
        one.run("commit")
    assert [row["row_key"] for row in entries(two, 2)] == ["y"]
    assert two.rpc("verify_audit_log")["ok"]


# Tampering -------------------------------------------------------------------------------------------------------

REHASH = "update watchkeeper.audit_log as l set hash = watchkeeper.audit_hash(l) where seq = {}"
RECHAIN = (
    "do $$declare e watchkeeper.audit_log; was bytea := "
    "(select hash from watchkeeper.audit_log where seq = {0} - 1); begin "
    "for e in select * from watchkeeper.audit_log where seq >= {0} order by seq loop e.previous_hash := was; "
    "was := watchkeeper.audit_hash(e); "
    "update watchkeeper.audit_log set previous_hash = e.previous_hash, hash = was where seq = e.seq; "
    "end loop; update watchkeeper.audit_head set hash = was; end$$"
)
CUT = (
    "delete from watchkeeper.audit_log where seq >= {0}; "
    "update watchkeeper.audit_head as h set seq = l.seq, hash = l.hash, at = l.at "
    "from watchkeeper.audit_log as l where l.seq = {0} - 1"
)
FORGE = "update watchkeeper.audit_log set after = after || '{{\"storm_alerts\": 7}}' where seq = {}"
ADD = (
    "insert into watchkeeper.audit_log select 6, at, actor_id, actor, action, table_name, row_key, before, after, "
    "hash, hash from watchkeeper.audit_log where seq = 5"
)
# What was done -> the statements, the row that verifying names, and why; `expected` says that only a head noted
# outside can tell.
TAMPERING: dict[str, tuple[list[str], int, str, bool]] = {
    "a changed document": ([FORGE.format(3)], 3, "its content", False),
    "another actor": (
        ["update watchkeeper.audit_log set actor = 'bob' where seq = 2"],
        2,
        "its content",
        False,
    ),
    "another person": (
        ["update watchkeeper.audit_log set actor_id = gen_random_uuid() where seq = 2"],
        2,
        "its content",
        False,
    ),
    "another time": (
        ["update watchkeeper.audit_log set at = at - interval '1 day' where seq = 4"],
        4,
        "its content",
        False,
    ),
    "another table": (
        ["update watchkeeper.audit_log set table_name = 'x' where seq = 4"],
        4,
        "its content",
        False,
    ),
    "another key": (
        ["update watchkeeper.audit_log set row_key = 'x' where seq = 5"],
        5,
        "its content",
        False,
    ),
    "another action": (
        ["update watchkeeper.audit_log set action = 'insert', before = null where seq = 1"],
        1,
        "its content",
        False,
    ),
    "a row taken out": (["delete from watchkeeper.audit_log where seq = 3"], 3, "it is missing", False),
    "the first row taken out": (
        ["delete from watchkeeper.audit_log where seq = 1"],
        1,
        "it is missing",
        False,
    ),
    "the gap closed": (
        [
            "delete from watchkeeper.audit_log where seq = 3",
            "update watchkeeper.audit_log set seq = 3 where seq = 4",
            "update watchkeeper.audit_log set seq = 4 where seq = 5",
        ],
        3,
        "its content",
        False,
    ),
    "two rows in each other's place": (
        [
            "update watchkeeper.audit_log set seq = 99 where seq = 2",
            "update watchkeeper.audit_log set seq = 2 where seq = 3",
            "update watchkeeper.audit_log set seq = 3 where seq = 99",
        ],
        2,
        "its content",
        False,
    ),
    "a hash made up": (
        ["update watchkeeper.audit_log set hash = sha256('x') where seq = 4"],
        4,
        "its content",
        False,
    ),
    "a row changed with its hash": ([FORGE.format(2), REHASH.format(2)], 2, "it was rewritten", False),
    "the last row changed with its hash": ([FORGE.format(5), REHASH.format(5)], 5, "it was rewritten", False),
    "the end cut off": (["delete from watchkeeper.audit_log where seq >= 4"], 4, "it is missing", False),
    "all of it": (["delete from watchkeeper.audit_log"], 1, "it is missing", False),
    "a row added": (
        [ADD],
        6,
        "its content",
        False,
    ),
    "the end cut off, and the head with it": (
        CUT.format(4).split("; "),
        4,
        "it is missing",
        True,
    ),
    "the whole chain made anew": ([FORGE.format(2), RECHAIN.format(2)], 3, "it was rewritten", True),
}


@pytest.fixture
def unguarded(superuser: Db) -> Db:
    """No trigger stops anybody."""
    superuser.run("set local session_replication_role = replica")
    return superuser


@pytest.mark.parametrize("what", TAMPERING)
def test_what_a_superuser_tampers_with_is_found(unguarded: Db, what: str) -> None:
    statements, seq, reason, only_from_outside = TAMPERING[what]
    noted = [{"seq": row["seq"], "hash": row["hash"]} for row in entries(unguarded) if row["seq"] in (3, 5)]
    for statement in statements:
        unguarded.run(statement)
    alone = unguarded.rpc("verify_audit_log")
    assert alone["ok"] is only_from_outside
    told = unguarded.rpc("verify_audit_log", expected=noted)
    assert (told["ok"], told["first_broken"]["seq"]) == (False, seq)
    assert told["first_broken"]["reason"].startswith(reason)
    if not only_from_outside:
        assert alone["first_broken"] == told["first_broken"]


def test_what_was_noted_outside_is_found_again(five: Db) -> None:
    noted = five.rpc("audit_head")
    change(five)
    assert five.rpc("verify_audit_log", expected=[noted])["ok"]


def test_a_page_that_begins_after_the_gap_still_sees_it(unguarded: Db) -> None:
    unguarded.run("delete from watchkeeper.audit_log where seq = 3")
    assert unguarded.rpc("verify_audit_log", from_seq=4)["first_broken"] == {
        "seq": 3,
        "reason": "it is missing",
    }
    assert unguarded.rpc("verify_audit_log", from_seq=5)["ok"]


# Reading it ------------------------------------------------------------------------------------------------------


def test_the_log_is_listed_by_table_actor_row_and_time(lived_in: World) -> None:
    db = lived_in.db
    ann = db.member("admin", "ann@example.org")
    with db.acting_as("authenticated", ann):
        db.rpc("save_channel", channel={"name": "chat", "kind": "chat", "enabled": False})
    chain(db)

    def keys(**wanted: Any) -> list[str]:
        return [row["row_key"] for row in db.rpc("list_audit_log", **wanted)]

    assert keys(table_name="channels") == ["chat", "spare", "chat"]
    assert keys(table_name="channels", row_key="chat", actor="ann@example.org") == ["chat"]
    assert keys(actor="nobody") == []
    newest, *_ = db.rpc("list_audit_log", max_rows=1)
    assert keys(before_seq=newest["seq"]) == keys()[1:]
    assert keys(from_time=newest["at"]) == [newest["row_key"]]
    assert keys(to_time=newest["at"]) == keys()[1:]


def test_an_export_gives_each_row_once_and_in_order(world: World) -> None:
    db = world.db
    for _ in range(23):
        change(db)
    pages, after = [], 0
    while after is not None:
        page = db.rpc("export_audit_log", after_seq=after, max_rows=5)
        pages.append([row["seq"] for row in page["rows"]])
        after = page["next_seq"]
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
    assert [seq for page in pages for seq in page] == list(range(1, 24))
    at = db.rpc("export_audit_log", after_seq=9, max_rows=1)["rows"][0]["at"]
    assert [row["seq"] for row in db.rpc("export_audit_log", from_time=at, max_rows=2)["rows"]] == [10, 11]
    assert len(db.rpc("export_audit_log", to_time=at)["rows"]) == 9


def test_an_exact_page_has_nothing_after_it(five: Db) -> None:
    assert five.rpc("export_audit_log", max_rows=5)["next_seq"] is None


def test_a_page_of_large_rows_is_cut_short(db: Db) -> None:
    for _ in range(4):
        db.run(
            "insert into watchkeeper.targets (name, settings) "
            "select gen_random_uuid()::text, jsonb_build_object('x', repeat('y', 3000000))"
        )
    chain(db)
    first = db.rpc("export_audit_log")
    assert ([row["seq"] for row in first["rows"]], first["next_seq"]) == ([1, 2, 3], 3)
    assert [row["seq"] for row in db.rpc("export_audit_log", after_seq=3)["rows"]] == [4]


def test_ten_thousand_rows_are_chained_and_verified_one_by_one(db: Db) -> None:
    db.run("insert into watchkeeper.targets (name) select 'target ' || n from generate_series(1, 10000) as n")
    began = db.rows_read()
    chain(db)
    chained = db.rows_read()
    assert db.rpc("verify_audit_log")["rows"] == 10000
    assert (chained - began < 11_000, db.rows_read() - chained < 22_000) == (True, True), "each once or twice"


WRONG = {
    "table_name": anything("", "x" * 401),
    "actor": anything(" ", "x" * 401),
    "row_key": anything("", "x" * 401),
    "from_time": anything("-infinity", "2019-12-31", "2201-01-01"),
    "to_time": anything("infinity", "2019-12-31"),
    "before_seq": anything(0, -1),
    "max_rows": anything(0, 201, None),
}


@pytest.mark.parametrize(
    ("argument", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_filter_is_refused_by_name(db: Db, argument: str, value: Any) -> None:
    with refused(db, "22023", naming=f"{argument}: "):
        db.rpc("list_audit_log", **{argument: value})


def test_a_table_of_which_nothing_is_kept_is_refused_with_those_there_are(db: Db) -> None:
    with refused(db, "22023", naming="table_name: must be one of access_settings, "):
        db.rpc("list_audit_log", table_name="target")
    assert db.rpc("list_audit_log", table_name="targets") == []


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        ({"from_time": "2026-01-02", "to_time": "2026-01-01"}, "to_time"),
        ({"from_time": "2026-01-01", "to_time": "2026-01-01"}, "to_time"),
        ({"from_time": "2021-01-01", "to_time": "2031-01-02"}, "to_time"),
        ({"from_time": "infinity"}, "from_time"),
        ({"after_seq": -1}, "after_seq"),
        ({"after_seq": None}, "after_seq"),
        ({"max_rows": 5001}, "max_rows"),
        ({"max_rows": 0}, "max_rows"),
    ],
)
def test_a_wrong_export_is_refused_by_name(db: Db, given: Json, argument: str) -> None:
    with refused(db, "22023", naming=f"{argument}: "):
        db.rpc("export_audit_log", **given)


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        ({"from_seq": 0}, "from_seq"),
        ({"from_seq": 7}, "from_seq"),
        ({"from_seq": None}, "from_seq"),
        ({"max_rows": 0}, "max_rows"),
        ({"expected": {}}, "expected"),
        ({"expected": [1]}, "expected[0]"),
        ({"expected": [{"seq": 1}]}, "expected[0].hash"),
        ({"expected": [{"seq": 1, "hash": "x"}]}, "expected[0].hash"),
        ({"expected": [{"seq": 1.5, "hash": "0" * 64}]}, "expected[0].seq"),
        ({"expected": [{"seq": 1e30, "hash": "0" * 64}]}, "expected[0].seq"),
        ({"expected": [{"seq": 1, "hash": "0" * 64}] * 1001}, "expected"),
    ],
)
def test_a_wrong_verification_is_refused_by_name(five: Db, given: Json, argument: str) -> None:
    with refused(five, "22023", naming=f"{argument}: "):
        five.rpc("verify_audit_log", **given)
