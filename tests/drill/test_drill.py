"""The drill in short; `make drill` is the long one."""

from pathlib import Path

import pytest

from tests.drill.drill import drill
from tests.drill.fate import BOUNDARIES
from tests.drill.table import lines

KILLS = 30


@pytest.fixture
def folder(session_folder: Path) -> Path:
    folder = session_folder / "drill"
    folder.mkdir()
    return folder


def test_nothing_is_lost_while_workers_die_at_every_step(folder: Path) -> None:
    report = drill(folder, kills=KILLS, workers_at_once=3, seed=7, minutes=6)
    assert report.verdict.violations == [], "\n".join(lines(report))
    assert sum(report.kills.values()) >= KILLS
    assert set(report.kills) == set(BOUNDARIES), "a step at which nobody died"
    assert report.verdict.distinct.total() > KILLS / 2
