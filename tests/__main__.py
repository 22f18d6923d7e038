"""Runs all tests: those that mostly wait beside all others. With arguments: pytest with these.

Each of the two has a stack of its own. The output of those that wait follows when the others are done.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
WAITING = [HERE / "infra", HERE / "stories"]
PYTEST = [sys.executable, "-m", "pytest"]


class Terminated(KeyboardInterrupt):
    """We were asked to end, and they were not."""


def main(arguments: list[str]) -> int:
    """The exit code of pytest, or of the first of the two that failed."""
    signal.signal(signal.SIGTERM, _interrupt)
    if arguments:
        return _run([[*PYTEST, *arguments]])
    others = [*PYTEST, str(HERE), *(f"--ignore={folder}" for folder in WAITING)]
    return _run([others, [*PYTEST, *map(str, WAITING), "-p", "no:cacheprovider"]])


def _run(commands: list[list[str]]) -> int:
    """The first speaks at once, the others when it is done."""
    with tempfile.TemporaryFile() as later:
        running = [
            subprocess.Popen(command, stdout=later if n else None, stderr=subprocess.STDOUT if n else None)
            for n, command in enumerate(commands)
        ]
        try:
            codes = [each.wait() for each in running]
        except KeyboardInterrupt as interrupt:
            # Ctrl-C has reached them too, and a second signal would keep them from ending what they started.
            if isinstance(interrupt, Terminated):
                for each in running:
                    each.terminate()
            codes = [each.wait() or 130 for each in running]
        later.seek(0)
        sys.stdout.write(later.read().decode(errors="replace"))
    return next((code for code in codes if code), 0)


def _interrupt(*_: object) -> None:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
