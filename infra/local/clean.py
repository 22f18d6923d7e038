"""`make reset` forgets the local data; `make clean` also removes what was installed. Standard library only."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path

from infra.local.paths import DASHBOARD, LOCAL, ROOT, STATE, VENV, checkout_key
from infra.local.steps import complain, say

SHARED = Path("/var/tmp") / f"watchkeeper-{checkout_key()}"  # noqa: S108  (only root keeps anything there)
DATA = [STATE / "postgres", STATE / "credentials.json", STATE / "env"]
CACHES = [
    ROOT / name for name in (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".aws-sam", "dist")
]


def main() -> int:
    """Refuses while `make up` runs here."""
    everything = "--data" not in sys.argv[1:]
    if _runs():
        complain("make up runs here: stop it first")
        return 1
    shared = [SHARED] if os.geteuid() == 0 else []
    packages = [folder / "node_modules" for folder in (LOCAL, DASHBOARD, ROOT / "tests")]
    installed = [STATE, VENV, *packages, DASHBOARD / "dist", *CACHES]
    for path in [*DATA, *shared, *(installed if everything else [])]:
        _remove(path)
    say("removed the local data" + (" and all that was installed" if everything else ""))
    return 0


def _runs() -> bool:
    if not (STATE / "lock").is_file():
        return False
    with (STATE / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
