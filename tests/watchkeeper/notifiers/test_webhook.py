import hashlib
import hmac
import time

import pytest

from tests.watchkeeper.notifiers.support import HOSTILE, OVER, SIGNED, deliver_to, incident, report, sent
from watchkeeper.notifiers.webhook import sign

KEY = "k3y"


def verify(key: str, header: str, body: bytes, now: float) -> bool:
    """What the README tells receivers to do."""
    parts = dict(part.split("=", 1) for part in header.split(","))
    expected = hmac.new(key.encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
    return abs(now - int(parts["t"])) <= 300 and hmac.compare_digest(expected, parts["v1"])


def test_a_receiver_can_tell_that_it_was_us_and_when() -> None:
    (request,) = sent("webhook")
    header = request.headers["x-watchkeeper-signature"]
    assert verify(KEY, header, request.body, time.time())
    assert not verify("another", header, request.body, time.time())
    assert not verify(KEY, header, request.body + b" ", time.time())
    assert not verify(KEY, header, request.body, time.time() + 400)


def test_the_signature_is_the_documented_one() -> None:
    assert sign("secret", b"{}", 1700000000) == (
        "t=1700000000,v1=" + hmac.new(b"secret", b"1700000000.{}", "sha256").hexdigest()
    )


@pytest.mark.parametrize("event", ["trigger", "escalate", "remind", "acknowledge", "resolve"])
def test_the_body_is_the_alert_and_repeats_are_recognizable(event: str) -> None:
    (request,) = sent("webhook", event=event)
    assert request.headers["x-watchkeeper-delivery"].endswith(f":channel:{event}")
    assert request.headers["x-watchkeeper-event"] == event
    body = request.json
    assert (body["version"], body["event"], body["channel"]) == (1, event, "ops")
    (alert,) = body["alerts"]
    assert (alert["target"], alert["alert_type"]) == ("anvil", "chain_stalled")
    assert alert["status"] == ("resolved" if event == "resolve" else "firing")
    assert body["dedup_key"] == request.headers["x-watchkeeper-delivery"]


@pytest.mark.parametrize("event", ["trigger", "update", "resolve"])
def test_an_incident_is_in_the_body(event: str) -> None:
    (request,) = sent("webhook", about="incident", event=event)
    assert verify(KEY, request.headers["x-watchkeeper-signature"], request.body, time.time())
    body = request.json
    assert (body["event"], body["alerts"], body["report"]) == (event, [], None)
    expected = incident(**(OVER if event == "resolve" else {}))
    assert {name: body["incident"][name] for name in ("id", "title", "severity", "status", "change")} == {
        name: expected[name] for name in ("id", "title", "severity", "status", "change")
    }
    assert body["links"] == {"Incident": f"https://watch.example.com/incidents/{expected['id']}"}


def test_a_report_is_in_the_body_with_links_that_were_looked_at() -> None:
    links = {"pdf": SIGNED, "html": "javascript:alert(1)"}
    (request,) = sent("webhook", about="report", event="report", links=links)
    body = request.json
    assert (body["alerts"], body["incident"]) == ([], None)
    assert body["report"] == {
        "id": report()["id"], "title": "Service levels of October", "kind": "sla",
        "from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z",
        "summary": report()["summary"], "links_expire_at": "2026-11-30T12:05:30Z",
        "files": [{"format": "pdf", "bytes": 52000, "sha256": "ab" * 32}],
    }  # fmt: skip
    assert set(body["links"]) == {"Report", "PDF"}
    assert b"javascript:" not in request.body


def test_headers_and_authorization_are_sent() -> None:
    given = {"secrets": {"authorization": "Bearer abc"}, "config": {"headers": {"X-Team": "ops"}}}
    (request,) = sent("webhook", **given)
    assert (request.headers["authorization"], request.headers["x-team"]) == ("Bearer abc", "ops")


def test_a_header_with_a_line_break_is_refused_before_anything_is_sent() -> None:
    settlements, requests = deliver_to("webhook", config={"headers": {"X-A": "a\r\nX-B: b"}})
    assert (settlements[0].outcome, requests) == ("dead", [])
    assert (settlements[0].error or "").startswith("config.headers.X-A: ")


@pytest.mark.parametrize("name", ["X-\nA", "", "Host", "content-length", "Authorization", "X A"])
def test_a_header_that_is_not_for_settings_is_refused(name: str) -> None:
    settlements, requests = deliver_to("webhook", config={"headers": {name: "a"}})
    assert (settlements[0].outcome, requests) == ("dead", [])
    assert "cannot be set" in (settlements[0].error or "")


def test_machines_get_the_text_as_it_is() -> None:
    (request,) = sent("webhook", message=HOSTILE)
    assert request.json["alerts"][0]["message"] == HOSTILE
    assert len(request.json["text"]) <= 20_000


def test_metadata_without_end_is_left_out() -> None:
    (request,) = sent("webhook", metadata={"labels": {"a": "x" * 200_000}})
    assert request.json["alerts"][0]["metadata"] == {}
