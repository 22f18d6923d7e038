"""Starts programs so that none of them, nor a child of theirs, outlives us."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from infra.local.steps import LocalError

PROC = Path("/proc")  # not on macOS, where ps is asked


class Process:
    """A program in a process group of its own: Ctrl-C in the terminal reaches us, and we stop it in order."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        state: Path,
        *,
        env: Mapping[str, str] | None = None,
        uid: int | None = None,
        cwd: Path = Path("/"),
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = state / "logs" / f"{name}.log"
        self._note = state / "run" / f"{name}.json"
        self._command = [str(word) for word in command]
        self._env = env
        self._uid = uid
        self._cwd = cwd
        self._stop_signal = stop_signal
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def pid(self) -> int | None:
        """Its number while it runs."""
        return self._popen.pid if self._popen is not None else None

    def start(self) -> None:
        """Starts it; its output goes to logs/<name>.log, kept from one start to the next."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._note.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self._cwd,
                env=self._env, start_new_session=True, user=self._uid, group=_group_of(self._uid),
                extra_groups=None if self._uid is None else [],
            )  # fmt: skip
        pid = self._popen.pid
        self._note.write_text(json.dumps({"pid": pid, "started": started_at(pid)}))

    def wait_until(self, ready: Callable[[], bool], timeout_s: float = 30) -> None:
        """Waits for it to answer; if it ends instead, says so with the end of its log."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.alive:
                raise LocalError(f"{self.name} ended at its start:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise LocalError(f"{self.name} does not answer after {timeout_s:.0f} s:\n{self.tail()}")
            time.sleep(0.05)

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.is_file() else ""
        return "\n".join(f"    {line[:200]}" for line in text.splitlines()[-lines:])

    def stop(self, timeout_s: float = 10) -> None:
        """Asks it to end, then insists; takes its children along."""
        if self._popen is None:
            return
        pid = self._popen.pid
        with suppress(ProcessLookupError):
            self._popen.send_signal(self._stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout_s)
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()
        _kill_group(pid)
        self._popen = None
        self._note.unlink(missing_ok=True)


def _group_of(uid: int | None) -> int | None:
    if uid is None:
        return None
    import pwd  # noqa: PLC0415  (not on every platform, and only root comes here)

    return pwd.getpwuid(uid).pw_gid


def _kill_group(pid: int, patience_s: float = 2) -> None:
    """Kills what is left of the group and waits for it to be gone, children we cannot wait for included."""
    deadline = time.monotonic() + patience_s
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
        while _group_runs(pid) and time.monotonic() < deadline:
            time.sleep(0.02)


def _group_runs(group: int) -> bool:
    """Whether one of the group is more than an entry that waits for init to collect it."""
    if not PROC.is_dir():
        os.killpg(group, 0)
        return True
    fields = (_fields(int(entry.name)) for entry in PROC.glob("[0-9]*"))
    return any(found and found[0] not in "ZX" and int(found[2]) == group for found in fields)


def _fields(pid: int) -> list[str]:
    """What /proc tells after the process's name: state, parent, group, ... Empty if it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def started_at(pid: int) -> str | None:
    """When a process began, so that a number used again is not taken for the old process. None: not running."""
    if PROC.is_dir():
        found = _fields(pid)
        return found[19] if found and found[0] not in "ZX" else None
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or None


def stop_leftovers(state: Path) -> list[str]:
    """Ends what an earlier run left behind because it was killed outright; tells the names."""
    stopped = []
    for note in sorted((state / "run").glob("*.json")):
        with suppress(ValueError, KeyError):
            known = json.loads(note.read_text())
            if known["started"] and known["started"] == started_at(known["pid"]):
                _stop_leftover(known["pid"])
                stopped.append(note.stem)
        note.unlink(missing_ok=True)
    return stopped


def _stop_leftover(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)  # Postgres reads it as "close all sessions and shut down"
    deadline = time.monotonic() + 5
    while started_at(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    _kill_group(pid)
