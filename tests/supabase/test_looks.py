"""Looks stay counted when their target is gone or another check speaks for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.supabase.test_availability import Node
from tests.supabase.test_uptime_days import NOON, noon, roll_up, summary
from tests.supabase.world import Json, World, a_target, only, result

__all__ = ["noon"]

OFF = {"enabled": False}


# A target that is gone -------------------------------------------------------------------------------------------


def gone(noon: World, kind: str, after_s: float) -> str:
    """Looked at four times from noon, once in vain, and deleted."""
    node = Node(noon, kind)
    node.minutes("ok", "fail", "ok", "unknown")
    target_id: str = node.target["id"]
    noon.db.run("select watchkeeper.delete_target(%s, %s)", target_id, noon.at(after_s))
    return target_id


def day_of(noon: World, target_id: str) -> tuple[int, int, bool]:
    """Checks and failures of its only day, and whether there is a latency."""
    found = noon.db.rows(
        "select checks, failures, p50_ms is not null from watchkeeper.uptime_days where target_id = %s",
        target_id,
    )
    row: tuple[int, int, bool] = only(found)
    return row


def test_the_last_day_of_a_deleted_target_has_its_checks(noon: World) -> None:
    target_id = gone(noon, "blockchain", 300)
    window = only(summary(noon, noon.at(600), target_id)["targets"])["windows"]["24h"]
    assert window["failures"] == 1
    assert window["p50_ms"] is not None
    roll_up(noon, NOON + timedelta(days=1, hours=1))
    assert day_of(noon, target_id) == (4, 1, True)


def test_what_is_rolled_up_is_pruned_and_stays_as_it_was(noon: World) -> None:
    target_id = gone(noon, "blockchain", 300)
    now = NOON + timedelta(days=2, hours=1)
    noon.db.run("select watchkeeper.prune_history(%s, 1, 1000)", now)
    assert noon.db.value("select count(*) from watchkeeper.last_looks") == 4, "its day is not rolled up"
    roll_up(noon, now)
    page = summary(noon, now, target_id)
    assert noon.db.value("select watchkeeper.prune_history(%s, 1, 4)", now)["more"]
    assert noon.db.value("select count(*) from watchkeeper.last_looks") == 0
    assert summary(noon, now, target_id) == page
    assert day_of(noon, target_id) == (4, 1, True)


def test_a_check_that_keeps_its_own_record_is_not_counted_twice(noon: World) -> None:
    target_id = gone(noon, "uptime", 300)
    recorded = noon.db.value("select count(*) from uptime_checks where target_id = %s", target_id)
    roll_up(noon, NOON + timedelta(days=1, hours=1))
    assert day_of(noon, target_id)[0] == recorded


# A check that speaks no more -------------------------------------------------------------------------------------


def save(node: Node, after_s: float, checks: Mapping[str, Any]) -> None:
    node.world.db.run(
        "select watchkeeper.save_target(%s, %s)", a_target("node", checks), node.world.at(after_s)
    )


def day(node: Node) -> tuple[int, int]:
    """Checks and failures of its first day, which is rolled up."""
    roll_up(node.world, NOON + timedelta(days=1, hours=1))
    found: tuple[int, int] = only(
        node.world.db.rows(
            "select checks, failures from watchkeeper.uptime_days where target_id = %s and day = %s",
            node.target["id"], NOON.date(),
        )
    )  # fmt: skip
    return found


def last_day(node: Node, now_s: float) -> Json:
    window: Json = only(summary(node.world, node.world.at(now_s), node.target["id"])["targets"])["windows"][
        "24h"
    ]
    return window


# Its check is taken away, switched off, or another one goes before it.
@pytest.mark.parametrize(
    "checks", [{"p2p": {}}, {"blockchain": OFF}, {"blockchain": {}, "uptime": {}}, {"blockchain": OFF, "p2p": {}}]
)  # fmt: skip
def test_looks_of_the_check_that_spoke_stay_counted(noon: World, checks: dict[str, Any]) -> None:
    node = Node(noon, "blockchain")
    node.minutes("ok", "fail", "ok", "unknown")
    before = last_day(node, 200)
    assert before["failures"] == 1
    save(node, 200, checks)
    assert last_day(node, 200) == before
    assert day(node) == (4, 1)


def test_only_who_speaks_is_counted_and_only_while_it_does(noon: World) -> None:
    node = Node(noon, "p2p")
    both = {"blockchain": {}, "p2p": {"interval_s": 60}}
    node.minutes("ok", "fail")
    save(node, 70, both)  # from here on blockchain speaks; both are run
    tasks = noon.tick(120, 1)
    assert {task["kind"] for task in tasks} == {"blockchain", "p2p"}
    finished_at = noon.at(120).isoformat()
    noon.record(120, [result(task, "fail", finished_at=finished_at) for task in tasks])
    save(node, 130, {"p2p": {"interval_s": 60}})  # and p2p again
    node.look(180, "ok")
    assert last_day(node, 190)["failures"] == 2
    assert day(node) == (4, 2)


def test_two_checks_that_looked_at_one_moment_are_two_looks(noon: World) -> None:
    node = Node(noon, "blockchain")
    node.look(0, "ok")
    save(node, 5, {"p2p": {}})
    noon.record(10, [result(task, "fail", finished_at=noon.at(10).isoformat()) for task in noon.tick(6, 1)])
    noon.db.run("select watchkeeper.delete_target(%s, %s)", node.target["id"], noon.at(20))
    assert noon.db.rows("select at, kind from watchkeeper.last_looks order by kind") == [
        (noon.at(0), "blockchain"),
        (noon.at(0), "p2p"),
    ]
    assert day(node) == (2, 1)


def test_saving_what_changes_nothing_keeps_nothing(noon: World) -> None:
    node = Node(noon, "blockchain")
    node.minutes("ok", "ok")
    save(node, 70, {"blockchain": {}, "p2p": {}})
    assert noon.db.value("select count(*) from watchkeeper.last_looks") == 0
    assert day(node) == (2, 0)
