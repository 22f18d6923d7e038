"""Writes results into the database. One that it refuses costs itself only; what cannot be written now is left."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from watchkeeper.errors import StoreError

Json = dict[str, Any]

RESULTS_PER_CALL = 1000
COUNTS = ("recorded", "repeated", "late", "dropped")


class Recorder(Protocol):
    """The part of the store that takes results."""

    def record_check_results(self, results: Sequence[Json]) -> Json: ...


@dataclass
class Recording:
    """What became of the results. `left`: not written, because of `error`."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    transitions: list[Json] = field(default_factory=list)
    refused: list[tuple[Json, str]] = field(default_factory=list)
    left: list[Json] = field(default_factory=list)
    error: StoreError | None = None

    def add(self, recorded: Json) -> None:
        for name in COUNTS:
            self.counts[name] += recorded[name]
        self.transitions += recorded["transitions"]


def record(store: Recorder, results: Sequence[Json], per_call: int = RESULTS_PER_CALL) -> Recording:
    """All of them, page by page, until the database does not take any more."""
    recording = Recording()
    for start in range(0, len(results), per_call):
        page = list(results[start : start + per_call])
        try:
            _record_page(store, page, recording)
        except StoreError as error:
            recording.error = error
            recording.left = [*page, *results[start + per_call :]]
            break
    return recording


def _record_page(store: Recorder, page: list[Json], recording: Recording) -> None:
    while page:
        try:
            recording.add(store.record_check_results(page))
        except StoreError as error:
            index = _refused_index(error, len(page))
            recording.refused.append((page.pop(index), error.message))
        else:
            return


def _refused_index(error: StoreError, length: int) -> int:
    """Which of the results the refusal names; any other error is raised again."""
    named = re.match(r"results\[(\d+)\]", error.argument or "")
    if error.code != "22023" or not named or int(named[1]) >= length:
        raise error
    return int(named[1])
