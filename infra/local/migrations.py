"""Applies supabase/migrations and records them as the official CLI does, so that either finds the other's work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import psycopg

from infra.local.paths import MIGRATIONS
from infra.local.steps import LocalError

FILE_NAME = re.compile(r"(?P<version>\d+)_(?P<name>.+)\.sql")

HISTORY = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations
  add column if not exists statements text[], add column if not exists name text;
"""


@dataclass(frozen=True)
class Migration:
    """One file of supabase/migrations."""

    version: str
    name: str
    sql: str
    file: Path


def read_all(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations in their order; a file whose name the CLI would skip is an error instead."""
    found = []
    for file in sorted(folder.glob("*.sql")):
        match = FILE_NAME.fullmatch(file.name)
        if match is None:
            raise LocalError(f"supabase/migrations/{file.name}: name it <digits>_<what it does>.sql")
        found.append(Migration(match["version"], match["name"], file.read_text(), file))
    return found


def migrate(database_url: str, folder: Path = MIGRATIONS) -> list[str]:
    """Applies what is new, each file in a transaction of its own; returns the versions it applied."""
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute("set client_min_messages = warning")
        db.execute(HISTORY)
        applied: dict[str, list[str] | None] = dict(
            db.execute("select version, statements from supabase_migrations.schema_migrations").fetchall()
        )
        migrations = read_all(folder)
        for migration in migrations:
            _refuse_changed(migration, applied)
        pending = [migration for migration in migrations if migration.version not in applied]
        for migration in pending:
            _apply(db, migration)
    return [migration.version for migration in pending]


def _refuse_changed(migration: Migration, applied: dict[str, list[str] | None]) -> None:
    """We record the whole text as one statement; what the CLI recorded is split, and cannot be compared."""
    recorded = applied.get(migration.version)
    if recorded and len(recorded) == 1 and recorded[0] != migration.sql:
        raise LocalError(
            f"supabase/migrations/{migration.file.name} was changed after it had been applied here: "
            "put the change in a new migration, or start over with an empty database, make reset"
        )


def _apply(db: psycopg.Connection, migration: Migration) -> None:
    try:
        with db.transaction():
            db.execute(migration.sql.encode())
            db.execute(
                "insert into supabase_migrations.schema_migrations (version, statements, name) values (%s, %s, %s)",
                (migration.version, [migration.sql], migration.name),
            )
    except psycopg.Error as error:
        raise LocalError(
            f"supabase/migrations/{migration.file.name}{_line(error, migration.sql)}: {error}"
        ) from error


def _line(error: psycopg.Error, sql: str) -> str:
    """Where in the file, if Postgres told."""
    position = error.diag.statement_position
    return f", line {sql.count(chr(10), 0, int(position) - 1) + 1}" if position else ""
