"""The migrations as files: who runs them, on which Postgres, and what the linters say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from infra.local.migrations import migrate, read_all
from tests.supabase.world import Db
from tests.support.parts import Database


def test_they_ran_as_postgres_who_is_no_superuser(db: Db) -> None:
    assert db.rows("select current_user::text, rolsuper from pg_roles where rolname = current_user") == [
        ("postgres", False)
    ]
    owners = db.values(
        "select distinct pg_get_userbyid(relowner)::text from pg_class where relnamespace in "
        "('public'::regnamespace, 'watchkeeper'::regnamespace)"
    )
    assert owners == ["postgres"]


def test_applying_them_again_changes_nothing(fresh_database: Database) -> None:
    assert migrate(fresh_database.url) == []
    with fresh_database.connect() as connection:
        applied = Db(connection).values(
            "select version from supabase_migrations.schema_migrations order by 1"
        )
    assert applied == [migration.version for migration in read_all()]


def test_they_share_a_project_with_an_application_that_has_the_same_words(db: Db) -> None:
    """user_roles, has_role and system_role may be the application's own."""
    db.connection.execute((Path(__file__).parent / "chain.sql").read_bytes())
    with db.asking_as("viewer"):
        assert db.rpc("whoami")["role"] == "viewer"


def test_each_says_first_what_it_is_for() -> None:
    for migration in read_all():
        assert migration.sql.startswith("-- "), migration.file.name


def test_no_transaction_control_and_no_name_of_a_machine_in_them() -> None:
    for migration in read_all():
        assert not re.search(
            r"^\s*(commit|rollback|begin;|vacuum|create index concurrently)", migration.sql, re.M | re.I
        )


def test_the_advisors_of_supabase_find_nothing_at_warn_or_above(
    supabase_cli: Callable[..., str], own_database: Database
) -> None:
    """The real lints, on the real catalog; without the CLI this fails, it does not skip."""
    remote = f"--remote={own_database.url}?sslmode=disable"
    printed = supabase_cli("db", "advisors", remote, "--level", "info", "--output-format", "json")
    report, _ = json.JSONDecoder().raw_decode(printed[printed.index('{"') :])
    findings = report["results"]
    assert findings, "it found not even an unused index: did it look?"
    assert [f"{each['name']}: {each['detail']}" for each in findings if each["level"] != "INFO"] == []
    assert "unindexed_foreign_keys" not in {each["name"] for each in findings}
