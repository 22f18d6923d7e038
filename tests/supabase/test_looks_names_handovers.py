"""Looks stay counted when another check speaks; a log is asked about tables that it keeps; shifts begin once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import groupby
from typing import Any

import pytest

from tests.supabase.test_availability import Node
from tests.supabase.test_uptime_days import NOON, noon, roll_up, summary
from tests.supabase.world import Db, Json, World, a_target, only, refused, result

__all__ = ["noon"]

OFF = {"enabled": False}


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


def test_a_table_of_which_nothing_is_kept_is_refused_with_those_there_are(db: Db) -> None:
    with refused(db, "22023", naming="table_name: must be one of access_settings, "):
        db.rpc("list_audit_log", table_name="target")
    assert db.rpc("list_audit_log", table_name="targets") == []


@pytest.mark.parametrize("handover", ["00:00", "01:45", "02:30", "03:00"])
@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Berlin", "2026-03-29"),  # 02:00 to 03:00 is left out
        ("Europe/Berlin", "2026-10-25"),  # 02:00 to 03:00 comes twice
        ("America/New_York", "2026-03-08"),
        ("America/New_York", "2026-11-01"),  # 01:00 to 02:00 comes twice
        ("Australia/Lord_Howe", "2026-04-05"),  # half an hour, 01:30 to 02:00, comes twice
        ("America/Havana", "2026-11-01"),  # 00:00 to 01:00 comes twice
        ("America/Havana", "2026-03-08"),  # there is no midnight
    ],
)
def test_each_shift_begins_once_and_lasts_a_day(db: Db, zone: str, day: str, handover: str) -> None:
    people = ["anna@example.org", "bert@example.org", "cleo@example.org"]
    rotation = {"name": "primary", "time_zone": zone, "shift_days": 1, "people": people}
    db.rpc("save_rotation", rotation={**rotation, "starts_at": f"2026-01-01T{handover}"})
    quarters = db.values(
        "select watchkeeper.on_call(r, at) from watchkeeper.rotations as r, generate_series("
        "%s::date - interval '2 days', %s::date + interval '3 days', interval '15 minutes') as at order by at",
        day, day,
    )  # fmt: skip
    shifts = [(person, len(list(each)) / 4) for person, each in groupby(quarters)][1:-1]
    first = people.index(shifts[0][0])
    assert [person for person, _ in shifts] == [people[(first + n) % 3] for n in range(len(shifts))]
    assert sorted({hours for _, hours in shifts} - {24}) in ([], [23], [25], [24.5], [23.5, 24.5], [23, 25])
    assert sum(hours != 24 for _, hours in shifts) <= 2
