"""Nothing we start outlives us, nor do its children."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.processes import Process, started_at, stop_leftovers
from infra.local.steps import LocalError

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\n" + PARENT
)


def process(state: Path, code: str) -> Process:
    return Process("sleeper", [sys.executable, "-c", code], state)


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Process]:
    """A process with a child."""
    parent = process(tmp_path, PARENT)
    parent.start()
    parent.wait_until(lambda: bool(parent.tail().strip()))
    yield parent
    parent.stop()


def child_of(parent: Process) -> int:
    return int(parent.tail().split()[-1])


def test_stopping_takes_the_children_along(parent: Process) -> None:
    child = child_of(parent)
    assert started_at(child)
    parent.stop()
    assert started_at(child) is None
    assert not parent.alive


def test_what_does_not_listen_is_killed(tmp_path: Path) -> None:
    deaf = process(tmp_path, STUBBORN)
    deaf.start()
    deaf.wait_until(lambda: len(deaf.tail().split()) == 2)
    child = child_of(deaf)
    deaf.stop(timeout_s=0.2)
    assert started_at(child) is None


def test_one_that_ends_at_its_start_says_why(tmp_path: Path) -> None:
    broken = process(tmp_path, "raise SystemExit('no such file')")
    broken.start()
    with pytest.raises(LocalError, match="no such file"):
        broken.wait_until(lambda: False)


def test_one_that_never_answers_is_given_up(tmp_path: Path) -> None:
    silent = process(tmp_path, "import time; time.sleep(600)")
    silent.start()
    try:
        with pytest.raises(LocalError, match="does not answer"):
            silent.wait_until(lambda: False, timeout_s=0.2)
    finally:
        silent.stop()


def test_what_a_killed_run_left_is_stopped_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from infra.local.processes import Process\n"
        f"left = Process('sleeper', [sys.executable, '-c', {PARENT!r}], Path({str(tmp_path)!r})); left.start()\n"
        "left.wait_until(lambda: bool(left.tail().strip()))\n"
        "os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False, timeout=120)
    left = json.loads((tmp_path / "run" / "sleeper.json").read_text())["pid"]
    child = int((tmp_path / "logs" / "sleeper.log").read_text())
    assert started_at(left)
    assert stop_leftovers(tmp_path) == ["sleeper"]
    assert wait_for_end(left)
    assert wait_for_end(child)


def test_a_number_that_somebody_else_has_now_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "sleeper.json").write_text(json.dumps({"pid": other.pid, "started": "long ago"}))
        assert stop_leftovers(tmp_path) == []
        assert other.poll() is None
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()


def wait_for_end(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while started_at(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return started_at(pid) is None
