"""The Scheduler itself ticks, and each check runs at its second, also between two ticks."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import pairwise
from statistics import median

import pytest

from tests.stories.endpoints import Node
from tests.stories.world import Run, Watched, World, eventually

# SQS counts whole seconds, and a message is rather early than late: at most one second. The emulator then
# looks into its queues once a second.
EARLY_S, LATE_S = -1.0, 1.0
NOISE_S = 1.5


def slots(target: Watched, kind: str) -> list[Run] | None:
    """Its recorded runs, when there are some besides the first, which was due before anybody could send it ahead."""
    runs = [run for run in target.runs() if run.kind == kind and run.outcome]
    return runs if len(runs) > 1 else None


def test_the_scheduler_itself_ticks_every_minute(world: World, chain_node: Node) -> None:
    target = world.watch(chain_node.url, checks={"uptime": {"interval_s": 5}})
    first = eventually(lambda: [run for run in target.runs() if run.outcome])[0]
    assert first.outcome == "ok"
    assert world.summary()["monitoring"]["status"] == "ok"


@pytest.mark.parametrize(("kind", "interval_s"), [("p2p", 30), ("mempool", 45)])
def test_slots_between_two_ticks_run_at_their_second(kept_time: Watched, kind: str, interval_s: int) -> None:
    runs = eventually(partial(slots, kept_time, kind), within_s=120)
    assert {after.due_at - before.due_at for before, after in pairwise(runs)} == {
        timedelta(seconds=interval_s)
    }
    late = [run.late_s for run in runs[1:]]
    assert EARLY_S <= median(late) <= LATE_S, late
    assert min(late) >= EARLY_S, late
    assert max(late) <= LATE_S + NOISE_S, late
    assert {run.outcome for run in runs} == {"ok"}
