"""Routes and escalations, on the real API."""

import pytest

from infra.cli.api import OperatorStore
from tests.infra.cli.api.listed import of
from watchkeeper.errors import StoreError
from watchkeeper.store import Json


def test_a_route_with_its_ladder(store: OperatorStore, channel: Json) -> None:
    name = channel["name"]
    store.save_rotation({"name": name, "people": ["ann@example.org"], "starts_at": "2026-01-05T09:00"})
    step = {"after_s": 300, "channels": [name], "on_call": [name]}
    store.save_escalation({"name": name, "steps": [step]})
    store.save_route({"name": name, "channels": [name], "escalation": name})
    try:
        assert of(name, store.list_routes())[0]["channels"] == [name]
        assert of(name, store.list_escalations())[0]["steps"] == [step]
        with pytest.raises(StoreError, match="route still uses"):
            store.delete_escalation(name)
    finally:
        store.delete_route(name)
        store.delete_escalation(name)
        store.delete_rotation(name)
