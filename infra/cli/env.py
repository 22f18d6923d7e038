"""Which Supabase project the command talks to."""

import os
from collections.abc import Mapping
from pathlib import Path

from watchkeeper.errors import SettingsError
from watchkeeper.settings import Settings

FILE = Path(".watchkeeper") / "env"


def load(cwd: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the project, as `values` finds them."""
    return Settings.from_env(values(cwd, environ))


def values(cwd: Path | None = None, environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """All of the environment if it names a project, else of the nearest `.watchkeeper/env`.

    Never a mixture of both: one project's key must not be sent to another's URL.
    """
    if environ.get("SUPABASE_URL"):
        return environ
    file = find(cwd or Path.cwd())
    if file is None:
        raise SettingsError(
            "SUPABASE_URL",
            "is not set, and there is no .watchkeeper/env here or above. Run `make up` for a laptop stack, "
            "or set SUPABASE_URL and SUPABASE_SECRET_KEY.",
        )
    try:
        return parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("SUPABASE_URL", f"{file} cannot be read: {error}") from None


def find(start: Path) -> Path | None:
    """The nearest `.watchkeeper/env`, going upward."""
    return next((folder / FILE for folder in [start, *start.parents] if (folder / FILE).is_file()), None)


def parse(text: str) -> dict[str, str]:
    """KEY=VALUE lines; `export`, quotes, blank lines and comments as a shell has them."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not key.startswith("#"):
            found[key.strip()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
