from datetime import UTC, datetime, timedelta

import pytest

from watchkeeper.clock import FAR, ahead, utc_now

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Message = dict[str, object]


def received(ago: timedelta, count: int = 1) -> Message:
    stamp = str(int((NOW - ago).timestamp() * 1000))
    return {"attributes": {"ApproximateFirstReceiveTimestamp": stamp, "ApproximateReceiveCount": str(count)}}


MINUTES = timedelta(minutes=5)
NONE = timedelta()


@pytest.mark.parametrize(
    ("messages", "off"),
    [
        ([], NONE),
        ([{}, {"attributes": {}}, {"attributes": {"SentTimestamp": "1545082649183"}}], NONE),
        ([received(NONE)], NONE),
        ([received(FAR)], NONE),
        ([received(-FAR)], NONE),
        ([received(MINUTES)], MINUTES),
        ([received(-MINUTES)], -MINUTES),
        # It was put off, as nothing could be recorded: the time since then says nothing of the clock.
        ([received(MINUTES, count=2)], NONE),
        # Received in the future is in any case impossible.
        ([received(-MINUTES, count=2)], -MINUTES),
        ([received(2 * MINUTES, count=2), received(MINUTES)], MINUTES),
        ([received(MINUTES, count=2), received(NONE)], NONE),
    ],
)
def test_the_newest_message_shows_a_clock_that_is_far_wrong(messages: list[Message], off: timedelta) -> None:
    assert ahead(messages, NOW) == off


def test_our_own_clock_has_a_zone() -> None:
    assert utc_now().utcoffset() == NONE
