"""What every service over HTTP has in common: what its answers mean, and that no secret comes back."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.watchkeeper.notifiers.support import (
    HOSTILE,
    LEASE,
    SECRET,
    SERVICES,
    SIGNED,
    deliver_to,
    sent,
    written,
)
from tests.watchkeeper.servers import Talk, dripping, reply, resetting, silent
from watchkeeper.messages import Settlement
from watchkeeper.notifiers import NOTIFIERS

EVENTS = ("trigger", "escalate", "remind", "acknowledge", "resolve", "test")
OTHERS = (("incident", "trigger"), ("incident", "update"), ("incident", "resolve"), ("report", "report"))
WEB = pytest.mark.parametrize("service", SERVICES)


def ended(service: str, *answers: bytes | Talk, **given: Any) -> Settlement:
    (settlement,) = deliver_to(service, *answers, **given)[0]
    assert str(settlement.lease_id) == LEASE
    assert SECRET not in settlement.model_dump_json()
    return settlement


@WEB
@pytest.mark.parametrize("event", EVENTS)
def test_every_event_is_sent(service: str, event: str) -> None:
    settlements, requests = deliver_to(service, event=event)
    assert [settlement.outcome for settlement in settlements] == ["sent"]
    assert requests


@WEB
@pytest.mark.parametrize(("about", "event"), OTHERS)
def test_incidents_and_reports_are_sent_where_they_belong(service: str, about: str, event: str) -> None:
    settlements, requests = deliver_to(service, about=about, event=event)
    assert [settlement.outcome for settlement in settlements] == ["sent"]
    if event != "report" or NOTIFIERS[SERVICES[service].kind].takes_reports:
        words = {"report": "Service levels of October"}.get(about, "3 targets of anvil fail")
        assert words in requests[-1].body.decode() or event == "resolve"


@pytest.mark.parametrize("service", ["pagerduty", "sentry"])
def test_a_report_wakes_nobody_and_the_ledger_says_so(service: str) -> None:
    settlements, requests = deliver_to(service, about="report", event="report")
    assert requests == []
    assert settlements[0].outcome == "sent"
    assert settlements[0].provider_id == f"not sent: {service} is for what somebody has to act upon"


@WEB
def test_each_report_is_a_message_of_its_own(service: str) -> None:
    """Merged they would lose their files."""
    settlements, requests = deliver_to(service, about="report", event="report", count=3)
    assert len({settlement.delivery_id for settlement in settlements}) == 3
    assert len(requests) == (3 if NOTIFIERS[SERVICES[service].kind].takes_reports else 0)


@WEB
@pytest.mark.parametrize(
    "status", ["400 Bad Request", "403 Forbidden", "404 Not Found", "410 Gone", "413 Too Large"]
)
def test_a_refusal_is_permanent(service: str, status: str) -> None:
    settlement = ended(service, reply(status, b"no such " + SECRET.encode()))
    assert settlement.outcome == "dead"
    assert status[:3] in (settlement.error or "")


@WEB
def test_bad_credentials_are_permanent_and_asked_for_once_more(service: str) -> None:
    assert ended(service, reply("401 Unauthorized")).outcome == "dead"


@WEB
@pytest.mark.parametrize(
    "status", ["408 Request Timeout", "425 Too Early", "429 Too Many", "500 Oops", "503 Busy"]
)
def test_what_may_pass_is_tried_again(service: str, status: str) -> None:
    settlement = ended(service, reply(status, b"busy " + SECRET.encode()))
    assert (settlement.outcome, settlement.retry_after_s) == ("retry", None)


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "telegram"])
@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("17", 17, 17),
        ("0.5", 0.5, 0.5),
        ("-3", 0, 0),
        ("999999999", 86400, 86400),
        (timedelta(hours=1), 3500, 3600),
        (timedelta(hours=-1), 0, 0),
    ],
)
def test_retry_after_is_honoured(service: str, header: str | timedelta, low: float, high: float) -> None:
    if isinstance(header, timedelta):
        header = format_datetime(datetime.now(UTC) + header, usegmt=True)
    settlement = ended(service, reply("429 Too Many Requests", headers=f"Retry-After: {header}\r\n"))
    assert settlement.outcome == "retry"
    assert settlement.retry_after_s is not None
    assert low <= settlement.retry_after_s <= high


@WEB
@pytest.mark.parametrize("header", ["soon", "NaN", "Infinity", "Mon, 99 Foo 99999 00:00:00", "1e999", ""])
def test_a_retry_after_that_makes_no_sense_is_left_out(service: str, header: str) -> None:
    settlement = ended(service, reply("503 Busy", headers=f"Retry-After: {header}\r\n"))
    assert (settlement.outcome, settlement.retry_after_s) == ("retry", None)


@WEB
def test_a_receiver_that_hangs_costs_its_time_only(service: str) -> None:
    started = time.monotonic()
    assert ended(service, silent, send_s=0.3).outcome == "retry"
    assert time.monotonic() - started < 30, "it says nothing for a minute"


@WEB
def test_a_receiver_that_resets_is_tried_again(service: str) -> None:
    assert ended(service, resetting).outcome == "retry"


@WEB
def test_a_receiver_that_closes_is_tried_again(service: str) -> None:
    assert ended(service, b"").outcome == "retry"


@WEB
def test_a_reply_that_is_not_http_is_tried_again(service: str) -> None:
    assert ended(service, b"SSH-2.0-OpenSSH_9.2\r\n").outcome == "retry"


@WEB
def test_a_redirect_is_not_followed(service: str) -> None:
    settlements, requests = deliver_to(service, reply("302 Found", headers="Location: /elsewhere\r\n"))
    assert settlements[0].outcome == "dead" or service == "telegram"
    assert {request.path for request in requests} == {requests[0].path}


MUST_ANSWER = {"slack bot", "telegram"}
"""Their answer says whether it worked; without it nobody knows."""


@WEB
@pytest.mark.parametrize("body", [b"\x00\xff garbage", b"[" * 60000, b"x" * 3_000_000, b"[1]", b""])
def test_the_status_counts_where_the_body_says_nothing(service: str, body: bytes) -> None:
    expected = "retry" if service in MUST_ANSWER else "sent"
    assert ended(service, reply(body=body)).outcome == expected


@pytest.mark.parametrize("service", ["webhook"])
def test_a_body_that_drips_does_not_undo_the_status(service: str) -> None:
    drip = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n", b"x")
    assert ended(service, drip, send_s=7).outcome == "sent"


@WEB
def test_hostile_text_arrives_within_bounds(service: str) -> None:
    hostile = {"message": HOSTILE, "target": HOSTILE[:100], "alert_type": "@everyone <!here>"}
    metadata = {"network": HOSTILE[:200], "labels": {"runbook": "javascript:alert(1)"}}
    (request,) = sent(service, metadata=metadata, **hostile)
    assert len(request.body) < 262_144 if service == "webhook" else 40_000
    assert b"javascript:" not in request.body or service == "webhook"
    assert "\r\nBcc" not in request.body.decode()


@WEB
def test_a_storm_is_one_message_where_the_service_can(service: str) -> None:
    requests = sent(service, count=30)
    merges = NOTIFIERS[SERVICES[service].kind].merges
    assert len(requests) == (1 if merges else 30)
    if merges:
        assert "30 alerts, the worst is critical" in json.dumps(requests[0].json)


@WEB
def test_private_addresses_need_permission(service: str) -> None:
    """Even with a URL that an operator stored: a channel is no door into our network."""
    private = {name: "http://10.1.2.3/x" for name in SERVICES[service].secrets if "url" in name}
    private |= {"dsn": "http://k@10.1.2.3/1"} if service == "sentry" else {}
    urls = {name: "http://10.1.2.3" for name in SERVICES[service].config if "url" in name}
    settlement = ended(service, secrets=private, config=urls)
    assert settlement.outcome == "dead"
    assert "private address" in (settlement.error or "")


@pytest.mark.parametrize("kind", NOTIFIERS)
def test_the_settings_are_flat_schemas_that_the_database_can_check(kind: str) -> None:
    schema = NOTIFIERS[kind].Config.model_json_schema()
    assert schema["additionalProperties"] is False
    assert set(NOTIFIERS[kind].required_secrets) <= set(NOTIFIERS[kind].secrets)
    assert NOTIFIERS[kind].kind == kind
    # Postgres counts repetitions up to 255.
    assert all(int(n) <= 255 for n in re.findall(r"\{\d+,(\d+)\}", json.dumps(schema)))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("value", ["not a url", "ftp://x/y", "http://", "//x", "http://[::1"])
def test_an_address_that_is_none_is_permanent_and_not_repeated(service: str, value: str) -> None:
    names = [name for name in SERVICES[service].secrets if "url" in name or name == "dsn"]
    if not names:
        return
    settlement = ended(service, secrets=dict.fromkeys(names, value))
    assert settlement.outcome == "dead"
    assert value not in (settlement.error or "")


CALLS = [
    "@everyone",
    "@here",
    "@channel",
    "<!here>",
    "<@U1>",
    "<#C1>",
    "<@&1>",
    "<at>x</at>",
    "@ann",
    "/start",
]
MARKS = [
    "{{x}}",
    "${x}",
    "[a](http://b)",
    "&amp;",
    "<b>",
    "`",
    "*",
    "_",
    "\\",
    '"',
    "\r\n",
    "\x00",
    "\u202e",
    " ",
]
LONG = ["😀" * 99, "é" * 99, "x" * 500]
NASTY = st.lists(st.sampled_from(CALLS + MARKS + LONG) | st.characters(codec="utf-8"), max_size=60).map(
    "".join
)
SUBJECTS = [*(("alert", event) for event in EVENTS), *OTHERS]
LIVE = {
    "slack": r"<[!@#]|@(everyone|here|channel)|\{\{|\$\{",
    "discord": r"@(everyone|here)|(?<!\\)(\\\\)*<[@#]|\{\{|\$\{",
    "telegram": r"@\w|\{\{|\$\{",
    "teams": r"<at>|\{\{|\$\{",
    "pagerduty": r"@(everyone|here)|\{\{|\$\{",
    "sentry": r"@(everyone|here)|\{\{|\$\{",
}
BYTES = {"slack": 16_000, "discord": 40_000, "telegram": 30_000, "teams": 28_672, "pagerduty": 524_288}


def texts(value: object) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


def hostile(about: str, text: str) -> dict[str, Any]:
    """The text wherever a stranger's words can stand."""
    if about == "alert":
        metadata = {"network": text[:100], "chain": text, "labels": {"runbook": text}}
        return {"message": text, "target": text[:100], "alert_type": text[:60], "metadata": metadata}
    if about == "report":
        links = {"pdf": text, "html": f"https://x/{text}", "csv": SIGNED, "json": SIGNED, text: SIGNED}
        return {"title": text, "links": links}
    words = dict.fromkeys(("title", "description", "change", "resolution_notes", "network"), text)
    return {**words, "incident_type": text[:60], "affected_systems": [text] * 20}


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "webhook"])
@settings(max_examples=60, deadline=None)
@given(text=NASTY, count=st.sampled_from([1, 1, 30]), subject=st.sampled_from(SUBJECTS))
def test_whatever_the_words_nothing_is_live_and_nothing_too_large(
    service: str, text: str, count: int, subject: tuple[str, str]
) -> None:
    about, event = subject
    kind = SERVICES[service].kind
    if about == "report" and not NOTIFIERS[kind].takes_reports:
        return
    count = count if NOTIFIERS[kind].merges and about != "report" else 1
    for post in written(service, event, about=about, count=count, **hostile(about, text)):
        parts = [json.loads(line) for line in (post["content"] or b"").splitlines()] or [post["json"]]
        for part in texts(parts):
            assert not re.search(LIVE[kind], part), part
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", part)
        # Slack counts characters, the others the bytes as they are sent.
        assert len(json.dumps(parts, ensure_ascii=kind != "slack")) <= BYTES.get(kind, 200_000)
