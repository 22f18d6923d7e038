"""Where a test session keeps the parts it starts, found again by the next session if this one is killed."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.paths import STATE
from infra.local.postgres import Postgres
from infra.local.processes import stop_leftovers

SESSIONS = STATE / "tests"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of this session's own."""
    SESSIONS.mkdir(mode=0o711, parents=True, exist_ok=True)
    for left in SESSIONS.iterdir():
        _remove_if_dead(left)
    folder = Path(tempfile.mkdtemp(dir=SESSIONS))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    shutil.rmtree(folder)


def _remove_if_dead(folder: Path) -> None:
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for state in {note.parent.parent for note in folder.rglob("run/*.json")}:
            stop_leftovers(state)
            Postgres(state, 0, "").erase()
        shutil.rmtree(folder)
