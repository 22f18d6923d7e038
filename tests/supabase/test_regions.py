"""Several regions on one database: each slot once, or as often as a target demands, and one verdict of all looks."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import permutations
from typing import Any

import pytest

from tests.supabase.world import Db, Json, World, a_target, changes, finding, only, refused, result, sample

EU, US, AP = "eu-central-1", "us-east-1", "ap-south-1"


class Regions(World):
    """One clock, and ticks that say where they are."""

    def __init__(self, db: Db, start: datetime | None = None) -> None:
        super().__init__(db, start)
        self.never_flapping()

    def tick_in(self, seconds: float, region: str | None, horizon_s: int = 1) -> list[Json]:
        tasks: list[Json] = self.db.value(
            "select watchkeeper.claim_due_checks(%s, %s, %s)", self.at(seconds), horizon_s, region
        )
        return tasks

    def demanding(self, agree: int, *names: str, **more: Any) -> Json:
        return self.target(regions={"agree": agree, **({"names": list(names)} if names else {})}, **more)

    def look(self, seconds: float, region: str, outcome: str, **more: Any) -> Json:
        """One region's tick and what it saw of the newest slot that it claimed."""
        task = self.tick_in(seconds, region)[-1]
        return self.record(seconds + 1, [said(task, outcome, **more)])

    def check(self, seconds: float) -> Json:
        return dict(only(self.targets(seconds))["checks"]["blockchain"])

    def run(self) -> tuple[str | None, bool, str | None, str | None]:
        """The newest slot."""
        return tuple(
            self.db.rows("select outcome, missed, region, reason from watchkeeper.runs order by due_at desc limit 1")[0]
        )  # fmt: skip


def said(task: Json, outcome: str, **more: Any) -> Json:
    """What a region found: its word on one rule goes with its outcome."""
    state = {"ok": "clear", "fail": "breach", "unknown": "unknown"}[outcome]
    more.setdefault("findings", [finding(state)])
    return result(task, outcome, region=task.get("region"), **more)


@pytest.fixture
def world(db: Db) -> Regions:
    return Regions(db)


# Nothing is demanded ----------------------------------------------------------------------------------------------


def test_a_slot_is_claimed_once_by_whichever_region_comes_first(world: Regions) -> None:
    world.target()
    (task,) = world.tick_in(0, EU)
    assert "region" not in task
    assert world.tick_in(1, US) == []
    assert world.run() == (None, False, EU, None)
    assert world.record(2, [result(task, "fail", finding("breach"))])["recorded"] == 1
    assert world.firing() == ["endpoint_unreachable"]
    (task,) = world.tick_in(61, US)
    world.record(62, [result(task)])
    assert world.run()[:3] == ("ok", False, US)
    assert world.db.value("select count(*) from watchkeeper.votes") == 0


def test_a_stack_that_does_not_say_where_it_is_goes_on_as_before(world: Regions) -> None:
    world.target()
    assert len(world.tick(0)) == 1
    assert world.db.rpc("claim_due_checks", horizon_s=60) is not None
    assert world.run()[2] is None
    assert world.db.rpc("list_regions") == []


@pytest.mark.parametrize("name", ["", " ", "eu central", "-eu", "x" * 41, "eu\n", "€"])
def test_a_name_that_makes_no_sense_is_refused(world: Regions, name: str) -> None:
    with refused(world.db, "22023", naming="region: "):
        world.tick_in(0, name)


# k of n -----------------------------------------------------------------------------------------------------------

