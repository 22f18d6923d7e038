"""Postgres 17 with what a hosted Supabase project has before the first migration."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from dataclasses import dataclass
from pathlib import Path

import psycopg

from infra.local import node
from infra.local.commands import run
from infra.local.credentials import write_private
from infra.local.paths import LOCAL, checkout_key
from infra.local.ports import HOST
from infra.local.processes import Process
from infra.local.stamps import fingerprint
from infra.local.steps import LocalError

SUPERUSER = "supabase_admin"
SHARED = Path("/var/tmp")  # noqa: S108  (checked to be root's own before use)


@dataclass(frozen=True)
class Home:
    """Where the programs and the data are, and as whom they run."""

    programs: Path
    data: Path
    uid: int | None


def find_home(state: Path) -> Home:
    """Beside the rest; but Postgres refuses root, and the user it then runs as may not enter the checkout."""
    if os.geteuid() != 0:
        return Home(node.postgres_package(), state / "postgres", None)
    shared = SHARED / f"watchkeeper-{checkout_key()}"
    shared.mkdir(mode=0o755, exist_ok=True)
    found = shared.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0:
        raise LocalError(f"{shared} belongs to somebody else: remove it")
    return Home(_shared_programs(shared), shared / checkout_key(state) / "data", _unprivileged_uid())


def _unprivileged_uid() -> int:
    import pwd  # noqa: PLC0415  (not on every platform, and only root comes here)

    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise LocalError("run as root, Postgres needs a user named postgres or nobody: add one")


def _shared_programs(shared: Path) -> Path:
    source = node.postgres_package()
    programs = shared / f"programs-{fingerprint([LOCAL / 'package-lock.json'])[:12]}"
    if not programs.is_dir():
        draft = shared / f"draft-{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(source, draft, symlinks=True)
        draft.chmod(0o755)
        try:
            draft.rename(programs)
        except OSError:  # another process has just put them there
            shutil.rmtree(draft)
    return programs


class Postgres:
    """One cluster with one database."""

    def __init__(self, state: Path, port: int, password: str, *, durable: bool = True) -> None:
        self._home = find_home(state)
        self._password = password
        self.port = port
        command: list[str | Path] = [
            self._home.programs / "bin" / "postgres", "-D", self._home.data, "-p", str(port),
            "-c", f"listen_addresses={HOST}", "-c", "unix_socket_directories=", "-c", "timezone=UTC",
        ]  # fmt: skip
        if not durable:
            command += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        # SIGINT is its fast shutdown; SIGTERM would wait for the gateway's idle connections.
        self.process = Process("postgres", command, state, uid=self._home.uid, stop_signal=signal.SIGINT)

    def url(self, role: str = "postgres") -> str:
        """How to connect: as postgres (no superuser, like on hosted) or as supabase_admin."""
        return f"postgresql://{role}:{self._password}@{HOST}:{self.port}/postgres"

    def start(self) -> None:
        """Makes the cluster at the first start, and waits until it answers."""
        if not (self._home.data / "PG_VERSION").is_file():
            self._create()
        self.process.start()
        self.process.wait_until(self._answers)

    def stop(self) -> None:
        """Shuts down; the data stays."""
        self.process.stop()

    def is_prepared(self) -> bool:
        """Whether `prepare` ran on this cluster."""
        with psycopg.connect(self.url(SUPERUSER)) as db:
            return db.execute("select from pg_roles where rolname = 'authenticator'").fetchone() is not None

    def prepare(self) -> None:
        """Adds the roles, schemas and extensions of a hosted project, all or nothing."""
        with psycopg.connect(self.url(SUPERUSER)) as db:
            db.execute((LOCAL / "hosted.sql").read_bytes())
            secret = psycopg.sql.Literal(self._password)
            db.execute(psycopg.sql.SQL("alter role postgres password {}").format(secret))

    def erase(self) -> None:
        """Removes the data."""
        shutil.rmtree(self._home.data, ignore_errors=True)
        if os.geteuid() == 0 and self._home.data.parent.is_dir():
            self._home.data.parent.rmdir()

    def _create(self) -> None:
        data = self._home.data
        shutil.rmtree(data, ignore_errors=True)  # what a start that was interrupted left
        data.parent.mkdir(parents=True, exist_ok=True)
        data.mkdir(mode=0o700)
        self._hand_over(data)
        password = data.parent / f"{data.name}.password"  # initdb takes it from a file only
        write_private(password, self._password)
        try:
            self._hand_over(password)
            self._run_initdb(password)
        finally:
            password.unlink()

    def _hand_over(self, *paths: Path) -> None:
        if self._home.uid is not None:
            for path in paths:
                os.chown(path, self._home.uid, -1)

    def _run_initdb(self, password: Path) -> None:
        command: list[str | Path] = [
            self._home.programs / "bin" / "initdb", "-D", self._home.data, "-U", SUPERUSER,
            "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--no-sync",
        ]  # fmt: skip
        try:
            run("initdb", command, uid=self._home.uid)
        except BaseException:
            shutil.rmtree(self._home.data, ignore_errors=True)
            raise

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(SUPERUSER), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise LocalError(
                    "the local data has another password than we keep: start over, make reset"
                ) from error
            return False
        return True
