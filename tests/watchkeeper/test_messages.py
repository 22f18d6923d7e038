from typing import Any

import pytest
from pydantic import ValidationError

from tests.watchkeeper.notifiers.support import claimed
from watchkeeper.messages import Message


def told(*keys: str, threads: tuple[dict[str, str] | None, ...] = (None, None)) -> Message:
    document = claimed("slack", count=len(keys))
    for delivery, key, thread in zip(document["deliveries"], keys, threads, strict=False):
        delivery |= {"dedup_key": key, "thread": thread}
    return Message.model_validate(document)


def test_a_message_of_one_has_its_deliverys_key() -> None:
    assert told("a").dedup_key == "a"
    assert not told("a").merged


def test_a_merged_message_has_one_key_whatever_the_order() -> None:
    assert told("a", "b").dedup_key == told("b", "a").dedup_key
    assert told("a", "b").dedup_key != told("a", "c").dedup_key
    assert told("a", "b").dedup_key.startswith("merged:")


def test_a_merged_message_has_a_thread_if_all_had_the_same() -> None:
    assert told("a", "b", threads=({"ts": "1"}, {"ts": "1"})).thread == {"ts": "1"}
    assert told("a", "b", threads=({"ts": "1"}, {"ts": "2"})).thread is None
    assert told("a", "b", threads=({"ts": "1"}, None)).thread is None


def test_a_database_that_says_more_is_understood() -> None:
    document = claimed("slack", mood="grim") | {"mood": "grim"}
    document["channel"]["mood"] = document["deliveries"][0]["mood"] = "grim"
    assert Message.model_validate(document).alerts()[0].target == "anvil"


@pytest.mark.parametrize(
    ("event", "thread", "outdated"),
    [
        ("update", {"ts": "1"}, {"ts": "1"}),
        ("resolve", {"ts": "1"}, {"ts": "1"}),
        ("remind", {"ts": "1"}, None),
        ("update", {"ts": "1", "shared": True}, None),
        ("update", None, None),
    ],
)
def test_the_first_message_is_outdated_by_what_changes_it(event: str, thread: Any, outdated: Any) -> None:
    given = claimed("slack", event, about="incident", thread=thread)
    assert Message.model_validate(given).outdated == outdated


def test_news_of_nothing_is_no_message() -> None:
    document = claimed("slack", "resolve")
    document["deliveries"][0]["alert"] = None
    with pytest.raises(ValidationError, match="a delivery is about nothing"):
        Message.model_validate(document)