NAMES = (EU, US, AP)
# What three regions say, and what that is if two must agree. None: it said nothing within its time.
TWO_OF_THREE: list[tuple[tuple[str | None, ...], str]] = [
    (("ok", "ok", "ok"), "ok"), (("ok", "ok", "fail"), "ok"), (("ok", "fail", "fail"), "fail"),
    (("fail", "fail", "fail"), "fail"), (("ok", "ok", "unknown"), "ok"), (("fail", "fail", "unknown"), "fail"),
    (("ok", "fail", "unknown"), "unknown"), (("ok", "unknown", "unknown"), "unknown"),
    (("fail", "unknown", "unknown"), "unknown"), (("unknown", "unknown", "unknown"), "unknown"),
    (("ok", "ok", None), "ok"), (("fail", "fail", None), "fail"), (("ok", "fail", None), "unknown"),
    (("ok", None, None), "unknown"), (("fail", None, None), "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("votes", "verdict"), TWO_OF_THREE, ids=str)
def test_two_of_three_decide_in_whatever_order_they_come_and_however_often(
    world: Regions, votes: tuple[str | None, ...], verdict: str
) -> None:
    target = world.demanding(2, checks={"blockchain": {"params": {"blind_threshold": 1}}})
    rule = {"fail": ["endpoint_unreachable"], "unknown": ["blind"], "ok": []}[verdict]
    for order in sorted(set(permutations(votes)), key=str):
        with world.db.connection.transaction(force_rollback=True):
            # All three are alive when the first slot is opened.
            for name in NAMES:
                world.tick_in(-1, name)
            tasks = [only(world.tick_in(0, name)) for name in NAMES]
            transitions = []
            for task, vote in zip(tasks, order, strict=True):
                if vote is not None:
                    for _ in range(2):
                        transitions += changes(world.record(2, [said(task, vote)]))
            early = world.run()[0]
            world.tick_in(116, EU)
            outcome = world.db.value("select outcome from watchkeeper.runs order by due_at limit 1")
            assert early in (verdict, None)
            assert (outcome, world.firing()) == (verdict, rule)
            assert transitions in ([], [(rule[0], "fired")] if rule else [])
    assert target["regions"] == {"agree": 2}


def test_a_random_crowd_of_votes_gives_one_verdict_in_any_order(world: Regions) -> None:
    """Of any number of regions and any k: what is certain early stays so, whatever comes."""
    dice = random.Random(7)  # noqa: S311
    decide = "select watchkeeper.agreed(%s, %s, %s, %s, %s)"
    for _ in range(80):
        regions, agree = dice.randint(1, 6), dice.randint(1, 6)
        votes = dice.choices(["breach", "clear", "unknown"], k=regions)
        final = world.db.value(
            decide, agree, votes.count("breach"), votes.count("clear"), votes.count("unknown"), 0
        )
        assert final is not None
        for _ in range(5):
            dice.shuffle(votes)
            for n in range(regions + 1):
                some = votes[:n]
                early = world.db.value(
                    decide, agree, some.count("breach"), some.count("clear"), some.count("unknown"), regions - n
                )  # fmt: skip
                assert early in (None, final)
        if votes.count("breach") >= agree:
            assert final == "breach"
        elif regions - votes.count("clear") < agree <= regions - votes.count("unknown"):
            assert final == "clear"
        else:
            assert final == "unknown"


def test_the_verdict_comes_with_the_vote_that_decides_and_no_later_one_turns_it(world: Regions) -> None:
    world.demanding(2, *NAMES)
    for name in NAMES:
        world.tick_in(-61, name)
    tasks = {name: world.tick_in(0, name)[-1] for name in NAMES}
    assert len({task["due_at"] for task in tasks.values()}) == 1
    assert {task["region"] for task in tasks.values()} == set(NAMES)
    assert world.tick_in(1, EU) == [], "it has a look at each slot"
    assert changes(world.record(2, [said(tasks[US], "fail")])) == []
    assert world.firing() == []
    assert world.run()[0] is None
    answer = world.record(3, [said(tasks[EU], "fail")])
    assert changes(answer) == [("endpoint_unreachable", "fired")]
    alert = only(world.alerts())
    assert alert["message"] == f"endpoint_unreachable: breach (2 of 3 regions: {EU}, {US})"
    assert world.run() == ("fail", False, EU, f"it was fail (2 of 3 regions: {EU}, {US})")
    late = world.record(4, [said(tasks[AP], "ok")])
    assert (late["late"], late["transitions"]) == (1, [])
    assert world.record(5, [said(tasks[AP], "fail")])["repeated"] == 1
    assert world.run()[0] == "fail"
    votes = world.db.rows(
        "select region, outcome, result is null from watchkeeper.votes where recorded_at is not null"
    )
    assert sorted(votes) == sorted([(EU, "fail", True), (US, "fail", True), (AP, "ok", True)])


def test_one_region_that_fails_alone_fires_nothing(world: Regions) -> None:
    world.demanding(2)
    for name in (EU, US):
        world.tick_in(-60, name)
    for minute in range(1, 6):
        world.look(60 * minute, EU, "fail")
        world.look(60 * minute + 2, US, "ok")
    assert world.firing() == []
    assert world.check(304)["outcome"] == "ok"


def test_samples_are_those_of_one_region_and_say_of_which(world: Regions) -> None:
    world.demanding(2)
    for name in (EU, US):
        world.tick_in(-60, name)
    world.look(0, US, "ok", samples=[sample("height", 8)])
    world.look(2, EU, "ok", samples=[sample("height", 7)])
    stored = world.db.rows("select metric_value::integer, metadata from system_health_metrics")
    assert stored == [(7, {"kind": "blockchain", "region": EU})]
    assert world.check(5)["values"]["height"]["value"] == 7


def test_a_look_at_a_service_is_unknown_where_regions_do_not_agree(world: Regions) -> None:
    world.demanding(2, checks={"uptime": {}})
    for name in (EU, US):
        world.tick_in(-60, name)
    up = {"service_name": "x", "endpoint": "x", "is_up": True, "response_time_ms": 12.5}
    world.look(0, US, "unknown")
    world.look(2, EU, "ok", uptime=up)
    assert world.db.rows("select is_up, response_time_ms::text from uptime_checks") == [(None, "12.5")]
    assert (
        world.db.value("select response_ms::text from watchkeeper.votes where response_ms is not null")
        == "12.5"
    )
    assert world.summary(10)["uptime"]["unknown"] == 1


# Too few ----------------------------------------------------------------------------------------------------------


def test_with_fewer_living_regions_than_must_agree_it_is_blind_and_says_so(world: Regions) -> None:
    world.demanding(2, EU, US, checks={"blockchain": {"params": {"blind_threshold": 2}}})
    world.look(0, EU, "ok")
    assert world.run()[0] == "unknown", "nobody waits for a region that does not tick"
    world.look(60, EU, "ok")
    assert world.firing() == ["blind"]
    why = f"1 of 2 regions answered, no word from {US}; {EU} says ok"
    assert world.run() == ("unknown", False, EU, why)
    assert (world.check(65)["status"], world.check(65)["reason"]) == ("unknown", why)
    assert why in only(world.alerts())["message"]
    # It comes back.
    world.tick_in(100, US)
    world.look(121, EU, "ok")
    world.look(122, US, "ok")
    assert world.firing() == []
    assert world.check(130)["status"] == "ok"


def test_a_region_that_ticks_and_whose_looks_do_not_come_is_waited_for_until_the_slot_is_over(
    world: Regions,
) -> None:
    world.demanding(2)
    for name in (EU, US):
        world.tick_in(-60, name)
    eu, us = (world.tick_in(0, name)[-1] for name in (EU, US))
    world.record(1, [said(eu, "ok")])
    world.tick_in(114, EU)
    assert world.db.value("select outcome from watchkeeper.runs where due_at = %s", eu["due_at"]) is None
    world.tick_in(116, EU)
    run = only(
        world.db.rows("select outcome, missed, reason from watchkeeper.runs where due_at = %s", eu["due_at"])
    )
    assert run == ("unknown", True, f"missed: 1 of 2 regions answered, no word from {US}; {EU} says ok")
    # Its look waited in the spool: the record is mended by it, as by any late result.
    answer = world.record(300, [said(us, "ok")])
    assert answer["late"] + answer["recorded"] == 1
    run = only(
        world.db.rows("select outcome, missed, late from watchkeeper.runs where due_at = %s", eu["due_at"])
    )
    assert run == ("ok", False, True)


def test_what_one_region_saw_is_enough_where_one_is_and_the_other_keeps_silent(world: Regions) -> None:
    world.demanding(1)
    for name in (EU, US):
        world.tick_in(-60, name)
    eu, _ = (world.tick_in(0, name)[-1] for name in (EU, US))
    world.record(1, [said(eu, "fail")])
    assert world.firing() == []
    world.tick_in(116, US)
    assert world.firing() == ["endpoint_unreachable"]
    first = world.db.rows(
        "select outcome, missed, region from watchkeeper.runs where due_at = %s", eu["due_at"]
    )
    assert first == [("fail", False, EU)]


def test_where_no_wanted_region_looks_the_slot_is_missed_by_name(world: Regions) -> None:
    world.demanding(1, US, checks={"blockchain": {"params": {"blind_threshold": 1}}})
    assert world.tick_in(0, EU) == [], "it is not asked"
    world.tick_in(120, EU)
    assert world.run()[0] is None
    reasons = world.db.values("select distinct reason from watchkeeper.runs where missed")
    assert reasons == [f"missed: 0 of 1 regions answered, no word from {US}"]
    assert world.firing() == ["blind"]


def test_a_region_that_comes_back_looks_at_the_newest_slot_only(world: Regions) -> None:
    world.demanding(2, checks={"p2p": {"interval_s": 10}})
    world.tick_in(0, EU, 120)
    due = sorted(task["due_at"] for task in world.tick_in(55, US))
    assert world.moment(due[0]) == world.at(50)


def test_a_rule_of_which_too_few_regions_speak_is_left_out(world: Regions) -> None:
    """As while a new version is deployed to one region after the other."""
    world.demanding(2)
    for name in NAMES:
        world.tick_in(-60, name)
    new = [finding("breach", "new_rule"), finding("clear")]
    world.look(0, EU, "fail", findings=new)
    assert world.run()[0] is None
    world.look(1, US, "ok")
    world.look(2, AP, "ok")
    assert world.firing() == []
    assert world.db.values("select alert_type from watchkeeper.rule_states order by 1") == [
        "blind",
        "endpoint_unreachable",
    ]


def test_an_agreement_that_is_demanded_or_dropped_meanwhile_loses_no_slot(world: Regions) -> None:
    world.target()
    (plain,) = world.tick_in(0, EU)
    world.demanding(2)
    assert world.record(1, [result(plain, "ok", finding("clear"))])["recorded"] == 1
    assert world.run()[0] == "ok"
    (plain,) = world.tick_in(60, EU, 1)
    (vote,) = world.tick_in(61, US, 1)
    world.record(62, [result({k: v for k, v in plain.items() if k != "region"}, "ok")])
    world.record(63, [said(vote, "ok")])
    assert world.run()[:2] == ("ok", False)
    demanding = world.tick_in(120, EU, 1)
    world.target()
    assert world.record(121, [said(only(demanding), "ok")])["recorded"] == 1
    assert world.run()[:2] == ("ok", False)


def test_looks_go_with_their_runs(world: Regions) -> None:
    target = world.demanding(1, EU)
    world.look(0, EU, "ok")
    world.db.run("update watchkeeper.roll_ups set up_to = current_date + 1000")
    world.db.run("select watchkeeper.prune_history(%s, 1, 1000)", world.at(2 * 86400))
    assert world.db.value("select count(*) from watchkeeper.votes") == 0
    world.look(60, EU, "ok")
    world.db.rpc("delete_target", target_id=target["id"])
    assert world.db.value("select count(*) from watchkeeper.votes") == 0


# What a target may demand -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("regions", "said"),
    [
        ({}, "target.regions.agree: is missing"),
        (2, "target.regions: must be"),
        ({"agree": 0}, "target.regions.agree: must be at least 1"),
        ({"agree": 10}, "target.regions.agree: must be at least 1 and at most 9"),
        ({"agree": 1.5}, "target.regions.agree: must be a whole number"),
        ({"agree": 1, "names": []}, "target.regions.names: must have at least 1"),
        ({"agree": 1, "names": ["eu", "us", "eu"]}, "target.regions.names[2]: eu is there twice"),
        (
            {"agree": 3, "names": ["eu", "us"]},
            "target.regions.agree: must not be more than the 2 names (is 3)",
        ),
        ({"agree": 1, "names": ["e u"]}, "target.regions.names[0]: must match"),
        ({"agree": 1, "name": "eu"}, "target.regions.name: is not known; known are agree, names"),
    ],
    ids=str,
)
def test_a_demand_that_makes_no_sense_is_refused_by_its_place(
    world: Regions, regions: Any, said: str
) -> None:
    with refused(world.db, "22023", naming=said):
        world.target(regions=regions)


def test_a_demand_is_part_of_the_target(world: Regions) -> None:
    assert "regions" not in world.target()
    saved = world.demanding(2, EU, US)
    assert saved["regions"] == {"agree": 2, "names": [EU, US]}
    applied = world.db.rpc(
        "apply_targets", targets=[{**a_target(), "regions": {"agree": 2.0, "names": [EU, US]}}]
    )
    assert applied["unchanged"] == ["anvil"]
    assert only(world.targets(0))["regions"] == saved["regions"]
    assert world.target(regions={"agree": 2, "names": None})["regions"] == {"agree": 2}
    assert "regions" not in world.target(regions=None)
    assert "looks" not in only(world.targets(0))


# Who sees what ----------------------------------------------------------------------------------------------------


def test_the_summary_says_which_region_sees_what_and_a_quiet_one_sees_nothing(world: Regions) -> None:
    world.demanding(1)
    for name in (EU, US):
        world.tick_in(-60, name)
    for name, outcome in ((EU, "ok"), (US, "fail")):
        world.look(0, name, outcome)
    summary = world.summary(30)
    assert [(each["name"], each["status"]) for each in summary["monitoring"]["regions"]] == [
        (EU, "ok"),
        (US, "ok"),
    ]
    seen = only(summary["targets"])["regions"]
    assert {name: look["outcome"] for name, look in seen.items()} == {EU: "ok", US: "fail"}
    assert world.moment(seen[EU]["at"]) == world.at(0)
    assert seen[US]["reason"] == "blockchain: it was fail"
    assert only(world.targets(30))["looks"] == seen

    world.tick_in(170, EU)
    summary = world.summary(175)
    assert [each["status"] for each in summary["monitoring"]["regions"]] == ["ok", "unknown"]
    seen = only(summary["targets"])["regions"]
    assert (seen[US]["outcome"], seen[US]["reason"]) == ("unknown", "no tick: 3 min ago")
    with world.db.asking_as("viewer"):
        assert world.db.rpc("get_monitor")["monitoring"]["regions"][0]["name"] == EU


def test_all_is_not_well_while_a_region_is_quiet(world: Regions) -> None:
    world.target()
    world.channel()
    world.route("chat")
    world.tick_in(0, US)
    for minute in (1, 2, 3):
        tasks = world.tick_in(60 * minute, EU)
        world.record(60 * minute + 1, [result(task) for task in tasks])
    summary = world.summary(185)
    assert (summary["status"], summary["reason"]) == (
        "warning",
        f"region {US} is quiet: no tick since 3 min ago",
    )
    with refused(world.db, "PT409", naming=f"name: {EU} still ticks"):
        world.db.run("select watchkeeper.forget_region(%s, %s)", EU, world.at(185))
    world.db.run("select watchkeeper.forget_region(%s, %s)", US, world.at(185))
    assert world.summary(185)["status"] == "ok"
    with refused(world.db, "PT404", naming="name: there is no region"):
        world.db.rpc("forget_region", name=US)


# Many at once -----------------------------------------------------------------------------------------------------


def test_regions_at_once_give_each_slot_one_look_of_each_and_one_verdict(fresh: Callable[[], Db]) -> None:
    world = Regions(fresh())
    targets = [{**a_target(f"t{n}", {"p2p": {"interval_s": 30}}), "regions": {"agree": 2}} for n in range(8)]
    world.db.run("select watchkeeper.apply_targets(%s, false, false, %s)", targets, world.start)
    for name in NAMES:
        world.tick_in(-1, name)

    def ticks(name: str, db: Db) -> list[tuple[str, str, str]]:
        own, claimed = Regions(db, world.start), []
        for minute in range(4):
            tasks = own.tick_in(60 * minute + 1, name, 120) + own.tick_in(60 * minute + 1, name, 120)
            claimed += [(task["check_id"], task["due_at"], name) for task in tasks]
            own.record(
                60 * minute + 2,
                [said(task, "ok", **now(own, minute)) for task in tasks if is_due(own, task, minute)],
            )
        return claimed

    def change(db: Db) -> list[tuple[str, str, str]]:
        """Somebody deletes and adds targets meanwhile; who ticks must not stumble over it."""
        for n in range(30):
            gone = db.value("select id from watchkeeper.targets where name = 't7'")
            db.run("select watchkeeper.delete_target(%s, %s)", gone, world.start)
            db.run("select watchkeeper.save_target(%s, %s)", targets[7], world.at(n % 4))
        return []

    with ThreadPoolExecutor(4) as pool:
        works = [pool.submit(ticks, name, fresh()) for name in NAMES] + [pool.submit(change, fresh())]
        looks = [look for work in works for look in work.result(timeout=60)]
    assert len(set(looks)) == len(looks), "one look of each"
    outcomes = world.db.values(
        "select distinct outcome from watchkeeper.runs as r where (select count(*) from watchkeeper.votes as v "
        "where v.check_id = r.check_id and v.due_at = r.due_at and v.outcome = 'ok') >= 2"
    )
    assert outcomes == ["ok"]


def now(world: World, minute: int) -> Json:
    at = world.at(60 * minute + 2).isoformat()
    return {"started_at": at, "finished_at": at}


def is_due(world: World, task: Json, minute: int) -> bool:
    return world.moment(task["due_at"]) <= world.at(60 * minute + 2)
