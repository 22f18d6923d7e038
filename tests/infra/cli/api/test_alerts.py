"""Alerts and silences, on the real API."""

from infra.cli.api import OperatorStore


def test_a_silence_is_previewed_saved_and_ended(store: OperatorStore) -> None:
    silence = {"comment": "calls", "starts_at": "2020-01-01T00:00", "ends_at": "2020-01-01T01:00"}
    assert store.preview_silence(silence)["active"] is False
    saved = store.save_silence(silence)
    assert saved["id"] in [s["id"] for s in store.list_silences()]
    store.end_silence(saved["id"])
    assert saved["id"] not in [s["id"] for s in store.list_silences()]


def test_alerts_can_be_read(store: OperatorStore) -> None:
    assert isinstance(store.list_alerts(status="firing", severity="critical", max_rows=5), list)
