"""Up, down, unknown and maintenance are the whole watched time, always, and each is what the rule says."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.supabase.lives import STARTS, STATES, Interval, Lives, Step, histories
from tests.supabase.world import Db, World

few = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # fmt: skip


def parts(
    db: Db, target_ids: list[str], bounds: list[datetime], at: datetime
) -> dict[tuple[str, int], dict[str, Any]]:
    """(target, period) -> what it was made of"""
    rows = db.rows(
        "select target_id::text, n, watched_s, up_s, down_s, unknown_s, maintenance_s, downtimes "
        "from watchkeeper.availability_parts(%s::uuid[], %s::timestamptz[], %s)",
        "{" + ",".join(target_ids) + "}", "{" + ",".join(each.isoformat() for each in bounds) + "}", at,
    )  # fmt: skip
    return {(row[0], row[1]): named(row[2:]) for row in rows}


def named(row: Any) -> dict[str, Any]:
    watched, up, down, unknown, maintenance, downtimes = row
    seconds = {"watched": watched, "up": up, "down": down, "unknown": unknown, "maintenance": maintenance}
    return {**seconds, "downtimes": [(each.lower, each.upper) for each in downtimes]}


def of(db: Db, target_id: str, begins: datetime, ends: datetime, at: datetime) -> dict[str, Any]:
    return named(
        db.rows("select * from watchkeeper.availability(%s, %s, %s, %s)", target_id, begins, ends, at)[0]
    )


STORIES = st.sampled_from(STARTS).flatmap(lambda start: st.tuples(st.just(start), histories(start)))


@few
@given(story=STORIES, cuts=st.lists(st.floats(-0.1, 1.1), max_size=4))
def test_each_second_counts_once_and_as_the_rule_says(
    world: World, story: tuple[datetime, list[Step]], cuts: list[float]
) -> None:
    with world.db.connection.transaction(force_rollback=True):
        world = World(world.db, story[0])
        lives = Lives(world)
        for step in story[1]:
            lives.play(step)
        lives.sweep()
        now = lives.at
        begins, ends = world.start - timedelta(hours=1), now + timedelta(hours=1)
        bounds = sorted({begins, ends, *(begins + cut * (ends - begins) for cut in cuts)})
        found = parts(world.db, [service.target_id for service in lives.services], bounds, now)
        for service in lives.services:
            for n, period in enumerate(pairwise(bounds), 1):
                counted = found[service.target_id, n]
                expected = service.seconds(*period, now)
                assert counted == {**expected, "downtimes": service.downtimes(*period, now)}
                assert sum(counted[state] for state in STATES) == counted["watched"]
            whole = of(world.db, service.target_id, bounds[0], bounds[-1], now)
            for name in ("watched", *STATES):
                assert whole[name] == sum(
                    found[service.target_id, n + 1][name] for n in range(len(bounds) - 1)
                )
