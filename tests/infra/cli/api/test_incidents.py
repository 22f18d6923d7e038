"""Incidents, on the real API."""

from secrets import token_hex

import pytest

from infra.cli.api import OperatorStore
from tests.support.parts import Api
from watchkeeper.errors import StoreError


def test_an_incident_from_its_opening_to_its_postmortem(api: Api, store: OperatorStore) -> None:
    person, title = api.person("responder"), f"calls {token_hex(4)}"
    opened = store.create_incident(title, "low", "why", ["node-1"], incident_type="drill")
    id_ = opened["id"]
    (found,) = store.list_incidents("open", "low", search=title, max_rows=1)
    assert (found["id"], found["incident_type"], found["version"]) == (id_, "drill", 1)
    assert store.assign_incident(id_, person.email, 1)["assigned_to_email"] == person.email
    assert store.change_incident_severity(id_, "medium", 2)["severity"] == "medium"
    assert store.set_affected_systems(id_, ["node-2"], 3)["affected_systems"] == ["node-2"]
    metric = f"calls_{token_hex(4)}"
    store.record_system_metric(metric, 1, severity="critical")
    (alert,) = [a for a in store.list_alerts("firing", max_rows=5) if a["source"] == metric]
    assert metric in store.link_alert(id_, alert["id"])["affected_systems"]
    store.add_incident_note(id_, "done", "remediation")
    with pytest.raises(StoreError) as caught:
        store.update_incident_status(id_, "resolved", 1, "over")
    assert (caught.value.code, caught.value.argument) == ("PT409", "version")
    version = store.get_incident(id_)["version"]
    assert store.update_incident_status(id_, "resolved", version, "over")["status"] == "resolved"
    draft = store.draft_postmortem(id_)
    assert title in draft
    assert "- [x] done" in draft
    store.save_postmortem(id_, draft, version + 1)
    read = store.get_incident(id_)
    assert read["postmortem"] == draft
    assert [a["id"] for a in read["alerts"]] == [alert["id"]]
