"""What CHANGELOG.md says of a version: `python3 -m infra.local.changelog 0.1.0`. Standard library only."""

from __future__ import annotations

import re
import sys
import tomllib

from infra.local.paths import ROOT
from infra.local.steps import LocalError, complain, say


def notes(version: str) -> str:
    """Its section, if it is the version of this checkout."""
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    if version != ours:
        raise LocalError(f"the tag says {version}, pyproject.toml {ours}")
    text = (ROOT / "CHANGELOG.md").read_text()
    found = re.search(rf"^## {re.escape(version)}\b[^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None or not found[1].strip():
        raise LocalError(f"CHANGELOG.md says nothing of {version}")
    return found[1].strip()


if __name__ == "__main__":
    try:
        say(notes(sys.argv[1]))
    except LocalError as error:
        complain(str(error))
        sys.exit(1)
