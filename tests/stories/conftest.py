"""One deployed stack for all stories, and what has to begin early because it takes minutes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.aws import Aws
from infra.local.stack import Stack
from tests.stories.endpoints import Node, node
from tests.stories.world import Watched, World, eventually
from tests.support.parts import Api, Database
from watchkeeper.catalog import catalog

HERE = Path(__file__).parent
COLD_S = 90  # the functions of a new stack start for the first time, on a busy machine all at once


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stories come after all other tests: from then on a real Scheduler ticks on the shared database.

    Among themselves they stay in the order of their files. `test_seconds` measures what others would disturb that
    stop parts, so those come after it.
    """
    items.sort(key=lambda item: HERE in item.path.parents)


@pytest.fixture(scope="session")
def deployed(stack: Stack, api: Api, database: Database, aws: Aws) -> Iterator[World]:  # noqa: ARG001  (it has to run)
    world = World(stack, api, database)
    world.store.publish_catalog(catalog("loopback"))
    yield world
    world.close()


@pytest.fixture(scope="session", autouse=True)
def kept_time(deployed: World) -> Iterator[Watched]:
    """A target on the intervals of the design, watched from the start: peers every 30 s, mempool every 45 s."""
    with node() as healthy:
        target = deployed.watch(
            healthy.url,
            keep=True,
            name="on time",
            chain="evm",
            checks={"p2p": {"interval_s": 30}, "mempool": {"interval_s": 45}},
        )
        deployed.tick()
        eventually(lambda: target.status() == "ok", COLD_S)
        yield target
        deployed.store.delete_target(target.id)


@pytest.fixture
def world(deployed: World) -> Iterator[World]:
    """The stack, with the story's targets deleted afterwards."""
    yield deployed
    deployed.forget_all()


@pytest.fixture
def chain_node() -> Iterator[Node]:
    """A node that says what the story wants."""
    with node() as served:
        yield served
