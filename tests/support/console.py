"""A command running as a user would run it, and what it prints."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.local.paths import ROOT


class Console:
    """The output of a command so far."""

    def __init__(self, popen: subprocess.Popen[bytes], output: Path) -> None:
        self.popen = popen
        self._output = output

    @property
    def text(self) -> str:
        """All it printed, standard error included."""
        return self._output.read_text(errors="replace")

    def wait_for(self, words: str, timeout_s: float) -> str:
        """Waits until it printed the words; returns the line they are on."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = next((line for line in self.text.splitlines() if words in line), None)
            if found is not None:
                return found
            ended = self.popen.poll() is not None
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"no {words!r} {'when it ended' if ended else 'in time'}:\n{self.text}")
            time.sleep(0.1)

    def end(self, how: signal.Signals, timeout_s: float = 120) -> int:
        """Sends it a signal and waits; returns its exit code."""
        self.popen.send_signal(how)
        return self.popen.wait(timeout_s)


@contextmanager
def console(command: Sequence[str | Path], output: Path, env: Mapping[str, str]) -> Iterator[Console]:
    """Runs the command in the project and sees to its end."""
    with output.open("wb") as stream:
        popen = subprocess.Popen(
            [str(word) for word in command], cwd=ROOT, env={**os.environ, **env},
            stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield Console(popen, output)
    finally:
        popen.terminate()
        try:
            popen.wait(30)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()
