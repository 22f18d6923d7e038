import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchkeeper.notifiers.support import HOSTILE, deliver_to, message, sent
from tests.watchkeeper.servers import reply
from watchkeeper.notifiers.teams import MARKUP, as_sent
from watchkeeper.text import cut

LIMIT = 28 * 1024


def test_it_is_an_adaptive_card_whose_texts_are_not_markdown() -> None:
    (request,) = sent("teams")
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    (attachment,) = request.json["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert {block["type"] for block in card["body"]} == {"Container", "RichTextBlock"}
    assert card["body"][0]["style"] == "attention"
    assert [action["title"] for action in card["actions"]] == ["Runbook", "Alert"]


def test_a_resolve_is_green() -> None:
    (request,) = sent("teams", event="resolve")
    assert request.json["attachments"][0]["content"]["body"][0]["style"] == "good"


@pytest.mark.parametrize(
    ("status", "outcome"), [(429, "retry"), (500, "retry"), (413, "dead"), (404, "dead")]
)
def test_a_failure_told_in_words_is_one(status: int, outcome: str) -> None:
    said = (
        f"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {status}"
    )
    settlements, _ = deliver_to("teams", reply(body=said.encode()))
    assert settlements[0].outcome == outcome


@pytest.mark.parametrize("text", [HOSTILE, "😀" * 9000, "\\\"'" * 9000, "é" * 90000])
def test_a_card_is_never_too_large(text: str) -> None:
    for given_ in ({"count": 1}, {"count": 50}):
        (request,) = sent("teams", message=text, target=text[:100], **given_)
        assert len(request.body) <= LIMIT
        assert len(request.body.decode().encode("utf-16-le")) <= 2 * LIMIT
        assert b"<at>" not in request.body


def test_the_words_are_those_of_the_message() -> None:
    assert message("teams").channel.kind == "teams"


@given(st.text(max_size=2000))
def test_no_text_mentions_anybody_or_fills_a_template(text: str) -> None:
    written = cut(text, 500, MARKUP)
    assert as_sent(written) <= 500
    assert not re.search(r"<at>|\{\{|\$\{", written)
