"""Heartbeats, on the real API."""

from secrets import token_hex

from infra.cli.api import OperatorStore
from tests.infra.cli.api.listed import of


def test_a_heartbeat_is_reported_with_its_token(store: OperatorStore) -> None:
    name = f"calls-{token_hex(4)}"
    saved = store.save_heartbeat({"name": name, "period_s": 3600})
    assert store.record_heartbeat(saved["token"], "success", "all copied")["heartbeat"] == name
    assert of(name, store.list_heartbeats())[0]["status"] == "ok"
    store.delete_heartbeat(name)
