"""Where the laptop stack keeps things. Standard library only: the bootstrap uses it."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / "infra" / "local"
STATE = ROOT / ".watchkeeper"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV_ENV = STATE / "uv"
SAM_ENV = STATE / "sam"
NODE_ENV = STATE / "node"
STAMPS = STATE / "stamps"
MIGRATIONS = ROOT / "supabase" / "migrations"
TESTS = ROOT / "tests"
FUNCTIONS = ROOT / "functions"
TEMPLATE = ROOT / "template.yaml"
DASHBOARD = ROOT / "dashboard"


def checkout_key(root: Path = ROOT) -> str:
    """A short name for this checkout, for what has to live outside of it."""
    return hashlib.sha256(str(root).encode()).hexdigest()[:12]
