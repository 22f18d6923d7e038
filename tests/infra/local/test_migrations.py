"""Migrations are applied once, in order, each whole or not at all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.local.migrations import migrate
from infra.local.steps import LocalError
from tests.support.parts import Database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations that have nothing to do with ours."""
    (tmp_path / "99990101000100_first.sql").write_text("create table public.first (id int);\n")
    (tmp_path / "99990101000200_second.sql").write_text("create table public.second (id int);\n")
    return tmp_path


def test_a_second_run_has_nothing_to_do(fresh_database: Database, folder: Path) -> None:
    assert migrate(fresh_database.url, folder) == ["99990101000100", "99990101000200"]
    assert migrate(fresh_database.url, folder) == []


def test_a_failing_one_leaves_nothing_and_names_its_line(fresh_database: Database, folder: Path) -> None:
    (folder / "99990101000150_broken.sql").write_text(
        "create table public.half (id int);\nselect nonsense;\n"
    )
    with pytest.raises(LocalError, match=re.escape("99990101000150_broken.sql, line 2")):
        migrate(fresh_database.url, folder)
    with fresh_database.connect() as db:
        assert db.execute("select to_regclass('public.first'), to_regclass('public.half')").fetchone() == (
            "first",
            None,
        )
    (folder / "99990101000150_broken.sql").unlink()
    assert migrate(fresh_database.url, folder) == ["99990101000200"]


def test_a_changed_one_is_refused(fresh_database: Database, folder: Path) -> None:
    migrate(fresh_database.url, folder)
    (folder / "99990101000100_first.sql").write_text("create table public.first (id bigint);\n")
    with pytest.raises(LocalError, match="changed after it had been applied"):
        migrate(fresh_database.url, folder)


def test_a_name_that_the_official_cli_would_skip_is_refused(fresh_database: Database, tmp_path: Path) -> None:
    (tmp_path / "add_table.sql").write_text("select 1;")
    with pytest.raises(LocalError, match="add_table"):
        migrate(fresh_database.url, tmp_path)
