"""The first step: the database, by the official CLI. New SQL serves old functions, so it goes out before them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg

from infra.deploy.settings import Deployment
from infra.local.commands import run
from infra.local.migrations import read_all
from infra.local.node import supabase_binary
from infra.local.paths import ROOT
from infra.local.steps import LocalError


def push(database_url: str) -> str:
    """Applies what is new; each file is a transaction, so that a failure leaves whole files."""
    before = applied(database_url)
    command: list[str | Path] = [
        supabase_binary(),
        "db",
        "push",
        f"--remote={cli_url(database_url)}",
        "--yes",
    ]
    try:
        run("supabase db push", command, cwd=ROOT, timeout_s=1800)
    except LocalError as error:
        raise LocalError(_without_password(str(error), database_url)) from None
    return f"{len(applied(database_url) - before)} migrations applied"


def applied(database_url: str) -> set[str]:
    """The versions that the database has."""
    with psycopg.connect(database_url, connect_timeout=10, autocommit=True) as db:
        if db.execute("select to_regclass('supabase_migrations.schema_migrations')").fetchone() == (None,):
            return set()
        return {row[0] for row in db.execute("select version from supabase_migrations.schema_migrations")}


def pending(deployment: Deployment) -> list[str]:
    """The files that a push would apply."""
    done = applied(deployment.database_url)
    return [migration.file.name for migration in read_all() if migration.version not in done]


def cli_url(database_url: str) -> str:
    """The CLI insists on TLS unless told otherwise, and a server on this machine has none."""
    local = urlsplit(database_url).hostname in ("127.0.0.1", "localhost")
    return f"{database_url}?sslmode=disable" if local and "sslmode" not in database_url else database_url


def _without_password(text: str, database_url: str) -> str:
    password = urlsplit(database_url).password
    for each in filter(None, (password, unquote(password or ""))):
        text = text.replace(each, "***")
    return text
