"""The keys and passwords of this laptop's stack: random, made once, kept between starts."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Credentials:
    """What opens the local parts. None of it is of use anywhere else."""

    jwt_secret: str
    publishable_key: str
    secret_key: str
    db_password: str
    admin_password: str

    @classmethod
    def create(cls) -> Credentials:
        """New random ones."""
        return cls(
            jwt_secret=secrets.token_hex(32),
            publishable_key=_api_key("publishable"),
            secret_key=_api_key("secret"),
            db_password=secrets.token_urlsafe(24),
            admin_password=secrets.token_urlsafe(12),
        )

    @classmethod
    def kept_in(cls, state: Path) -> Credentials:
        """Those of the last start, or new ones."""
        file = state / "credentials.json"
        if file.is_file():
            return cls(**json.loads(file.read_text()))
        made = cls.create()
        write_private(file, json.dumps(asdict(made), indent=2) + "\n")
        return made


def _api_key(kind: str) -> str:
    return f"sb_{kind}_{secrets.token_hex(11)}_{secrets.token_hex(4)}"


def write_private(file: Path, text: str) -> None:
    """Writes a file only its owner can read, at no moment readable by others."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    draft.replace(file)
