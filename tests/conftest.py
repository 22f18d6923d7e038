"""Real parts for tests, started when the first test asks and stopped at the end, also after Ctrl-C.

Ask for what you need: `database` (shared, the one behind `api`), `fresh_database` and `empty_database` (copies of
your own, migrated and not), `api`,
`anvil` (call it for a chain node), `aws` (the emulator with template.yaml deployed; its functions talk to `api`).
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from infra.deploy.database import push
from infra.local.anvil import Anvil
from infra.local.aws import Aws
from infra.local.commands import run
from infra.local.node import supabase_binary
from infra.local.paths import ROOT
from infra.local.ports import Ports, free_ports
from infra.local.postgres import SUPERUSER
from infra.local.stack import Stack
from tests.support.parts import Api, Cluster, Database
from tests.support.scratch import scratch

# The suite plays the same histories each time, so that one commit is either green or not; `make fuzz` plays others.
# Neither is timed: an example that a busy machine held up is no counter-example.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", UNTIMED, derandomize=True)
settings.register_profile("random", UNTIMED, print_blob=True)
settings.load_profile("repeatable")


def pytest_configure() -> None:
    """A terminated session runs its finalizers, as an interrupted one does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """Where this session keeps what it starts."""
    with scratch() as folder:
        yield folder


@pytest.fixture(scope="session")
def stack(session_folder: Path) -> Iterator[Stack]:
    """The parts of the laptop stack on free ports, none of them started."""
    stack = Stack(session_folder / "stack", Ports.free(), durable=False)
    try:
        yield stack
    finally:
        stack.stop()
        stack.postgres.erase()


@pytest.fixture(scope="session")
def cluster(stack: Stack) -> Cluster:
    """Postgres as a hosted project is, with our migrations applied once, by the official CLI as a deploy does."""
    stack.start_postgres()
    cluster = Cluster(stack)
    cluster.keep("empty")
    push(stack.postgres.url())
    cluster.keep("migrated")
    return cluster


@pytest.fixture(scope="session")
def database(stack: Stack, cluster: Cluster) -> Database:  # noqa: ARG001  (the cluster has to run)
    """The migrated database behind `api`; what a test leaves in it, the next one finds."""
    return Database(stack.postgres.url(), stack.postgres.url(SUPERUSER))


@pytest.fixture
def fresh_database(cluster: Cluster) -> Iterator[Database]:
    """A migrated database of the test's own."""
    database = cluster.copy("migrated")
    yield database
    cluster.drop(database)


@pytest.fixture
def empty_database(cluster: Cluster) -> Iterator[Database]:
    """A database of the test's own as a hosted project is before the first migration."""
    database = cluster.copy("empty")
    yield database
    cluster.drop(database)


@pytest.fixture(scope="session")
def api(stack: Stack, database: Database) -> Api:  # noqa: ARG001  (it has to be migrated before the API starts)
    """The Supabase-compatible API in front of `database`."""
    stack.gateway.start()
    keys = stack.credentials
    return Api(stack.gateway.url, keys.publishable_key, keys.secret_key)


@pytest.fixture(scope="session")
def aws(stack: Stack, api: Api) -> Aws:  # noqa: ARG001  (what the functions talk to)
    """The AWS emulator with the real template deployed to it."""
    with pytest.MonkeyPatch.context() as patch:
        # Where mails go. Nobody listens there until a test does.
        patch.setenv("SMTP_PORT", str(free_ports(1)[0]))
        stack.start_aws()
    return stack.aws


@pytest.fixture(scope="session")
def supabase_cli() -> Callable[..., str]:
    """Runs the official CLI in the project: supabase_cli("migration", "list", ...) returns what it printed."""

    def call(*words: str) -> str:
        return run("supabase", [supabase_binary(), *words], cwd=ROOT)

    return call


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[Callable[..., Anvil]]:
    """Starts a chain node: anvil() mines when told, anvil(block_time_s=1) by itself."""
    started: list[Anvil] = []

    def start(block_time_s: float = 0) -> Anvil:
        (port,) = free_ports(1)
        node = Anvil(tmp_path / f"anvil-{port}", port, block_time_s)
        started.append(node)
        node.start()
        return node

    yield start
    for node in started:
        node.stop()
