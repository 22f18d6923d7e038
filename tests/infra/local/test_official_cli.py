"""The official CLI and `make up` find each other's migrations, so that a project can use both."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.deploy.backup import program
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


# What projects made before May 2026 grant on everything new in `public`; later ones grant nothing.
OLDER_DEFAULTS = """
alter default privileges for role postgres in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on sequences to anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on functions to anon, authenticated, service_role;
"""


@pytest.mark.parametrize("defaults", ["select", OLDER_DEFAULTS], ids=["nothing is granted", "all is granted"])
def test_a_project_of_either_age_becomes_the_database_that_all_other_tests_are_about(
    fresh_database: Database, empty_database: Database, supabase_cli: Cli, defaults: str
) -> None:
    """Tables, functions, policies and each grant, as pg_dump tells them."""
    with empty_database.connect() as db:
        db.execute(defaults.encode())
    supabase_cli("db", "push", f"--remote={empty_database.url}?sslmode=disable", "--yes")
    ours = schema(fresh_database)
    assert len(ours) > 5_000
    assert schema(empty_database) == ours


def schema(database: Database) -> list[str]:
    """Without what differs each time, and without the records of either applier."""
    dumped = program(
        "pg_dump", database.url, ["--schema-only", "--schema=public", "--schema=watchkeeper"]
    ).decode()
    return [line for line in dumped.splitlines() if line and not line.startswith(("\\", "--"))]
