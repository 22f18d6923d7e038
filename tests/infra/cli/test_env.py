"""Which project the command talks to: one source, never a mixture."""

from pathlib import Path

import pytest

from infra.cli.env import find, load, parse
from watchkeeper.errors import SettingsError

LAPTOP = """\
SUPABASE_URL=http://127.0.0.1:54321
SUPABASE_SECRET_KEY='sb_secret_x'
export PRIVATE_TARGETS="loopback"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".watchkeeper").mkdir()
    (tmp_path / ".watchkeeper" / "env").write_text(LAPTOP)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    return below


def test_the_file_is_found_going_upward(checkout: Path) -> None:
    settings = load(checkout, {})
    assert settings.supabase_url == "http://127.0.0.1:54321"
    assert settings.supabase_secret_key == "sb_secret_x"
    assert settings.private_targets == "loopback"


def test_an_environment_that_names_a_project_wins(checkout: Path) -> None:
    env = {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SECRET_KEY": "hosted"}
    assert load(checkout, env).supabase_url == "https://x.supabase.co"


def test_the_laptops_key_is_not_sent_to_another_project(checkout: Path) -> None:
    with pytest.raises(SettingsError, match="SUPABASE_SECRET_KEY"):
        load(checkout, {"SUPABASE_URL": "https://x.supabase.co"})


def test_nothing_at_all_names_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"SUPABASE_URL: is not set.*make up"):
        load(tmp_path, {})
    assert find(tmp_path) is None


def test_lines_are_read_as_a_shell_would() -> None:
    assert parse("# A=1\n\n A = 2 \nB='x=y'\nnonsense\nC=\n") == {"A": "2", "B": "x=y", "C": ""}
