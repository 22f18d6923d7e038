"""Objectives: budgets by hand, burn rates by hand, and alerts that open, stay and close by the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.supabase.world import Db, Json, World, a_target, anything, only, refused

MINUTE, HOUR, DAY = 60, 3600, 86_400
MONTH = 30 * DAY


@pytest.fixture
def world(db: Db) -> World:
    """Forty days ago, so that whole windows have passed."""
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=40)
    return World(db, start)


def seen(world: World, target: Mapping[str, Any], *pieces: tuple[str, float, float]) -> None:
    """(state, from, to) in seconds, as observations would have left them."""
    for state, begins, ends in pieces:
        world.db.run(
            "insert into watchkeeper.availability_spans (target_id, state, from_at, last_seen_at, holds_s, until_at) "
            "values (%s, %s, %s, %s, 60, %s)",
            target["id"], state, world.at(begins), world.at(ends), world.at(ends),
        )  # fmt: skip


def maintained(world: World, target: Mapping[str, Any], begins: float, ends: float) -> None:
    world.db.run(
        "insert into watchkeeper.maintenance_spans (target_id, silence_id, from_at, to_at) "
        "values (%s, gen_random_uuid(), %s, %s)",
        target["id"], world.at(begins), world.at(ends),
    )  # fmt: skip


def objective(world: World, name: str = "all", **given: Any) -> Json:
    saved: Json = world.db.value(
        "select watchkeeper.save_objective(%s, %s)", {"name": name, **given}, world.start
    )
    return saved


def standings(world: World, seconds: float) -> dict[str | None, Json]:
    found = world.db.value("select watchkeeper.list_objectives(%s)", world.at(seconds))
    return {each["name"]: each for each in found}


def tend(world: World, seconds: float) -> tuple[str, str] | None:
    """One look; returns (status, severity) of the newest burn alert."""
    world.db.run("select watchkeeper.tend_objectives(%s)", world.at(seconds))
    found = world.db.rows(
        "select status, severity from system_alerts where alert_type = 'error_budget_burn' "
        "order by created_at desc limit 1"
    )
    return found[0] if found else None


# Budgets ---------------------------------------------------------------------------------------------------------


def test_ten_minutes_down_in_thirty_days(world: World) -> None:
    node = world.target("node")
    seen(world, node, ("up", 0, DAY), ("down", DAY, DAY + 600), ("up", DAY + 600, MONTH))
    objective(world)
    found = standings(world, MONTH)["all"]
    # 2,592,000 s of which 0.1 % may be lost: 2,592 s
    assert found["availability_percent"] == 99.9769
    assert [found[key] for key in ("budget_s", "spent_s", "left_s")] == [2592, 600, 1992]
    assert (found["left_percent"], found["met"], found["targets"], found["status"]) == (76.85, True, 1, "ok")


def test_a_spent_budget_is_critical(world: World) -> None:
    seen(world, world.target("node"), ("up", 0, MONTH - 10_000), ("down", MONTH - 10_000, MONTH - 7000))
    seen(world, world.target("other"), ("up", 0, MONTH))
    objective(world, match={"targets": ["node"]})
    found = standings(world, MONTH)["all"]
    # measured: 2,585,000 s
    assert (found["budget_s"], found["spent_s"], found["left_s"]) == (2585, 3000, -415)
    assert (found["left_percent"], found["met"], found["status"]) == (-16.05, False, "critical")


def test_exactly_the_budget_is_met_and_a_microsecond_more_is_not(world: World) -> None:
    exact, over = world.target("exact"), world.target("over")
    seen(world, exact, ("down", 0, 2592), ("up", 2592, MONTH))
    seen(world, over, ("down", 0, 2592.000001), ("up", 2592.000001, MONTH))
    for name in ("exact", "over"):
        objective(world, name, match={"targets": [name]})
    found = standings(world, MONTH)
    assert (found["exact"]["met"], found["exact"]["left_s"]) == (True, 0)
    assert (found["over"]["met"], found["over"]["left_s"]) == (False, -0.000001)


def test_a_group_is_the_sum_of_its_targets(world: World) -> None:
    for name, network, lost in (("a", "main", 600), ("b", "main", 0), ("c", "test", 90_000)):
        target = world.target(name, network=network)
        seen(world, target, ("down", 0, lost), ("up", lost, MONTH))
    objective(world, "main", match={"networks": ["main"]})
    found = standings(world, MONTH)["main"]
    assert (found["targets"], found["budget_s"], found["spent_s"]) == (2, 5184, 600)
    assert found["availability_percent"] == 99.9884


def test_unknown_time_is_apart_or_down_as_the_objective_says(world: World) -> None:
    seen(world, world.target("node"), ("down", 0, 600), ("unknown", 600, DAY + 600), ("up", DAY + 600, MONTH))
    objective(world, "apart")
    objective(world, "down", counts_unknown="down")
    found = standings(world, MONTH)
    assert (found["apart"]["budget_s"], found["apart"]["spent_s"]) == (2505.6, 600)
    assert found["apart"]["availability_percent"] == 99.9761
    assert (found["down"]["budget_s"], found["down"]["spent_s"]) == (2592, 87_000)
    assert found["down"]["availability_percent"] == 96.6435


def test_maintenance_spends_no_budget(world: World) -> None:
    node = world.target("node")
    seen(world, node, ("up", 0, 3000), ("down", 3000, 3600), ("up", 3600, MONTH))
    maintained(world, node, 3000, 3540)
    objective(world)
    found = standings(world, MONTH)["all"]
    assert (found["budget_s"], found["spent_s"]) == (2591.46, 60)


def test_where_nothing_was_measured_nothing_is_claimed(world: World) -> None:
    world.target("node")
    objective(world)
    found = standings(world, DAY)["all"]
    unknown = ("availability_percent", "budget_s", "spent_s", "left_s", "left_percent", "met")
    assert [found[key] for key in unknown] == [None] * 6
    assert (found["status"], found["targets"]) == ("unknown", 1)
    assert found["burn"] == dict.fromkeys(("5m", "30m", "1h", "6h", "3d"))


def test_an_objective_of_nobody_is_unknown_too(world: World) -> None:
    objective(world, match={"labels": {"team": "none"}})
    assert standings(world, DAY)["all"]["status"] == "unknown"


def test_the_window_is_what_the_objective_says(world: World) -> None:
    seen(world, world.target("node"), ("down", 0, DAY), ("up", DAY, 10 * DAY))
    objective(world, "week", window_days=7)
    objective(world, "ten", window_days=10)
    found = standings(world, 10 * DAY)
    assert found["week"]["availability_percent"] == 100
    assert found["ten"]["availability_percent"] == 90


def test_what_is_in_no_objective_has_the_default_one(world: World) -> None:
    seen(world, world.target("node"), ("up", 0, DAY))
    seen(world, world.target("other"), ("up", 0, DAY))
    assert list(standings(world, DAY)) == [None]
    objective(world, "node", match={"targets": ["node"]}, percent=99)
    found = standings(world, DAY)[None]
    assert (found["targets"], found["percent"], found["budget_s"]) == (1, 99.9, 86.4)
    objective(world, "rest", match={"targets": ["other"]})
    assert list(standings(world, DAY)) == ["node", "rest"]


def test_a_deleted_target_counts_as_long_as_it_was_there(world: World) -> None:
    gone = world.target("gone")
    seen(world, gone, ("up", 0, 3000), ("down", 3000, 3600))
    objective(world)
    world.db.run("select watchkeeper.delete_target(%s, %s)", gone["id"], world.at(3600))
    found = standings(world, DAY)["all"]
    assert (found["targets"], found["spent_s"], found["budget_s"]) == (1, 600, 3.6)
    assert standings(world, 31 * DAY)["all"]["targets"] == 0


# Burn rates ------------------------------------------------------------------------------------------------------


def test_burn_rates_by_hand(world: World) -> None:
    node = world.target("node")
    seen(
        world,
        node,
        ("up", 0, 3 * DAY - 1000),
        ("down", 3 * DAY - 1000, 3 * DAY - 100),
        ("up", 3 * DAY - 100, 3 * DAY),
    )
    objective(world, percent=99)
    assert standings(world, 3 * DAY)["all"]["burn"] == {
        "5m": 66.667,  # 200 of 300 s, of which 1 % may be lost
        "30m": 50,  # 900 of 1,800 s
        "1h": 25,
        "6h": 4.167,
        "3d": 0.347,
    }


def test_a_fast_burn_pages_at_once_and_ends_when_no_window_holds(world: World) -> None:
    node = world.target("node")
    seen(world, node, ("up", 0, 2 * DAY), ("down", 2 * DAY, 2 * DAY + 600), ("up", 2 * DAY + 600, 4 * DAY))
    objective(world)
    assert tend(world, 2 * DAY) is None
    # 51 of 3,600 s burn 14.17 times too fast, 52 s 14.44 times
    assert tend(world, 2 * DAY + 51) is None
    assert tend(world, 2 * DAY + 52) == ("firing", "critical")
    up_again = 2 * DAY + 600
    assert tend(world, up_again + 300) == ("firing", "critical")
    # 600 s of 3 days is 3 times too fast, as long as 21.6 s of it were within the last 6 hours
    assert tend(world, up_again + 6 * HOUR - 22) == ("firing", "critical")
    assert tend(world, up_again + 6 * HOUR - 21) == ("resolved", "critical")
    assert tend(world, up_again + 7 * HOUR) == ("resolved", "critical")


def test_a_brisk_burn_is_an_error_and_a_slow_one_a_warning(world: World) -> None:
    brisk, slow, well = (world.target(name) for name in ("brisk", "slow", "well"))
    for target, lost in ((brisk, 252), (slow, 54), (well, 30)):
        for hour in range(72):
            begins = hour * HOUR
            # 252 s of each hour, in pieces of 63 s so that every half hour has its share
            for piece in range(4):
                at = begins + piece * 900
                seen(world, target, ("up", at, at + 900 - lost / 4), ("down", at + 900 - lost / 4, at + 900))
    for name in ("brisk", "slow", "well"):
        objective(world, name, match={"targets": [name]}, percent=99)
    tend(world, 3 * DAY)
    found = world.db.rows("select source, severity from system_alerts order by 1")
    assert found == [("brisk", "error"), ("slow", "warning")]
    now = standings(world, 3 * DAY)
    assert [now[name]["burn"]["6h"] for name in ("brisk", "slow", "well")] == [7, 1.5, 0.833]
    assert now["well"]["status"] == "ok"


def test_the_alert_rises_while_the_burn_gets_faster(world: World) -> None:
    node = world.target("node")
    for hour in range(72):
        seen(
            world,
            node,
            ("up", hour * HOUR, hour * HOUR + 3546),
            ("down", hour * HOUR + 3546, hour * HOUR + 3600),
        )
    seen(world, node, ("down", 3 * DAY, 3 * DAY + HOUR))
    objective(world, percent=99)
    assert tend(world, 3 * DAY) == ("firing", "warning")
    assert tend(world, 3 * DAY + 1800) == ("firing", "critical")
    assert world.db.value("select count(*) from system_alerts") == 1


def test_who_knows_nothing_neither_opens_nor_closes(world: World) -> None:
    node = world.target("node")
    objective(world)
    assert tend(world, HOUR) is None
    seen(world, node, ("up", HOUR, 3 * HOUR), ("down", 3 * HOUR, 3 * HOUR + 600))
    assert tend(world, 3 * HOUR + 600) == ("firing", "critical")
    # blind since then
    assert tend(world, 4 * HOUR) == ("firing", "critical")
    assert tend(world, 20 * DAY) == ("firing", "critical")
    assert standings(world, 20 * DAY)["all"]["burn"]["3d"] is None


def test_blindness_burns_where_it_counts_as_down(world: World) -> None:
    seen(world, world.target("node"), ("up", 0, 2 * DAY))
    objective(world, counts_unknown="down")
    assert tend(world, 2 * DAY) is None
    assert tend(world, 2 * DAY + 600) == ("firing", "critical")


def test_the_alert_says_what_burns_and_can_be_routed(world: World) -> None:
    seen(world, world.target("node", network="main"), ("up", 0, DAY), ("down", DAY, DAY + 600))
    objective(world, match={"networks": ["main"], "labels": {}})
    tend(world, DAY + 600)
    alert = only(world.alerts())
    assert alert["message"] == (
        "all: the error budget of 99.9 % over 30 days burns 166.667 times too fast in the last 1h "
        "and 1000.000 in the last 5m"
    )
    assert (alert["source"], alert["target_id"], alert["metadata"]["network"]) == ("all", None, "main")


def test_the_sweep_finds_the_burn_and_the_channel_hears_of_it(world: World) -> None:
    seen(world, world.target("node"), ("up", 0, DAY), ("down", DAY, DAY + 600))
    objective(world)
    world.channel()
    world.route("chat", match={"alert_types": ["error_budget_burn"]})
    assert world.send(DAY + 600) == [("chat", "trigger")]


def test_switching_off_changing_and_deleting_end_the_alert(world: World) -> None:
    seen(world, world.target("node"), ("up", 0, DAY), ("down", DAY, DAY + 600))
    for end in (
        lambda: objective(world, burn_alerts=False),
        lambda: world.db.rpc("delete_objective", name="all"),
    ):
        objective(world)
        assert tend(world, DAY + 600) == ("firing", "critical")
        end()
        assert tend(world, DAY + 601) == ("resolved", "critical")
        world.db.run("delete from system_alerts")


def test_an_objective_without_burn_alerts_has_none(world: World) -> None:
    seen(world, world.target("node"), ("up", 0, DAY), ("down", DAY, DAY + 600))
    objective(world, burn_alerts=False)
    assert tend(world, DAY + 600) is None
    assert standings(world, DAY + 600)["all"]["status"] == "critical"


# Saving ----------------------------------------------------------------------------------------------------------


def test_an_objective_has_defaults_and_is_replaced_by_name(world: World) -> None:
    assert objective(world) == {
        "name": "all", "match": {}, "percent": 99.9, "window_days": 30, "counts_unknown": "apart", "burn_alerts": True,
    }  # fmt: skip
    objective(world, percent=99.99)
    assert [each["percent"] for each in world.db.rpc("list_objectives")] == [99.99]


@pytest.mark.parametrize(
    ("naming", "wrong"),
    [
        *(("objective", value) for value in anything([], "x", 1, None)),
        *(
            ("objective.name", {"name": value})
            for value in anything(None, "", " ", 1, "x" * 101, " x", "x\n")
        ),
        ("objective.name", {}),
        *(
            ("objective.percent", {"percent": value})
            for value in anything(49.9, 100, 99.99991, "99", None, 1e30, 99.12345678901)
        ),
        *(("objective.window_days", {"window_days": value}) for value in anything(0, 367, 1.5, "30", None)),
        *(("objective.counts_unknown", {"counts_unknown": value}) for value in anything("up", None, 1)),
        *(("objective.burn_alerts", {"burn_alerts": value}) for value in anything("yes", 1, None)),
        *(("objective.match", {"match": value}) for value in anything([], "x", None)),
        ("objective.match.kinds", {"match": {"kinds": ["uptime"]}}),
        ("objective.match.min_severity", {"match": {"min_severity": "error"}}),
        ("objective.match.alert_types", {"match": {"alert_types": ["x"]}}),
        ("objective.match.targets", {"match": {"targets": []}}),
        ("objective.match.labels", {"match": {"labels": {"team": 1}}}),
        ("objective.nope", {"nope": 1}),
    ],
)
def test_a_bad_objective_is_refused_by_name(world: World, naming: str, wrong: Any) -> None:
    given = {"name": "x", **wrong} if isinstance(wrong, dict) and wrong else wrong
    with refused(world.db, "22023", naming=naming):
        world.db.rpc("save_objective", objective=Jsonb(given))


def test_deleting_what_is_not_there_is_refused(world: World) -> None:
    with refused(world.db, "PT404", naming="name: there is no objective x"):
        world.db.rpc("delete_objective", name="x")
    with refused(world.db, "22023", naming="name: "):
        world.db.rpc("delete_objective", name="")


def test_who_may_do_what(world: World) -> None:
    for who in ("viewer", "auditor", "responder"):
        with world.db.asking_as(who):
            assert world.db.rpc("list_objectives") == []
        with refused(world.db, "42501"), world.db.asking_as(who):
            world.db.rpc("save_objective", objective={"name": "x"})
    with world.db.asking_as("admin"):
        assert world.db.rpc("save_objective", objective={"name": "x"})["name"] == "x"
        world.db.rpc("delete_objective", name="x")


def test_many_objectives_of_many_targets_are_tended_together(world: World) -> None:
    for n in range(100):
        target = world.db.value("select watchkeeper.save_target(%s, %s)", a_target(f"t{n}"), world.start)
        seen(world, target, ("up", 0, 3 * DAY))
    for n in range(20):
        objective(world, f"o{n}")
    began = world.db.rows_read()
    tend(world, 3 * DAY)
    assert world.db.rows_read() - began < 100 * 20, "each a few times, and not each for each"
