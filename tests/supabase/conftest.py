"""A migrated database without the API in front; each test in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.supabase.world import Db, World
from tests.support.parts import Cluster, Database


@pytest.fixture(scope="session")
def own_database(cluster: Cluster) -> Database:
    """What a test commits by mistake stays in here."""
    return cluster.copy("migrated")


@pytest.fixture(scope="session")
def connection(own_database: Database) -> Iterator[psycopg.Connection]:
    with own_database.connect() as connection:
        yield connection


@pytest.fixture
def db(connection: psycopg.Connection) -> Iterator[Db]:
    """As the owner, in a transaction that is rolled back."""
    with connection.transaction(force_rollback=True):
        yield Db(connection)


@pytest.fixture
def world(db: Db) -> World:
    return World(db)


@pytest.fixture
def fresh(fresh_database: Database) -> Iterator[Callable[[], Db]]:
    """A database of the test's own: each call opens another connection to it, and everything is committed."""
    opened: list[psycopg.Connection] = []

    def connect() -> Db:
        connection = fresh_database.connect()
        opened.append(connection)
        connection.execute("set lock_timeout = '20s'")  # a test that would hang fails instead
        return Db(connection)

    yield connect
    for connection in opened:
        connection.close()
