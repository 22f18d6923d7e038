"""Channels and their ledger, on the real API."""

from infra.cli.api import OperatorStore
from tests.infra.cli.api.listed import of
from watchkeeper.store import Json


def test_a_test_message_is_claimed_and_settled_once(store: OperatorStore, channel: Json) -> None:
    line = store.send_test(channel["name"])
    (message,) = [m for m in store.claim_deliveries() if m["channel"]["name"] == channel["name"]]
    assert (message["event"], message["deliveries"][0]["id"]) == ("test", line["id"])
    settlement = {
        "delivery_id": line["id"],
        "lease_id": message["lease_id"],
        "outcome": "dead",
        "error": "no",
    }
    assert store.settle_deliveries([settlement]) == {"settled": 1, "stale": 0}
    assert store.settle_deliveries([settlement]) == {"settled": 0, "stale": 1}
    (found,) = store.list_deliveries(channel=channel["name"], status="dead", max_rows=1)
    assert (found["id"], found["last_error"]) == (line["id"], "no")
    assert store.retry_delivery(line["id"])["status"] == "pending"
    assert of(channel["name"], store.list_channels())[0]["pending"] == 1


def test_how_long_alerts_took_can_be_read(store: OperatorStore) -> None:
    assert isinstance(store.get_alert_latency(), list)
