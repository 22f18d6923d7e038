"""Runs all tests: those that mostly wait beside those that keep a processor busy. With arguments: pytest with these.

Each group has a stack of its own. The output of the first comes as it goes, that of the others when all are done.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
PYTEST = [sys.executable, "-m", "pytest"]
POLITELY = ["nice", "-n", "5"]
# What is in none of them comes with `others`, so that no new folder is forgotten.
WAITING = [HERE / "stories" / "test_seconds.py", HERE / "stories" / "test_spool.py"]
DEPLOYED = [HERE / "infra", HERE / "stories"]
SQL = [HERE / "supabase"]


class Terminated(KeyboardInterrupt):
    """We were asked to end, and they were not."""


def groups() -> list[list[str]]:
    """The command of each. Those that compute leave the processor to those that keep a time."""
    others = [str(HERE), *_without([*DEPLOYED, *SQL])]
    deployed = [*map(str, DEPLOYED), *_without(WAITING)]
    one_cache = ["-p", "no:cacheprovider"]
    return [
        [*POLITELY, *PYTEST, *others],
        [*POLITELY, *PYTEST, *map(str, SQL), *one_cache],
        [*PYTEST, *deployed, *one_cache],
        [*PYTEST, *map(str, WAITING), *one_cache],
    ]


def main(arguments: list[str]) -> int:
    """The exit code of pytest, or of the first group that failed."""
    signal.signal(signal.SIGTERM, _interrupt)
    return _run([[*PYTEST, *arguments]] if arguments else groups())


def _run(commands: list[list[str]]) -> int:
    """The first speaks at once, the others when all are done."""
    with ExitStack() as files:
        said: list[IO[bytes] | None] = [
            files.enter_context(tempfile.TemporaryFile()) if n else None for n in range(len(commands))
        ]
        running = [
            subprocess.Popen(command, stdout=later, stderr=subprocess.STDOUT if later else None)
            for command, later in zip(commands, said, strict=True)
        ]
        try:
            codes = [each.wait() for each in running]
        except KeyboardInterrupt as interrupt:
            # Ctrl-C has reached them too, and a second signal would keep them from ending what they started.
            if isinstance(interrupt, Terminated):
                for each in running:
                    each.terminate()
            codes = [each.wait() or 130 for each in running]
        for later in filter(None, said):
            later.seek(0)
            sys.stdout.write(later.read().decode(errors="replace"))
    return next((code for code in codes if code), 0)


def _without(paths: list[Path]) -> list[str]:
    return [f"--ignore={path}" for path in paths]


def _interrupt(*_: object) -> None:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
