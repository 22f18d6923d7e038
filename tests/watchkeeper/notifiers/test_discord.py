import re

from hypothesis import given
from hypothesis import strategies as st

from tests.watchkeeper.notifiers.support import DISCORD_OK, HOSTILE, deliver_to, sent
from tests.watchkeeper.servers import reply
from watchkeeper.notifiers.discord import MARKUP
from watchkeeper.text import cut, utf16

LIVE = re.compile(r"@(everyone|here)|(?<!\\)<[@#&]|(?<!\\)\[")


def test_it_asks_for_the_messages_id_and_mentions_nobody() -> None:
    settlements, (request,) = deliver_to("discord")
    assert request.path.endswith("abcdef?wait=true")
    assert request.json["allowed_mentions"] == {"parse": []}
    (embed,) = request.json["embeds"]
    assert embed["title"] == "CRITICAL anvil: chain stalled"
    assert embed["color"] == 0xCF222E
    assert "[Runbook](https://runbooks.example.com/chain_stalled)" in embed["description"]
    assert (settlements[0].provider_id, settlements[0].thread) == ("998877", {"message_id": "998877"})


def test_a_resolve_marks_the_first_message_and_says_it_anew() -> None:
    settlements, (mark, said) = deliver_to("discord", event="resolve", thread={"message_id": "5"})
    assert (mark.method, mark.path[-11:]) == ("PATCH", "/messages/5")
    assert mark.json["embeds"][0]["color"] == 0x2DA44E
    assert said.method == "POST"
    assert settlements[0].thread is None


def test_an_update_keeps_the_first_message_of_an_incident_up_to_date() -> None:
    given_ = {"about": "incident", "event": "update", "status": "investigating"}
    mark, said = sent("discord", thread={"message_id": "5"}, **given_)
    assert (mark.method, mark.path[-11:], said.method) == ("PATCH", "/messages/5", "POST")
    assert mark.json["embeds"] == said.json["embeds"]
    assert "Status: investigating" in mark.json["embeds"][0]["description"]
    assert len(sent("discord", **given_)) == 1


def test_a_first_message_that_was_deleted_does_not_hold_up_the_resolve() -> None:
    gone = reply("404 Not Found", b'{"code": 10008, "message": "Unknown Message"}')
    assert len(sent("discord", gone, DISCORD_OK, event="resolve", thread={"message_id": "5"})) == 2


def test_a_message_of_many_is_not_marked_by_the_end_of_one() -> None:
    assert len(sent("discord", event="resolve", thread={"message_id": "5", "shared": True})) == 1


def test_it_posts_into_a_thread() -> None:
    (request,) = sent("discord", config={"thread_id": "77"})
    assert request.path.endswith("?thread_id=77&wait=true")


def test_a_storm_and_hostile_text_stay_within_the_limits() -> None:
    for given_ in ({"count": 50}, {"message": HOSTILE, "target": HOSTILE[:90], "count": 1}):
        (request,) = sent("discord", **given_)
        (embed,) = request.json["embeds"]
        assert utf16(embed["title"]) <= 256
        assert utf16(embed["description"]) <= 4096
        assert utf16(embed["title"]) + utf16(embed["description"]) <= 6000
        ours = re.sub(r"\[(Runbook|Alerts?)\]", "", embed["description"])
        assert not LIVE.search(ours)


@given(st.text(max_size=3000))
def test_no_text_is_markup_or_too_long(text: str) -> None:
    written = cut(text, 1000, MARKUP)
    assert not LIVE.search(written.replace("\\\\", ""))
    assert utf16(written) <= 1000
