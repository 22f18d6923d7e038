"""Where a test session keeps the parts it starts, found again by the next session if this one is killed."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from infra.local.paths import STATE
from infra.local.postgres import Postgres
from infra.local.processes import stop_leftovers

SESSIONS = STATE / "tests"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of this session's own. Sessions that begin or end together do not take each other's for a dead one's."""
    SESSIONS.mkdir(mode=0o711, parents=True, exist_ok=True)
    with ExitStack() as held:
        with _one_at_a_time():
            for left in SESSIONS.iterdir():
                _remove_if_dead(left)
            folder = Path(tempfile.mkdtemp(dir=SESSIONS))
            lock = held.enter_context((folder / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
        with _one_at_a_time():
            shutil.rmtree(folder)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with (STATE / "tests.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
