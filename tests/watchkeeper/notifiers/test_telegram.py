import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchkeeper.notifiers.support import HOSTILE, SECRET, deliver_to, sent
from tests.watchkeeper.servers import reply
from watchkeeper.notifiers.telegram import MARKUP
from watchkeeper.text import cut, utf16

LIVE = re.compile(r"@\w|(?<=\s)/\w")


def test_it_is_plain_text_with_its_links() -> None:
    settlements, (request,) = deliver_to("telegram")
    assert request.path == f"/bot42:{SECRET}/sendMessage"
    assert "parse_mode" not in request.json
    assert request.json["text"].startswith("CRITICAL anvil: chain stalled\n\nno block for 75 s")
    assert "Runbook: https://runbooks.example.com/chain_stalled" in request.json["text"]
    assert (settlements[0].provider_id, settlements[0].thread) == ("7", {"message_id": 7})


def test_a_resolve_answers_the_first_message_even_if_that_is_gone() -> None:
    settlements, (request,) = deliver_to("telegram", event="resolve", thread={"message_id": 3})
    above = {"message_id": 3, "allow_sending_without_reply": True}
    assert request.json["reply_parameters"] == above
    assert settlements[0].thread is None


def test_an_update_of_an_incident_answers_the_first_message() -> None:
    (request,) = sent("telegram", about="incident", event="update", thread={"message_id": 3})
    assert request.json["reply_parameters"]["message_id"] == 3
    assert request.json["text"].startswith("Update: CRITICAL incident: 3 targets of anvil fail\n\nopened\n")


def test_it_writes_into_a_topic() -> None:
    assert sent("telegram", config={"message_thread_id": 12})[0].json["message_thread_id"] == 12


def test_how_long_to_wait_stands_in_the_body() -> None:
    busy = b'{"ok": false, "description": "Too Many Requests", "parameters": {"retry_after": 35}}'
    settlements, _ = deliver_to("telegram", reply("429 Too Many Requests", busy))
    assert (settlements[0].outcome, settlements[0].retry_after_s) == ("retry", 35)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        ("403 Forbidden", b'{"ok": false, "description": "Forbidden: bot was blocked"}', "bot was blocked"),
        ("400 Bad Request", b'{"ok": false, "description": "chat not found"}', "chat not found"),
        ("404 Not Found", b'{"ok": false, "description": "Not Found"}', "Not Found"),
        (
            "400 Bad Request",
            b'{"ok": false, "description": "upgraded", "parameters": {"migrate_to_chat_id": -100123}}',
            "the group has a new chat_id: -100123",
        ),
    ],
)
def test_what_a_person_has_to_mend_is_permanent(status: str, body: bytes, error: str) -> None:
    settlements, _ = deliver_to("telegram", reply(status, body))
    assert settlements[0].outcome == "dead"
    assert error in (settlements[0].error or "")
    assert SECRET not in (settlements[0].error or "")


def test_hostile_text_and_storms_fit() -> None:
    for given_ in ({"message": "😀" * 9000}, {"message": HOSTILE, "target": HOSTILE[:90]}, {"count": 50}):
        (request,) = sent("telegram", **given_)
        assert utf16(request.json["text"]) <= 4096
        assert not LIVE.search(request.json["text"])


@given(st.text(max_size=3000))
def test_no_text_calls_anybody_or_is_too_long(text: str) -> None:
    written = cut(text, 1000, MARKUP)
    assert utf16(written) <= 1000
    assert not re.search(r"@\w", written)
