import json
from typing import Any

import pytest

from tests.watchkeeper.notifiers.support import HOSTILE, SECRET, alert, deliver_to, incident, sent


def event_of(request: Any) -> dict[str, Any]:
    head, item, payload = request.body.split(b"\n")[:3]
    assert json.loads(item) == {"type": "event", "length": len(payload)}
    event: dict[str, Any] = json.loads(payload)
    assert json.loads(head) == {"event_id": event["event_id"]}
    return event


def test_it_is_an_envelope_to_the_project_of_the_dsn() -> None:
    (request,) = sent("sentry")
    assert request.path == "/api/42/envelope/"
    assert f"sentry_key={SECRET}" in request.headers["x-sentry-auth"]
    event = event_of(request)
    assert (event["level"], event["platform"]) == ("fatal", "other")
    assert event["message"]["formatted"] == "CRITICAL anvil: chain stalled"
    assert event["tags"] == {"event": "trigger", "target": "anvil", "alert_type": "chain_stalled"}


def test_all_events_of_an_alert_are_one_issue() -> None:
    prints = [
        event_of(sent("sentry", event=event)[0])["fingerprint"] for event in ("trigger", "remind", "resolve")
    ]
    assert prints == [["watchkeeper", alert()["id"]]] * 3


def test_all_events_of_an_incident_are_one_issue() -> None:
    events = [
        event_of(sent("sentry", about="incident", event=event)[0])
        for event in ("trigger", "update", "resolve")
    ]
    assert [event["fingerprint"] for event in events] == [["watchkeeper", incident()["id"]]] * 3
    assert [event["level"] for event in events] == ["fatal", "fatal", "info"]
    assert events[0]["tags"] == {
        "event": "trigger", "target": "node-1, node-2, node-3", "incident_type": "policy",
    }  # fmt: skip


def test_a_repeat_has_the_id_of_the_first() -> None:
    ids = [event_of(sent("sentry")[0])["event_id"] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 32


@pytest.mark.parametrize(("severity", "level"), [("info", "info"), ("error", "error"), ("critical", "fatal")])
def test_severities(severity: str, level: str) -> None:
    assert event_of(sent("sentry", severity=severity)[0])["level"] == level


def test_the_end_of_an_alert_is_no_error() -> None:
    assert event_of(sent("sentry", event="resolve")[0])["level"] == "info"


@pytest.mark.parametrize(
    "dsn", ["https://sentry.example/42", "https://key@sentry.example/", "key", "https://k@/1"]
)
def test_a_dsn_that_is_none_is_permanent(dsn: str) -> None:
    settlements, _ = deliver_to("sentry", secrets={"dsn": dsn})
    assert settlements[0].outcome == "dead"
    assert "is not a DSN" in (settlements[0].error or "")
    assert dsn not in (settlements[0].error or "")


def test_hostile_text_stays_within_the_limits() -> None:
    (request,) = sent("sentry", message=HOSTILE, target=HOSTILE[:100], alert_type=HOSTILE[:60])
    event = event_of(request)
    assert all(len(value) <= 200 and "\n" not in value for value in event["tags"].values())
    assert len(event["extra"]["text"]) <= 8192
