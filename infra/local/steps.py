"""One progress line per step, with its seconds. Standard library only: the bootstrap uses it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class LocalError(Exception):
    """Something the user can mend; its message names the setting or command to change."""


def say(text: str) -> None:
    """Prints a line at once, also into a pipe."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Prints a line to standard error."""
    print(text, file=sys.stderr, flush=True)


class Step:
    """Lets a step add what it found to its closing line."""

    def __init__(self) -> None:
        self.note = ""


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Times a step; prints one line when it ends, also when it fails."""
    started = time.monotonic()
    current = Step()
    try:
        yield current
    except BaseException:
        say(f"  FAILED {title} after {time.monotonic() - started:.1f} s")
        raise
    note = f": {current.note}" if current.note else ""
    say(f"  {time.monotonic() - started:5.1f} s  {title}{note}")
