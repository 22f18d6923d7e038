"""Skips work whose inputs did not change. Standard library only: the bootstrap uses it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from infra.local.paths import STAMPS


def fingerprint(parts: Iterable[str | Path]) -> str:
    """Digests texts and files; a missing file counts as empty."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) and part.is_file() else str(part).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def is_fresh(name: str, value: str) -> bool:
    """Whether the step of this name last ended well with the same inputs."""
    stamp = STAMPS / name
    return stamp.is_file() and stamp.read_text() == value


def mark(name: str, value: str) -> None:
    """Records that the step of this name ended well."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / name).write_text(value)


def forget(name: str) -> None:
    """Makes the step of this name run again, also after a crash in its middle."""
    (STAMPS / name).unlink(missing_ok=True)
