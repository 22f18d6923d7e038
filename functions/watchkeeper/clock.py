"""What time it is where a function runs: what its own clock says, unless the queue shows that it is far wrong."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

# A cold start and a busy worker are no wrong clock. What is less than this the database makes good: nothing that is
# recorded is later than its own time.
FAR = timedelta(seconds=30)


def utc_now() -> datetime:
    return datetime.now(UTC)


def ahead(messages: Iterable[Mapping[str, Any]], now: datetime) -> timedelta:
    """How far `now` is ahead of the queue's clock, negative if it is behind; zero if it is not far.

    A message that is here for the first time was received a moment ago. One that comes again was received some time
    ago: it shows a clock that is behind, and of one that is ahead nothing.
    """
    firsts: list[tuple[datetime, bool]] = []
    for message in messages:
        told = message.get("attributes") or {}
        if stamp := told.get("ApproximateFirstReceiveTimestamp"):
            received = datetime.fromtimestamp(int(stamp) / 1000, UTC)
            firsts.append((received, told.get("ApproximateReceiveCount") == "1"))
    if not firsts:
        return timedelta()
    newest, is_new = max(firsts)
    off = now - newest
    return off if off < -FAR or (is_new and off > FAR) else timedelta()
