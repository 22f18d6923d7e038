"""The page's own tests and types, and what it weighs."""

from __future__ import annotations

import subprocess

from infra.local.node import node_path
from infra.local.paths import DASHBOARD

DIST = DASHBOARD / "dist"
MOST_KB = 120


def run(*command: str) -> None:
    done = subprocess.run(
        [node_path(), *command], cwd=DASHBOARD, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pure_parts() -> None:
    run("--test")


def test_the_types() -> None:
    run("node_modules/typescript/bin/tsc", "--project", "tsconfig.json")


def test_the_whole_page_is_light() -> None:
    packed = {file.name: file.stat().st_size for file in DIST.rglob("*.br")}
    plain = {file.name for file in DIST.rglob("*") if file.suffix in {".js", ".css", ".html"}}
    assert {f"{name}.br" for name in plain} == packed.keys(), "each file has its compressed one beside it"
    assert sum(packed.values()) < MOST_KB * 1000, packed
