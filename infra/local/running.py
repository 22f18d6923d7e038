"""One `make up` per checkout: who runs, and where."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infra.local.ports import HOST, Ports
from infra.local.steps import LocalError


@contextmanager
def only_one(state: Path, ports: Ports) -> Iterator[None]:
    """Holds the checkout's lock; the system gives it back however we end."""
    state.mkdir(mode=0o711, parents=True, exist_ok=True)
    with (state / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError(_already(state)) from None
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), **asdict(ports)}))
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def _already(state: Path) -> str:
    known = _read(state)
    if not known:
        return "another one is starting or stopping here; try again in a moment"
    return f"already running: pid {known['pid']}, http://{HOST}:{known['api_port']}. Stop it with kill {known['pid']}"


def running_port(state: Path, name: str) -> int | None:
    """A port of the stack that runs in this checkout, if one does."""
    known = _read(state)
    return int(known[name]) if known else None


def _read(state: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((state / "lock").read_text()))
    except (OSError, ValueError):
        return {}
