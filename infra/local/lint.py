"""`make lint`: all checks, each with its own line, so that one run shows all that is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.local.build import SAM, SAM_SETTINGS
from infra.local.node import node_path
from infra.local.paths import DASHBOARD, MIGRATIONS, ROOT, TEMPLATE, VENV
from infra.local.steps import say

Command = list[str | Path]


def checks() -> dict[str, Command]:
    """What is checked, and how."""
    tool = VENV / "bin"
    return {
        "style": [tool / "ruff", "check", "--quiet", "."],
        "format": [tool / "ruff", "format", "--check", "--quiet", "."],
        "types": [tool / "mypy", "--no-error-summary"],
        "types (page)": [node_path(), DASHBOARD / "node_modules/typescript/bin/tsc", "--project", DASHBOARD],
        "imports": [tool / "lint-imports", "--no-cache"],
        "migrations": [tool / "squawk", *sorted(MIGRATIONS.glob("*.sql"))],
        "template": [tool / "cfn-lint", TEMPLATE, ROOT / "infra" / "github-deploy-role.yaml"],
        "template (sam)": [SAM, "validate", "--lint", "--template", TEMPLATE],
    }


def main() -> int:
    """Exit code 1 if any check found something."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(_run, checks().items()))
    return 0 if all(results) else 1


def _run(check: tuple[str, Command]) -> bool:
    name, command = check
    started = time.monotonic()
    done = subprocess.run(
        [str(word) for word in command], cwd=ROOT, env={**os.environ, **SAM_SETTINGS},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    verdict = "ok    " if done.returncode == 0 else "FAILED"
    said = "" if done.returncode == 0 else f"\n{done.stdout.strip()}"
    say(f"{verdict} {time.monotonic() - started:5.1f} s  {name}{said}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
