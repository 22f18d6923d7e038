import pytest

from tests.watchkeeper.notifiers.support import HOSTILE, alert, deliver_to, incident, sent

ID = alert()["id"]


def test_a_trigger_carries_all_that_a_responder_needs() -> None:
    (request,) = sent("pagerduty")
    event = request.json
    assert (event["event_action"], event["dedup_key"]) == ("trigger", ID)
    assert event["routing_key"].startswith("Sup3r")
    payload = event["payload"]
    assert payload["summary"].startswith("CRITICAL anvil: chain stalled - no block for 75 s")
    assert (payload["source"], payload["class"], payload["group"]) == ("anvil", "chain_stalled", "anvil")
    assert payload["timestamp"] == "2026-11-23T12:00:30+00:00"
    assert payload["custom_details"]["On it"] == "nobody yet"
    assert (event["client"], event["client_url"]) == ("Watchkeeper", "https://watch.example.com")
    assert [link["text"] for link in event["links"]] == ["Runbook", "Alert"]


@pytest.mark.parametrize("severity", ["info", "warning", "error", "critical"])
def test_our_severities_are_theirs(severity: str) -> None:
    assert sent("pagerduty", severity=severity)[0].json["payload"]["severity"] == severity


@pytest.mark.parametrize(
    ("event", "action"),
    [("escalate", "trigger"), ("remind", "trigger"), ("acknowledge", "acknowledge"), ("resolve", "resolve")],
)
def test_all_events_of_an_alert_meet_in_one_incident(event: str, action: str) -> None:
    (request,) = sent("pagerduty", event=event)
    assert (request.json["event_action"], request.json["dedup_key"]) == (action, ID)


INCIDENT = incident()["id"]


def test_an_incident_is_one_of_theirs() -> None:
    (request,) = sent("pagerduty", about="incident")
    event = request.json
    assert (event["event_action"], event["dedup_key"]) == ("trigger", INCIDENT)
    payload = event["payload"]
    assert payload["summary"].startswith("CRITICAL incident: 3 targets of anvil fail - opened")
    assert payload["severity"] == "critical"
    assert payload["source"] == "node-1, node-2, node-3"
    assert (payload["class"], payload["group"]) == ("policy", "anvil")
    assert payload["timestamp"] == "2026-11-23T12:00:30+00:00"
    assert payload["custom_details"]["Status"] == "open"
    assert [link["text"] for link in event["links"]] == ["Incident"]


@pytest.mark.parametrize(
    ("event", "status", "action"),
    [
        ("trigger", "investigating", "trigger"),
        ("update", "open", "trigger"),
        ("update", "investigating", "acknowledge"),
        ("update", "resolved", "resolve"),
        ("update", "closed", "resolve"),
        ("resolve", "closed", "resolve"),
    ],
)
def test_what_happens_to_an_incident_happens_to_theirs(event: str, status: str, action: str) -> None:
    """Reopened it pages anew; closed after it was resolved it does not."""
    (request,) = sent("pagerduty", about="incident", event=event, status=status)
    assert (request.json["event_action"], request.json["dedup_key"]) == (action, INCIDENT)


def test_a_test_leaves_no_incident_behind() -> None:
    requests = sent("pagerduty", event="test")
    assert [request.json["event_action"] for request in requests] == ["trigger", "resolve"]
    assert len({request.json["dedup_key"] for request in requests}) == 1
    assert requests[0].json["payload"]["severity"] == "info"


def test_each_alert_of_a_storm_is_its_own_incident() -> None:
    """Even when a database that knows an older catalog merged them."""
    settlements, requests = deliver_to("pagerduty", count=30)
    assert len({request.json["dedup_key"] for request in requests}) == len(settlements) == 30


def test_hostile_text_stays_within_the_limits() -> None:
    (request,) = sent("pagerduty", message=HOSTILE, target=HOSTILE[:99], alert_type=HOSTILE[:60])
    assert len(request.json["payload"]["summary"]) <= 1024
    assert len(request.json["payload"]["source"]) <= 255
    assert len(request.json["dedup_key"]) <= 255
