"""A second factor that can be demanded of everybody, and a word to the pages when something changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from infra.local.migrations import read_all
from tests.supabase.test_audit import chain, entries, head
from tests.supabase.world import MEMBERS, TOOLS, Db, World, only, refused

ON, OFF = {"require_mfa": True}, {"require_mfa": False}
DEMANDED = "this project demands a second factor"


@pytest.fixture
def demanding(db: Db) -> Db:
    """The operator turned it on."""
    assert db.rpc("save_access_settings", settings=ON) == ON
    return db


@contextmanager
def signed_in(db: Db, role: str, aal: str | None = None, email: str | None = None) -> Iterator[None]:
    with db.acting_as("authenticated", db.member(role, email), **({"aal": aal} if aal else {})):
        yield


# A second factor -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aal", [None, "aal1", "aal2"])
def test_it_is_not_demanded_until_somebody_says_so(db: Db, aal: str | None) -> None:
    with signed_in(db, "admin", aal):
        me = db.rpc("whoami")
        assert (me["aal"], me["require_mfa"], me["needs_mfa"]) == (aal, False, False)
        assert len(me["rights"]) == 4


@pytest.mark.parametrize("role", MEMBERS)
def test_a_role_counts_with_a_second_factor_only(demanding: Db, role: str) -> None:
    db = demanding
    for aal in (None, "aal1", "AAL2", "aal3"):
        with refused(db, "42501", naming=DEMANDED), signed_in(db, role, aal):
            db.rpc("list_targets")
        with signed_in(db, role, aal):
            me = db.rpc("whoami")
            assert (me["role"], me["rights"], me["needs_mfa"]) == (role, [], True)
    with signed_in(db, role, "aal2"):
        assert db.rpc("list_targets") == []
        me = db.rpc("whoami")
        assert ("read" in me["rights"], me["needs_mfa"], me["require_mfa"]) == (True, False, True)


def test_it_holds_for_the_tables_too(demanding: Db) -> None:
    db = demanding
    db.run(
        "insert into incident_logs (incident_type, severity, title) values ('manual', 'low', 'it is slow')"
    )
    for aal, seen in (("aal1", 0), ("aal2", 1)):
        with signed_in(db, "viewer", aal):
            assert db.value("select count(*) from incident_logs") == seen


def test_the_older_place_of_a_claim_is_read_too(demanding: Db) -> None:
    with signed_in(demanding, "viewer"):
        demanding.run("select set_config('request.jwt.claim.aal', 'aal2', true)")
        assert demanding.rpc("whoami")["needs_mfa"] is False


def test_somebody_without_a_role_is_told_of_the_role_and_not_of_a_factor(demanding: Db) -> None:
    with demanding.asking_as("authenticated"):
        assert demanding.rpc("whoami")["needs_mfa"] is False
    with (
        refused(demanding, "42501", naming="this needs the role viewer"),
        demanding.asking_as("authenticated"),
    ):
        demanding.rpc("list_targets")


def test_the_operator_and_tools_are_no_people(demanding: Db) -> None:
    with demanding.acting_as("service_role"):
        assert demanding.rpc("list_targets") == []
        assert demanding.rpc("whoami")["needs_mfa"] is False
    for tool in TOOLS:
        with demanding.acting_as(tool, sub="ci-job"):
            if tool == "watchkeeper_ingest":
                demanding.rpc("record_system_metric", metric_name_param="x", metric_value_param=1)
            else:
                demanding.rpc("get_system_health_summary")


@pytest.mark.parametrize("aal", [None, "aal1"])
def test_nobody_demands_it_who_has_none_himself(db: Db, aal: str | None) -> None:
    with refused(db, "PT409", naming="settings.require_mfa: sign in with"), signed_in(db, "admin", aal):
        db.rpc("save_access_settings", settings=ON)
    with (
        refused(db, "PT409", naming="access_settings.require_mfa: sign in with"),
        signed_in(db, "admin", aal),
    ):
        db.rpc("apply_config", config={"access_settings": ON})
    with signed_in(db, "admin", aal):
        assert db.rpc("save_access_settings", settings=OFF) == OFF
        assert db.rpc("get_access_settings") == OFF


def test_an_admin_with_one_turns_it_on_and_off_and_the_log_knows(db: Db) -> None:
    chain(db)
    before = head(db)
    with signed_in(db, "admin", "aal2", "ann@example.org"):
        db.rpc("save_access_settings", settings=ON)
    changed = entries(db, before)[-1]
    assert (changed["actor"], changed["table_name"]) == ("ann@example.org", "access_settings")
    assert (changed["before"], changed["after"]) == (OFF, ON)
    with refused(db, "42501", naming=DEMANDED), signed_in(db, "admin", "aal1"):
        db.rpc("save_access_settings", settings=OFF)
    with signed_in(db, "admin", "aal2"):
        assert db.rpc("save_access_settings", settings=OFF) == OFF


def test_the_operator_always_turns_it_off(demanding: Db) -> None:
    db = demanding
    with db.acting_as("service_role"):
        plan = db.rpc("apply_config", config={"access_settings": OFF})["plan"]
        assert plan["access_settings"]["changed"] == ["require_mfa"]
        assert db.rpc("export_config")["access_settings"] == OFF
    with signed_in(db, "viewer", "aal1"):
        assert db.rpc("list_targets") == []


@pytest.mark.parametrize(
    ("argument", "given"),
    [("settings.require_mfa: ", {"require_mfa": "yes"}), ("settings.require_mfa: ", {"require_mfa": None}),
     ("settings.nope", {"nope": True}), ("settings: ", [])],
)  # fmt: skip
def test_nonsense_is_refused_by_name(db: Db, argument: str, given: object) -> None:
    with refused(db, "22023", naming=argument):
        db.rpc("save_access_settings", settings=given)


# Realtime --------------------------------------------------------------------------------------------------------

# What a hosted project has of it, in as far as our SQL can notice: its own table with row-level security, which the
# role that migrates may give policies to; and the function that writes into it.
REALTIME = """
create schema realtime;
create table realtime.messages (
  id uuid not null default gen_random_uuid(), topic text not null, extension text not null, payload jsonb, event text,
  private boolean default false, inserted_at timestamp not null default now()
);
alter table realtime.messages enable row level security;
create function realtime.topic() returns text language sql stable as $$
  select nullif(current_setting('realtime.topic', true), '')::text
