"""The official CLI and `make up` find each other's migrations, so that a project can use both."""

from __future__ import annotations

from collections.abc import Callable

from infra.deploy.backup import program
from infra.local.migrations import HISTORY, migrate, read_all
from tests.support.parts import Database

Cli = Callable[..., str]


GRANTED_BY_DEFAULT = """
select defaclrole::regrole::text, defaclobjtype, defaclacl::text from pg_default_acl
where defaclrole = 'postgres'::regrole or defaclnamespace in ('public'::regnamespace, 0)
"""
BY_THE_CLI = "select bool_and(cardinality(statements) > 1) from supabase_migrations.schema_migrations"


def test_all_tests_run_on_a_project_that_grants_nothing_and_that_the_cli_migrated(
    fresh_database: Database, empty_database: Database
) -> None:
    """It records each statement of a file, we record the whole file as one."""
    with empty_database.connect() as new, fresh_database.connect() as migrated:
        assert new.execute(GRANTED_BY_DEFAULT).fetchall() == []
        assert migrated.execute(BY_THE_CLI).fetchone() == (True,)


def test_what_we_applied_the_cli_does_not_apply_again(empty_database: Database, supabase_cli: Cli) -> None:
    migrate(empty_database.url)
    assert "up to date" in supabase_cli(
        "migration", "up", f"--remote={empty_database.url}?sslmode=disable", "--yes"
    )


def test_what_the_cli_applied_we_do_not_apply_again(fresh_database: Database) -> None:
    assert migrate(fresh_database.url) == []


def test_both_keep_the_same_records(fresh_database: Database, empty_database: Database) -> None:
    """Versions and names; the CLI splits a file into statements, we keep it whole."""
    migrate(empty_database.url)
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


def test_what_we_apply_is_the_database_that_all_other_tests_are_about(
    fresh_database: Database, empty_database: Database
) -> None:
    """Tables, functions, policies and each grant, as pg_dump tells them."""
    migrate(empty_database.url)
    ours = schema(empty_database)
    assert len(ours) > 5_000
    assert ours == schema(fresh_database)


def test_so_does_a_project_that_grants_all_become(
    fresh_database: Database, empty_database: Database, supabase_cli: Cli
) -> None:
    with empty_database.connect() as db:
        db.execute(OLDER_DEFAULTS.encode())
        assert db.execute(GRANTED_BY_DEFAULT).fetchall() != []
    supabase_cli("migration", "up", f"--remote={empty_database.url}?sslmode=disable", "--yes")
    assert schema(empty_database) == schema(fresh_database)


def schema(database: Database) -> list[str]:
    """Without what differs each time, and without the records of either applier."""
    dumped = program(
        "pg_dump", database.url, ["--schema-only", "--schema=public", "--schema=watchkeeper"]
    ).decode()
    return [line for line in dumped.splitlines() if line and not line.startswith(("\\", "--"))]
