"""A backup is worth what its restoring is: into an empty project, and every proof of the old one holds in it."""

from __future__ import annotations

import gzip
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from infra.deploy.backup import TABLES, backup, restore, verify
from infra.deploy.settings import Deployment, read
from infra.local.steps import LocalError
from tests.infra.deploy.test_settings import GIVEN
from tests.supabase.test_objectives import DAY, seen
from tests.supabase.test_sla import CLOSING, START, close
from tests.supabase.world import Db, World
from tests.support.parts import Database

COUNTS = """
select n.name,
  (xpath('//n/text()', query_to_xml('select count(*) as n from ' || n.name, false, true, '')))[1]::text::int
from (
  select format('%I.%I', t.schemaname, t.tablename) as name from pg_tables as t
  where t.schemaname in ('watchkeeper', 'public')
) as n
"""


@pytest.fixture
def lived(fresh_database: Database) -> Database:
    """An installation in which a month was closed, an alert fired and was told, and a person has a role."""
    with fresh_database.connect() as connection:
        world = World(Db(connection), START)
        world.channel()
        world.route("chat")
        node = world.target("node", network="main")
        seen(
            world, node, ("up", 0, 2 * DAY), ("down", 2 * DAY, 2 * DAY + 600), ("up", 2 * DAY + 600, 40 * DAY)
        )
        world.fire(2 * DAY, "node", target=node)
        world.send(2 * DAY + 10)
        world.end(2 * DAY + 600, "node")
        assert close(world, CLOSING) == ["2025-10"]
        world.db.member("admin")
    return fresh_database


def counts(url: str) -> dict[str, int]:
    with psycopg.connect(url) as db:
        return dict(db.execute(COUNTS).fetchall())


def into(database: Database) -> Deployment:
    """A hosted project lets postgres set session_replication_role; here only a superuser may."""
    deployment, _ = read("restored", GIVEN)
    return replace(deployment, database_url=database.superuser_url)


def test_an_empty_project_becomes_what_the_old_one_was(
    lived: Database, empty_database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "prod.sql.gz"
    backup(lived.url, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    restore(into(empty_database), file)
    assert counts(empty_database.url) == counts(lived.url)
    assert counts(lived.url)["watchkeeper.sla_closes"] == 1
    assert verify(empty_database.url) == verify(lived.url)
    with empty_database.connect() as db:
        assert db.execute(
            "select count(*) from watchkeeper.members join auth.users on id = user_id"
        ).fetchone() == (1,)


def test_life_goes_on_after_it(lived: Database, empty_database: Database, tmp_path: Path) -> None:
    """Sequences stand where they stood, triggers and the append-only rules are awake."""
    file = tmp_path / "prod.sql.gz"
    backup(lived.url, file)
    restore(into(empty_database), file)
    with empty_database.connect() as connection:
        world = World(Db(connection), START + timedelta(days=60))
        world.target("another")
        world.fire(DAY, "another")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from watchkeeper.audit_log")
    rows = [int(verify(database.url).split(" rows")[0]) for database in (lived, empty_database)]
    assert rows[1] > rows[0], "the audit log goes on where it was"


def test_what_was_changed_in_the_file_is_found(
    lived: Database, empty_database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "prod.sql.gz"
    backup(lived.url, file)
    text = gzip.decompress(file.read_bytes()).decode()
    begin = text.index("COPY watchkeeper.audit_log ")
    forged = text[:begin] + text[begin:].replace('"node"', '"nodo"', 1)
    file.write_bytes(gzip.compress(forged.encode()))
    with pytest.raises(LocalError, match="the audit log is not whole"):
        restore(into(empty_database), file)


def test_nothing_is_overwritten(lived: Database, tmp_path: Path) -> None:
    file = tmp_path / "prod.sql.gz"
    backup(lived.url, file)
    before = counts(lived.url)
    with pytest.raises(LocalError, match="a project that is new"):
        restore(into(lived), file)
    assert counts(lived.url) == before


def test_a_file_that_ends_too_early_leaves_nothing(
    lived: Database, empty_database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "prod.sql.gz"
    backup(lived.url, file)
    text = gzip.decompress(file.read_bytes())
    file.write_bytes(gzip.compress(text[: len(text) // 2]))
    with pytest.raises(LocalError):
        restore(into(empty_database), file)
    assert counts(empty_database.url)["watchkeeper.targets"] == 0


def test_a_database_without_us_is_no_backup(empty_database: Database, tmp_path: Path) -> None:
    with pytest.raises(LocalError):
        backup(empty_database.url, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_every_table_of_ours_is_in_it(fresh_database: Database) -> None:
    named = {name for name in TABLES if name.startswith("public.")}
    assert {name for name in counts(fresh_database.url) if name.startswith("public.")} == named
