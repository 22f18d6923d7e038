"""New SQL serves old code: a deploy brings the database first, and the functions of before run on it for minutes.

So a migration may add RPCs, arguments with a default, columns and rights. It may not drop or rename an RPC that an
earlier migration created, take away or retype an argument, demand a new one, return something else, or take a right
away: that goes out in two releases, first the successor, then, when nobody calls it any more, the end of the old one,
which is written down here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from infra.local.migrations import read_all
from tests.support.parts import Database

# RPCs that nobody called any more when they ended: {name: the migration that ended it and why}.
ENDED: dict[str, str] = {}

RPCS = """
select p.proname, coalesce(p.proargnames[1:p.pronargs], '{}'), p.proargtypes::regtype[]::text[],
  p.pronargs - p.pronargdefaults, pg_get_function_result(p.oid),
  array(select r.rolname::text from pg_roles as r
    where r.rolname in ('anon', 'authenticated', 'service_role', 'watchkeeper_ingest', 'watchkeeper_metrics')
      and has_function_privilege(r.oid, p.oid, 'execute'))
from pg_proc as p
where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype
  and not exists (select from pg_depend as d where d.objid = p.oid and d.deptype = 'e')
"""
COLUMNS = """
select c.table_name || '.' || c.column_name, c.data_type from information_schema.columns as c
where c.table_schema = 'public'
"""


@dataclass(frozen=True)
class Rpc:
    """What a caller of it relies on."""

    arguments: dict[str, str]
    required: frozenset[str]
    result: str
    callers: frozenset[str]


def rpcs(connection: psycopg.Connection[Any]) -> dict[str, list[Rpc]]:
    found: dict[str, list[Rpc]] = {}
    for name, arguments, types, required, result, callers in connection.execute(RPCS).fetchall():
        rpc = Rpc(
            dict(zip(arguments, types, strict=True)),
            frozenset(arguments[:required]),
            result,
            frozenset(callers),
        )
        found.setdefault(name, []).append(rpc)
    return found


def broken_promises(before: dict[str, list[Rpc]], after: dict[str, list[Rpc]]) -> list[str]:
    """What a caller that knew `before` would stumble over."""
    return [
        f"{name}: {promise}"
        for name, olds in before.items()
        for old in olds
        if name not in ENDED and (promise := _broken(old, after.get(name, [])))
    ]


def _broken(old: Rpc, news: list[Rpc]) -> str | None:
    if not news:
        return "is gone"
    if len(news) > 1:
        return "is there twice, so that the API cannot tell which is meant"
    (new,) = news
    changed = [name for name, kind in old.arguments.items() if new.arguments.get(name) != kind]
    demanded = [*(new.required - old.required)]
    lost = [*(old.callers - new.callers)]
    if changed or demanded or lost or old.result != new.result:
        return f"changed {changed}, demands {demanded}, lost callers {lost}, returned {old.result}: now {new.result}"
    return None


def test_no_migration_breaks_what_an_earlier_one_promised(empty_database: Database) -> None:
    with empty_database.connect() as connection:
        connection.execute("set client_min_messages = warning")
        promised, columns = rpcs(connection), dict(connection.execute(COLUMNS).fetchall())
        for migration in read_all():
            connection.execute(migration.sql.encode())
            now, columns_now = rpcs(connection), dict(connection.execute(COLUMNS).fetchall())
            assert broken_promises(promised, now) == [], migration.file.name
            assert columns.items() <= columns_now.items(), migration.file.name
            promised, columns = now, columns_now
    assert len(promised) > 50
    assert len(columns) > 40


def created(arguments: str, returns: str = "jsonb") -> str:
    return (
        f"create function public.f({arguments}) returns {returns} language sql as 'select null::{returns}'; "
    )


DROPPED = "drop function public.f; "
FIRST = "a integer, b text default ''"


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (DROPPED + created("a integer, b text default 'x'"), None),
        (DROPPED + created(f"{FIRST}, c text default ''"), None),
        (DROPPED, "is gone"),
        (DROPPED + created("a integer"), "changed ['b']"),
        (DROPPED + created("a text, b text default ''"), "changed ['a']"),
        (DROPPED + created("a integer, b text"), "demands ['b']"),
        (DROPPED + created(FIRST, "text"), "now text"),
        (created("a text"), "is there twice"),
        ("revoke execute on function public.f from public", "lost callers"),
    ],
)
def test_a_broken_promise_is_noticed(empty_database: Database, second: str, said: str | None) -> None:
    with empty_database.connect() as connection:
        connection.execute(created(FIRST).encode())
        before = rpcs(connection)
        connection.execute(second.encode())
        found = broken_promises(before, rpcs(connection))
    assert (said is None) == (found == [])
    assert (said or "") in "".join(found)
