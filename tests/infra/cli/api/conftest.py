"""What an operator sees of the real API."""

from collections.abc import Iterator
from secrets import token_hex

import pytest

from infra.cli.api import OperatorStore
from tests.support.parts import Api
from watchkeeper.catalog import catalog
from watchkeeper.store import Json


@pytest.fixture
def store(api: Api) -> Iterator[OperatorStore]:
    with api.store() as store:
        store.publish_catalog(catalog("all"))
        yield store


@pytest.fixture
def target(store: OperatorStore) -> Iterator[Json]:
    target = store.save_target(
        {
            "name": f"calls-{token_hex(4)}",
            "endpoint": "http://127.0.0.1:9/",
            "labels": {"team": "ünïcode ✓"},
            "checks": {"uptime": {"interval_s": 3600}},
        }
    )
    yield target
    store.delete_target(target["id"])


@pytest.fixture
def channel(store: OperatorStore) -> Iterator[Json]:
    channel = store.save_channel(
        {"name": f"calls-{token_hex(4)}", "kind": "webhook", "secrets": {"url": "env:CHANNEL_CALLS"}}
    )
    yield channel
    store.delete_channel(channel["name"])