$$;
create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
language plpgsql as $$
begin
  insert into realtime.messages (payload, event, topic, private, extension)
  values (payload, event, topic, private, 'broadcast');
end
$$;
grant usage on schema realtime to authenticated;
grant execute on function realtime.topic() to authenticated;
grant select on realtime.messages to authenticated;
"""
MIGRATION = next(each for each in read_all() if "realtime" in each.file.name)
MESSAGES = "select topic, event, private, extension, payload from realtime.messages"
CHANGED: tuple[object, ...] = ("watchkeeper", "changed", True, "broadcast", {})


def hosted(db: Db) -> Db:
    """The stand-in, and what the migration does where it finds it."""
    db.connection.execute(REALTIME.encode())
    db.connection.execute(MIGRATION.sql[MIGRATION.sql.rindex("do $$") :].encode())
    return db


def heard(db: Db) -> list[object]:
    found = db.rows(MESSAGES)
    db.run("delete from realtime.messages")
    return found


def test_each_transaction_that_changes_something_is_told_once(fresh: Callable[[], Db]) -> None:
    db = hosted(fresh())
    world = World(db)
    assert heard(db) == []
    with db.connection.transaction():
        for n in range(3):
            world.fire(n, f"source {n}")
    assert heard(db) == [CHANGED], "one for three alerts, and nothing of them is in it"
    world.fire(60, "source 0")
    assert heard(db) == [], "the same trouble once more is no news"
    with db.connection.transaction(force_rollback=True):
        world.end(61, "source 0")
    assert heard(db) == [], "what did not happen is told to nobody"
    world.end(62, "source 0")
    assert heard(db) == [CHANGED]
    with db.asking_as("responder"):
        db.rpc(
            "acknowledge_alert",
            alert_id=db.value("select id from system_alerts where status = 'firing' limit 1"),
        )
    assert heard(db) == [CHANGED]
    incident = db.rpc("create_incident", title="Slow", severity="low")
    assert heard(db) == [CHANGED]
    db.rpc("add_incident_note", incident_id=incident["id"], note="looking into it")
    assert heard(db) == [CHANGED]
    world.target()
    db.rpc("save_access_settings", settings=OFF)
    assert heard(db) == [], "settings are not what people wait for"

    db.run(
        "create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true)"
        " returns void language plpgsql as $$begin raise exception 'no partition'; end$$"
    )
    world.fire(120, "while Realtime is ill")
    assert heard(db) == []
    assert "while Realtime is ill" in [each["source"] for each in db.rpc("list_alerts", status="firing")]


def test_without_realtime_nothing_is_sent_and_nothing_breaks(db: Db) -> None:
    assert db.value("select to_regnamespace('realtime')") is None
    World(db).fire(0)
    assert len(db.rpc("list_alerts", status="firing")) == 1
    db.run("create schema realtime")
    db.run("create function realtime.send(text) returns void language sql as $$select$$")  # another Realtime
    World(db).fire(1, "another")
    assert len(db.rpc("list_alerts", status="firing")) == 2


@pytest.mark.parametrize(
    ("who", "topic", "extension", "seen"),
    [("viewer", "watchkeeper", "broadcast", 1), ("auditor", "watchkeeper", "broadcast", 1),
     ("viewer", "watchkeeper", "presence", 0), ("viewer", "another", "broadcast", 0), ("viewer", "", "broadcast", 0),
     ("authenticated", "watchkeeper", "broadcast", 0)],
)  # fmt: skip
def test_members_may_listen_and_nobody_else(db: Db, who: str, topic: str, extension: str, seen: int) -> None:
    """As Realtime finds out: it writes a message, and looks whether who wants to join can read it."""
    hosted(db)
    db.run("insert into realtime.messages (topic, extension) values (%s, %s)", topic, extension)
    db.run("select set_config('realtime.topic', %s, true)", topic)
    with db.asking_as(who):
        assert db.value("select count(*) from realtime.messages") == seen


def test_who_lacks_the_factor_that_is_demanded_does_not_listen(demanding: Db) -> None:
    db = hosted(demanding)
    db.run("insert into realtime.messages (topic, extension) values ('watchkeeper', 'broadcast')")
    db.run("select set_config('realtime.topic', 'watchkeeper', true)")
    for aal, seen in (("aal1", 0), ("aal2", 1)):
        with signed_in(db, "viewer", aal):
            assert db.value("select count(*) from realtime.messages") == seen


def test_the_policy_is_made_once_and_only_where_the_table_is(db: Db) -> None:
    block = MIGRATION.sql[MIGRATION.sql.rindex("do $$") :].encode()
    db.connection.execute(block)
    hosted(db)
    db.connection.execute(block)
    policy = only(db.rows("select roles::text[], cmd from pg_policies where schemaname = 'realtime'"))
    assert policy == (["authenticated"], "SELECT")
    db.run('drop policy "members hear that something changed" on realtime.messages')


def test_who_may_not_give_the_table_policies_is_told_and_goes_on(db: Db) -> None:
    """Where the table is another's, and its owner lets nobody."""
    db.connection.execute(REALTIME.encode())
    db.run("set local role service_role")
    db.connection.execute(MIGRATION.sql[MIGRATION.sql.rindex("do $$") :].encode())
    db.run("reset role")
    assert db.rows("select from pg_policies where schemaname = 'realtime'") == []
