"""The migrations as files: who runs them, on which Postgres, and what the linters say."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infra.local.migrations import migrate, read_all
from infra.local.paths import ROOT
from tests.supabase.world import Db

CLI = (
    ROOT
    / "tests"
    / "node_modules"
    / "@supabase"
    / f"cli-linux-{'arm64' if platform.machine() == 'aarch64' else 'x64'}"
)


def test_they_ran_as_postgres_who_is_no_superuser(db: Db) -> None:
    assert db.rows("select current_user::text, rolsuper from pg_roles where rolname = current_user") == [
        ("postgres", False)
    ]
    owners = db.values(
        "select distinct pg_get_userbyid(relowner)::text from pg_class where relnamespace in "
        "('public'::regnamespace, 'watchkeeper'::regnamespace)"
    )
    assert owners == ["postgres"]


def test_applying_them_again_changes_nothing(cluster: Any) -> None:
    url = cluster.copy()
    assert migrate(url) == []
    with psycopg.connect(url) as connection:
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


def test_the_advisors_of_supabase_find_nothing_at_warn_or_above(cluster: Any) -> None:
    cli = next((CLI / "bin").glob("supabase*"), None) if CLI.is_dir() else None
    if cli is None:
        if os.environ.get("CI"):
            pytest.fail("the supabase CLI is missing: npm ci in tests/")
        pytest.skip("the supabase CLI is not installed: npm ci in tests/")
    done = subprocess.run(
        [cli, "db", "advisors", f"--remote={cluster.url()}?sslmode=disable", "--level", "info",
         "--output-format", "json"],
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "SUPABASE_TELEMETRY_DISABLED": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    findings = json.loads(done.stdout)["results"]
    assert findings, "it found not even an unused index: did it look?"
    assert [f"{each['name']}: {each['detail']}" for each in findings if each["level"] != "INFO"] == []
    assert "unindexed_foreign_keys" not in {each["name"] for each in findings}
