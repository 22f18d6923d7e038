"""A Postgres like a new hosted project's, migrated; each test in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest

from infra.local.migrations import migrate
from infra.local.ports import free_ports
from infra.local.postgres import SUPERUSER, Postgres
from tests.supabase.world import Db, World

PRISTINE = "pristine"
names = count(1)


@dataclass(frozen=True)
class Cluster:
    """A server whose database `postgres` is migrated, and `pristine` is a copy of it that nobody touches."""

    postgres: Postgres

    def url(self, database: str = "postgres", role: str = "postgres") -> str:
        return self.postgres.url(role).rpartition("/")[0] + "/" + database

    def copy(self) -> str:
        """The address of a fresh database."""
        name = f"test_{next(names)}"
        with psycopg.connect(self.url(role=SUPERUSER), autocommit=True) as server:
            server.execute(f"create database {name} template {PRISTINE} owner postgres strategy file_copy")
        return self.url(name)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    postgres = Postgres(tmp_path_factory.mktemp("state"), free_ports(1)[0], "secret", durable=False)
    postgres.start()
    try:
        with psycopg.connect(postgres.url(SUPERUSER)) as superuser:
            superuser.execute((Path(__file__).parent / "auth.sql").read_bytes())
        postgres.prepare()
        migrate(postgres.url())
        with psycopg.connect(
            postgres.url(SUPERUSER).replace("/postgres", "/template1"), autocommit=True
        ) as superuser:
            superuser.execute(
                f"create database {PRISTINE} template postgres owner postgres strategy file_copy"
            )
        yield Cluster(postgres)
    finally:
        postgres.stop()
        postgres.erase()


@pytest.fixture(scope="session")
def connection(cluster: Cluster) -> Iterator[psycopg.Connection]:
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def db(connection: psycopg.Connection) -> Iterator[Db]:
    """As the owner, in a transaction that is rolled back."""
    with connection.transaction(force_rollback=True):
        yield Db(connection)


@pytest.fixture
def fresh(cluster: Cluster) -> Iterator[Callable[[], Db]]:
    """A database of the test's own: each call opens another connection to it, and everything is committed."""
    url = cluster.copy()
    opened: list[psycopg.Connection] = []

    def connect() -> Db:
        opened.append(psycopg.connect(url, autocommit=True))
        return Db(opened[-1])

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def world(db: Db) -> World:
    return World(db)
