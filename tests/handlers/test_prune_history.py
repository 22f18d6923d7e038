"""The daily pruning: portion after portion, as long as there is time."""

from typing import Any

import pytest

from handlers import prune_history
from tests.handlers.doubles import Context, Rpcs


def portions(rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch, *more: bool) -> None:
    store, left = rpcs.store(), list(more)
    monkeypatch.setattr(prune_history, "store", lambda: store)
    rpcs.answers["prune_history"] = lambda _: {"runs": 5, "uptime_checks": 1, "more": left.pop(0)}


def run(remaining_ms: int) -> object:
    context: Any = Context(remaining_ms)
    return prune_history.handler({}, context)


def test_it_goes_on_until_nothing_is_left(rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch) -> None:
    portions(rpcs, monkeypatch, True, True, False)
    assert run(remaining_ms=300_000) == {"rows": {"runs": 15, "uptime_checks": 3}, "more": False}


def test_what_there_is_no_time_for_is_left_to_the_next_day(
    rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    portions(rpcs, monkeypatch, True)
    assert run(remaining_ms=10_000) == {"rows": {}, "more": True}
    assert rpcs.calls == []
