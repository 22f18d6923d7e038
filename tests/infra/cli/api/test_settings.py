"""The settings, on the real API."""

from secrets import token_hex

from infra.cli.api import OperatorStore


def test_a_file_is_planned_applied_and_exported(store: OperatorStore) -> None:
    name = f"calls-{token_hex(4)}"
    config = {"channels": [{"name": name, "kind": "webhook", "secrets": {"url": "env:CHANNEL_CALLS"}}]}
    assert store.apply_config(config, dry_run=True)["plan"]["channels"]["created"] == [name]
    assert store.apply_config(config)["plan"]["channels"]["created"] == [name]
    exported = store.export_config()
    assert name in [c["name"] for c in exported["channels"]]
    assert store.apply_config(exported)["plan"]["channels"]["changed"] == []
    store.delete_channel(name)


def test_when_incidents_open_by_themselves(store: OperatorStore) -> None:
    before = store.get_incident_settings()
    try:
        assert store.save_incident_settings({"network_targets": 7})["network_targets"] == 7
        assert store.get_incident_settings()["network_targets"] == 7
    finally:
        store.save_incident_settings(before)


def test_what_holds_for_all_channels_and_for_everybody(store: OperatorStore) -> None:
    assert store.save_delivery_settings({"storm_alerts": 10})["storm_alerts"] == 10
    assert store.get_delivery_settings()["storm_alerts"] == 10
    assert store.save_access_settings({"require_mfa": False}) == store.get_access_settings()
