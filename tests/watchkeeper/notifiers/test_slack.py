import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchkeeper.notifiers.support import HOSTILE, SIGNED, SLACK_OK, deliver_to, sent
from tests.watchkeeper.servers import reply
from watchkeeper.notifiers.slack import MARKUP, escape
from watchkeeper.text import cut

THREAD = {"channel": "C9", "ts": "1.0"}
LIVE = re.compile(r"<[!@#]|@(everyone|here|channel)|<[^ >]*[|>]")


def section(request: Any) -> str:
    (attachment,) = request.json["attachments"]
    (block,) = attachment["blocks"]
    return str(block["text"]["text"])


def test_it_says_what_where_since_when_how_bad_what_it_means_and_who_is_on_it() -> None:
    (request,) = sent("slack")
    assert request.path == "/services/T0/B0/Sup3rS3cretT0kenXyZ0123456789abcdef"
    assert request.json["text"] == "CRITICAL anvil: chain stalled"
    text = section(request)
    assert text.startswith("no block for 75 s, expected one every 12 s\n")
    for part in (
        "<https://runbooks.example.com/chain_stalled|Runbook>",
        "<https://watch.example.com/alerts/00000000-0000-4000-8000-000000000000|Alert>",
        "Where: anvil (anvil, evm)",
        "Since: 2026-11-23 12:00:30 UTC",
        "It means: No new blocks arrive",
        "height 123 blocks; active peers unknown (5 peers ",
        "On it: nobody yet",
        "Sent because: route: everything",
    ):
        assert part in text


def test_a_bot_remembers_where_it_said_it() -> None:
    settlements, (request,) = deliver_to("slack bot")
    assert settlements[0].thread == {"channel": "C1", "ts": "17.01"}
    assert settlements[0].provider_id == "17.01"
    assert request.path == "/api/chat.postMessage"
    assert request.headers["authorization"].startswith("Bearer xoxb-")
    assert (request.json["channel"], request.json["link_names"]) == ("C1", False)


def test_a_resolve_marks_the_first_message_and_answers_under_it() -> None:
    settlements, (update, answer) = deliver_to("slack bot", event="resolve", thread=THREAD)
    assert update.path == "/api/chat.update"
    assert (update.json["channel"], update.json["ts"]) == ("C9", "1.0")
    assert update.json["attachments"][0]["color"] == "#2da44e"
    assert answer.path == "/api/chat.postMessage"
    assert (answer.json["channel"], answer.json["thread_ts"]) == ("C9", "1.0")
    assert answer.json["reply_broadcast"] is False
    assert settlements[0].thread is None


def test_an_update_of_an_incident_is_said_in_its_thread_and_changes_its_first_message() -> None:
    update, answer = sent(
        "slack bot", about="incident", event="update", status="investigating", thread=THREAD
    )
    assert (update.path, update.json["ts"]) == ("/api/chat.update", "1.0")
    assert "Status: investigating" in section(update)
    assert (answer.path, answer.json["thread_ts"]) == ("/api/chat.postMessage", "1.0")


def test_a_report_has_links_to_its_files() -> None:
    text = section(sent("slack", about="report", event="report")[0])
    assert text.startswith("Availability: 99.9512 %, the objective is 99.9 %: met.\n")
    assert f"<{SIGNED}|PDF>" in text


def test_a_first_message_that_cannot_be_changed_does_not_hold_up_the_resolve() -> None:
    gone = reply(body=b'{"ok": false, "error": "cant_update_message"}')
    assert len(sent("slack bot", gone, SLACK_OK, event="resolve", thread=THREAD)) == 2


def test_a_first_message_that_cannot_be_changed_now_is_tried_again() -> None:
    settlements, requests = deliver_to("slack bot", reply("500 No"), SLACK_OK, event="resolve", thread=THREAD)
    assert (settlements[0].outcome, len(requests)) == ("retry", 1)


def test_a_thread_that_is_gone_is_replaced_by_a_new_message() -> None:
    gone = reply(body=b'{"ok": false, "error": "thread_not_found"}')
    requests = sent("slack bot", gone, SLACK_OK, event="remind", thread=THREAD)
    assert requests[0].json["reply_broadcast"] is True
    assert "thread_ts" not in requests[1].json


def test_a_resolve_of_one_of_many_leaves_their_common_message_alone() -> None:
    (answer,) = sent("slack bot", event="resolve", thread={**THREAD, "shared": True})
    assert answer.json["thread_ts"] == "1.0"


def test_a_storm_is_remembered_as_shared() -> None:
    settlements, _ = deliver_to("slack bot", count=30)
    assert len(settlements) == 30
    assert {str(settlement.thread) for settlement in settlements} == {
        "{'channel': 'C1', 'ts': '17.01', 'shared': True}"
    }


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("channel_not_found", "dead"),
        ("not_in_channel", "dead"),
        ("invalid_auth", "dead"),
        ("msg_too_long", "dead"),
        ("something_new", "dead"),
        ("ratelimited", "retry"),
        ("internal_error", "retry"),
        ("", "retry"),
    ],
)
def test_an_answer_that_says_no(error: str, outcome: str) -> None:
    settlements, _ = deliver_to("slack bot", reply(body=b'{"ok": false, "error": "%s"}' % error.encode()))
    assert settlements[0].outcome == outcome
    assert (settlements[0].error or "").startswith("Slack: " + error)


def test_a_bot_needs_a_channel() -> None:
    settlements, requests = deliver_to("slack bot", config={"channel": None})
    assert (settlements[0].outcome, requests) == ("dead", [])
    assert settlements[0].error == "slack needs config.channel to post as a bot"


def test_hostile_text_calls_nobody() -> None:
    (request,) = sent("slack", message=HOSTILE, target="<!channel>", why=HOSTILE)
    ours = section(request).replace("|Runbook>", "").replace("|Alert>", "").replace("<https", "")
    assert not LIVE.search(ours)
    assert not LIVE.search(request.json["text"])
    assert len(section(request)) <= 3000


@given(st.text(max_size=6000))
def test_no_text_calls_anybody_or_outgrows_its_section(text: str) -> None:
    assert not LIVE.search(escape(text))
    assert len(cut(text, 3000, MARKUP)) <= 3000
    assert re.search(r"&(?!(amp|lt|gt);)", cut(text, 40, MARKUP)) is None
