"""Which Python the project's environment is built from. Standard library only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WANTED = (3, 13)
OLDEST = (3, 11)


@dataclass(frozen=True)
class Interpreter:
    """A Python that really ran."""

    path: str
    version: tuple[int, int, int]
    origin: str

    @property
    def minor(self) -> str:
        """As the Lambda runtime names it: 3.13."""
        return f"{self.version[0]}.{self.version[1]}"

    def __str__(self) -> str:
        return f"Python {'.'.join(map(str, self.version))} ({self.origin})"


def probe(path: str | Path, origin: str) -> Interpreter | None:
    """Runs it: a pyenv shim is on PATH and refuses while another version is selected."""
    code = "import sys; print(*sys.version_info[:3])"
    try:
        done = subprocess.run([str(path), "-c", code], capture_output=True, text=True, timeout=20, check=True)
        major, minor, patch = (int(word) for word in done.stdout.split())
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Interpreter(str(path), (major, minor, patch), origin)


def choose(uv: Path) -> Interpreter | None:
    """The Lambda runtime's minor if it can be had, else the newest that is new enough."""
    return _wanted_on_path() or _wanted_of_pyenv() or _wanted_of_uv(uv) or _newest()


def _wanted_on_path() -> Interpreter | None:
    found = shutil.which(f"python{WANTED[0]}.{WANTED[1]}")
    return probe(found, "on PATH") if found else None


def _wanted_of_pyenv() -> Interpreter | None:
    found = [item for item in _pyenv_versions() if item.version[:2] == WANTED]
    return max(found, key=lambda item: item.version, default=None)


def _wanted_of_uv(uv: Path) -> Interpreter | None:
    version = f"{WANTED[0]}.{WANTED[1]}"
    try:
        subprocess.run(
            [str(uv), "python", "install", "--quiet", version], capture_output=True, timeout=90, check=True
        )
        found = subprocess.run(
            [str(uv), "python", "find", "--managed-python", version],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return probe(found.stdout.strip(), "fetched by uv")


def _newest() -> Interpreter | None:
    candidates = [*_on_path(), *_pyenv_versions()]
    usable = [item for item in candidates if item.version[:2] >= OLDEST]
    return max(usable, key=lambda item: item.version, default=None)


def _on_path() -> Iterator[Interpreter]:
    names = re.compile(r"python3(\.\d+)?")
    for folder in os.get_exec_path():
        entries = sorted(Path(folder).iterdir()) if Path(folder).is_dir() else []
        for entry in entries:
            if names.fullmatch(entry.name) and (found := probe(entry, "on PATH")):
                yield found


def _pyenv_versions() -> list[Interpreter]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = (probe(path, "of pyenv") for path in sorted(root.glob("versions/3.*/bin/python")))
    return [item for item in found if item]
