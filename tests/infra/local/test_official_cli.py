"""The official CLI and `make up` find each other's migrations, so that a project can use both."""

from __future__ import annotations

from collections.abc import Callable

from infra.local.migrations import HISTORY, migrate, read_all
from tests.support.parts import Database

Cli = Callable[..., str]


def test_what_we_applied_the_cli_does_not_apply_again(fresh_database: Database, supabase_cli: Cli) -> None:
    assert "up to date" in supabase_cli(
        "migration", "up", f"--remote={fresh_database.url}?sslmode=disable", "--yes"
    )


def test_what_the_cli_applied_we_do_not_apply_again(empty_database: Database, supabase_cli: Cli) -> None:
    supabase_cli("db", "push", f"--remote={empty_database.url}?sslmode=disable", "--yes")
    assert migrate(empty_database.url) == []


def test_both_keep_the_same_records(
    fresh_database: Database, empty_database: Database, supabase_cli: Cli
) -> None:
    """Versions and names; the CLI splits a file into statements, we keep it whole."""
    supabase_cli("db", "push", f"--remote={empty_database.url}?sslmode=disable", "--yes")
    assert records(fresh_database) == records(empty_database) == [(m.version, m.name) for m in read_all()]


def records(database: Database) -> list[tuple[str, str]]:
    with database.connect() as db:
        db.execute(HISTORY)
        return db.execute(
            "select version, name from supabase_migrations.schema_migrations order by version"
        ).fetchall()
