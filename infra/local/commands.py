"""Runs commands that end by themselves, such that stopping the stack also ends one that is under way."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from infra.local.steps import LocalError

_running: set[subprocess.Popen[str]] = set()
_stopping = threading.Event()


def run(
    title: str,
    command: Sequence[str | Path],
    *,
    cwd: Path | str = "/",
    env: Mapping[str, str] | None = None,
    uid: int | None = None,
    timeout_s: float = 300,
) -> str:
    """Returns what it printed; if it fails, its last words become the message."""
    if _stopping.is_set():
        raise LocalError(f"{title}: not started, all stops")
    popen = subprocess.Popen(
        [str(word) for word in command], cwd=cwd, env=env, user=uid, extra_groups=None if uid is None else [],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", start_new_session=True,
    )  # fmt: skip
    _running.add(popen)
    try:
        output, _ = popen.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise LocalError(f"{title} did not end within {timeout_s:.0f} s") from error
    finally:
        _kill(popen)
        _running.discard(popen)
    if popen.returncode:
        raise LocalError(f"{title} failed:\n{output.strip()[-3000:]}")
    return output


def stop_running() -> None:
    """Ends all that run, from whatever thread they were started; no other can start after that."""
    _stopping.set()
    for popen in list(_running):
        _kill(popen)


def _kill(popen: subprocess.Popen[str]) -> None:
    if popen.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
