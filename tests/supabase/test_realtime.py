"""A word to the pages when something changed, and who may hear it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.local.migrations import read_all
from tests.supabase.test_second_factor import OFF, demanding, signed_in
from tests.supabase.world import Db, World, only

__all__ = ["demanding"]

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
