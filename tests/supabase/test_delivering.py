"""Claiming, settling, and the duties of the clock: retries, dead letters, ladders, reminders, parents, flapping."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.supabase.test_outbox import acknowledge
from tests.supabase.world import Db, Json, World, anything, finding, only, refused, result


@pytest.fixture
def told(world: World) -> World:
    world.channel("chat", "pager")
    world.route("chat")
    return world


def delivery(world: World, column: str) -> Any:
    return world.db.value(f"select {column} from watchkeeper.deliveries order by seq limit 1")  # noqa: S608


# Claims ----------------------------------------------------------------------------------------------------------


def test_eight_workers_at_once_never_hold_the_same_delivery(fresh: Callable[[], Db]) -> None:
    world = World(fresh())
    world.channel("chat", "pager")
    world.route("chat")
    for n in range(40):
        world.fire(0, f"node-{n}")

    def work(_: int) -> list[str]:
        own = World(fresh(), world.start)
        ids: list[str] = []
        while messages := own.claim(10, most=3):
            ids += [each["id"] for message in messages for each in message["deliveries"]]
        return ids

    with ThreadPoolExecutor(8) as pool:
        claimed = [each for ids in pool.map(work, range(8)) for each in ids]
    assert len(set(claimed)) == len(claimed)
    claimed += [each["id"] for m in world.claim(10) for each in m["deliveries"]]  # what locks made them skip
    assert len(set(claimed)) == len(claimed) == 40
    assert world.db.values("select distinct attempts from watchkeeper.deliveries") == [1]


def test_workers_together_keep_to_a_channels_rate(fresh: Callable[[], Db]) -> None:
    world = World(fresh())
    world.channel("chat", "pager", rate_per_minute=5)
    world.route("chat")
    for n in range(20):
        world.fire(0, f"node-{n}")

    def work(_: int) -> int:
        own = World(fresh(), world.start)
        return sum(len(own.claim(10, most=2)) for _ in range(4))

    with ThreadPoolExecutor(6) as pool:
        claimed = sum(pool.map(work, range(6)))
    assert claimed <= 5
    assert claimed + len(world.claim(10)) == 5


def test_an_attempt_counts_when_it_is_claimed(told: World) -> None:
    told.fire(0)
    told.claim(1)
    assert (delivery(told, "attempts"), delivery(told, "first_attempt_at")) == (1, told.at(1))


def test_a_lease_that_ended_is_claimed_again_with_the_same_key(told: World) -> None:
    told.fire(0)
    first = only(only(told.claim(1, lease_s=60))["deliveries"])
    assert told.claim(60) == []
    second = only(only(told.claim(61))["deliveries"])
    assert (second["attempt"], second["dedup_key"]) == (2, first["dedup_key"])


@pytest.mark.parametrize("outcome", ["sent", "retry", "dead"])
def test_a_stale_settle_changes_nothing(told: World, outcome: str) -> None:
    told.fire(0)
    stale = told.claim(1)
    assert told.settle(62, stale, outcome) == {"settled": 0, "stale": 1}
    told.claim(62)
    before = told.db.rows("select * from watchkeeper.deliveries")
    assert told.settle(63, stale, outcome) == {"settled": 0, "stale": 1}
    assert told.db.rows("select * from watchkeeper.deliveries") == before
    assert told.settle(64, [{"lease_id": str(uuid4()), "deliveries": [{"id": str(uuid4())}]}])["stale"] == 1


def test_a_settlement_waits_for_nobody_who_holds_its_delivery(fresh: Callable[[], Db]) -> None:
    """Whoever buries it holds it, and waits for the channel's alert, which the settlement may hold: a circle."""
    world = World(fresh())
    world.channel("chat", "pager")
    world.route("chat")
    world.fire(0, "node-1")
    world.fire(0, "node-2")
    messages = world.claim(1)
    held = messages[1]["deliveries"][0]["id"]
    other = fresh()
    world.db.run("set lock_timeout = '1s'")
    with other.connection.transaction():
        other.run("select from watchkeeper.deliveries where id = %s for no key update", held)
        assert world.settle(2, messages, "dead", error="no") == {"settled": 1, "stale": 1}


def test_settling_twice_counts_once(told: World) -> None:
    told.fire(0)
    messages = told.claim(1)
    assert told.settle(2, messages + messages) == {"settled": 1, "stale": 1}


def test_backoff_grows_and_is_capped(told: World) -> None:
    waits = {
        n: told.db.values("select watchkeeper.backoff_s(%s) from generate_series(1, 50)", n)
        for n in (1, 4, 8, 10, 1000)
    }
    for n, base in ((1, 2), (4, 16), (8, 256), (10, 300), (1000, 300)):
        assert base * 0.5 <= min(waits[n]) < max(waits[n]) <= base * 1.5


def test_retry_after_is_honoured(told: World) -> None:
    told.fire(0)
    told.settle(1, told.claim(1), "retry", retry_after_s=3600, error="429")
    assert told.claim(3600) == []
    assert len(told.claim(3602)) == 1
    assert delivery(told, "last_error") == "429"


def test_what_the_service_answered_is_kept_and_threads_the_rest(told: World) -> None:
    told.fire(0)
    told.settle(1, told.claim(1), provider_id="42", thread={"ts": "1.2"})
    told.end(2)
    assert only(only(told.claim(3))["deliveries"])["thread"] == {"ts": "1.2"}
    assert delivery(told, "provider_id") == "42"


def test_a_thread_too_long_to_keep_costs_no_message(told: World) -> None:
    told.fire(0)
    thread = {"x": [str(uuid4()) for _ in range(1000)]}
    assert told.settle(1, told.claim(1), thread=thread)["settled"] == 1
    assert (delivery(told, "status"), delivery(told, "thread")) == ("sent", None)


# Dead letters ----------------------------------------------------------------------------------------------------


def test_a_dead_letter_is_told_by_another_channel_until_the_next_success(told: World) -> None:
    told.channel("mail", "pager")
    told.fire(0)
    told.settle(1, told.claim(1), "dead", error="410 gone")
    assert told.send(2) == [("mail", "trigger")]
    alert = only([each for each in told.alerts(status="firing") if each["alert_type"] == "delivery_dead"])
    assert (alert["source"], "410 gone" in alert["message"]) == ("chat", True)
    told.fire(10, "web")
    assert sorted(told.send(11)) == [("chat", "trigger"), ("mail", "resolve")]


def test_a_dead_letters_alert_never_climbs_to_the_channel_that_died(told: World) -> None:
    told.setting("escalation", name="ladder", steps=[{"after_s": 0, "channels": ["chat"]}])
    told.setting(
        "route", name="first", position=1, escalation="ladder", match={"alert_types": ["delivery_dead"]}
    )
    told.fire(0)
    told.settle(1, told.claim(1), "dead")
    assert told.send(2) == []
    assert told.held_by("chat") == "no route matches"


def test_two_dead_channels_do_not_raise_alerts_for_ever(told: World) -> None:
    told.channel("mail", "pager")
    told.fire(0)
    for second in range(1, 40):
        told.settle(second, told.claim(second), "dead")
    assert len(told.alerts()) == 3


def test_a_dead_trigger_takes_along_what_follows_it(told: World) -> None:
    told.fire(0)
    messages = told.claim(1)
    told.end(2)
    told.settle(3, messages, "dead", error="no")
    assert told.ledger("anvil") == [("chat", "trigger", "dead"), ("chat", "resolve", "cancelled")]
    assert told.send(4) == []


def test_what_could_not_be_sent_in_time_dies_and_what_follows_is_cancelled_once(told: World) -> None:
    told.db.rpc("save_delivery_settings", settings={"dead_after_s": 60})
    told.fire(0)
    told.settle(1, told.claim(1), "retry", error="503")
    told.end(2)
    told.db.run("update watchkeeper.deliveries set attempts = 1")  # both are old enough to die
    told.db.run("select watchkeeper.bury_expired(%s)", told.at(500))
    assert told.ledger("anvil") == [("chat", "trigger", "dead"), ("chat", "resolve", "cancelled")]
    assert delivery(told, "last_error") == "gave up after 1 attempts: 503"


def test_a_rate_delays_and_never_drops(told: World) -> None:
    told.channel("chat", "pager", rate_per_minute=2)
    told.db.rpc("save_delivery_settings", settings={"dead_after_s": 60})
    for n in range(6):
        told.fire(0, f"node-{n}")
    sent = [len(told.send(second)) for second in (1, 30, 62, 90, 123, 500)]
    assert sent == [2, 0, 2, 0, 2, 0]


def test_a_channel_that_waits_for_its_rate_does_not_stand_before_the_others(told: World) -> None:
    told.channel("mail", "pager")
    told.channel("chat", "pager", rate_per_minute=1)
    told.db.run(
        "insert into watchkeeper.deliveries (channel_id, event, dedup_key, why, next_attempt_at, created_at) "
        "select c.id, 'test', 'x' || n, 'a test', %s, %s from watchkeeper.channels as c, generate_series(1, 1100) as n "
        "where c.name = 'chat'", told.at(0), told.at(0),
    )  # fmt: skip
    told.route("mail")
    told.fire(5)
    assert sorted(m["channel"]["name"] for m in told.claim(6)) == ["chat", "mail"]


# Grouping --------------------------------------------------------------------------------------------------------


def test_what_is_not_critical_waits_and_leaves_as_one_message_per_network(told: World) -> None:
    told.channel("room")
    told.route("room", group_wait_s=30)
    told.fire(0, "a", "warning", network="main")
    told.fire(20, "b", "warning", network="main")
    told.fire(21, "c", "warning", network="test")
    told.fire(22, "d", "critical", network="main")
    assert [len(m["deliveries"]) for m in told.claim(23)] == [1]
    grouped = told.claim(30)
    assert [sorted(each["alert"]["source"] for each in m["deliveries"]) for m in grouped] == [["a", "b"]]
    assert [len(m["deliveries"]) for m in told.claim(51)] == [1]
    told.settle(52, grouped)
    assert told.db.values("select status from watchkeeper.deliveries order by seq")[:2] == [
        "sent",
        "sent",
    ]


def test_a_storm_is_one_message_that_lists_its_alerts(told: World) -> None:
    told.channel("room")
    told.route("room")
    for n in range(11):
        told.fire(0, f"node-{n}")
    assert len(only(told.claim(1))["deliveries"]) == 11


def test_ten_criticals_are_ten_messages(told: World) -> None:
    told.channel("room")
    told.route("room")
    for n in range(10):
        told.fire(0, f"node-{n}")
    assert [len(m["deliveries"]) for m in told.claim(1)] == [1] * 10


def test_a_service_that_cannot_merge_gets_each_alone(told: World) -> None:
    for n in range(30):
        told.fire(0, f"node-{n}", "warning", network="main")
    assert {len(m["deliveries"]) for m in told.claim(60)} == {1}


def test_a_test_message_goes_out_alone_and_its_death_raises_nothing(told: World) -> None:
    told.db.value("select watchkeeper.send_test('chat', %s)", told.at(0))
    message = only(told.claim(1))
    assert (message["event"], only(message["deliveries"])["alert"]) == ("test", None)
    told.settle(2, [message], "dead", error="no")
    assert (told.ledger(), told.alerts()) == ([("chat", "test", "dead")], [])


# Reminders and ladders ------------------------------------------------------------------------------------------


def test_who_does_not_acknowledge_is_reminded(told: World) -> None:
    told.route("chat", remind_every_s=600)
    told.fire(0)
    sent = [told.send(second) for second in (1, 599, 601, 1100, 1202)]
    assert [len(each) for each in sent] == [1, 0, 1, 0, 1]
    acknowledge(told, 1300)
    assert told.send(1301) == [("chat", "acknowledge")]
    assert told.send(5000) == []


LADDER: Json = {
    "name": "ladder",
    "steps": [{"after_s": 60, "channels": ["boss"]}, {"after_s": 300, "on_call": ["primary"]}],
}


@pytest.fixture
def ladder(told: World) -> World:
    """The chat at once, the boss after a minute, who is on call five minutes later."""
    for name in ("anna", "bert"):
        told.channel(name, "pager", person=f"{name}@example.org")
    told.channel("boss", "pager")
    told.setting("rotation", name="primary", people=["Anna@example.org", "bert@example.org"], shift_days=1,
                 starts_at=f"{told.at(-3600):%Y-%m-%dT%H:%M}")  # fmt: skip
    told.setting("escalation", **LADDER)
    told.route("chat", escalation="ladder")
    return told


def test_a_ladder_climbs_and_each_of_its_steps_gets_the_end(ladder: World) -> None:
    ladder.fire(0)
    assert [ladder.send(s) for s in (1, 59, 61, 300, 361, 400)] == [
        [("chat", "trigger")], [], [("boss", "trigger")], [], [("anna", "trigger")], []]  # fmt: skip
    ladder.end(500)
    assert sorted(ladder.send(501)) == [("anna", "resolve"), ("boss", "resolve"), ("chat", "resolve")]


def test_acknowledging_stops_the_ladder(ladder: World) -> None:
    ladder.fire(0)
    ladder.send(61)
    acknowledge(ladder, 70)
    assert sorted(ladder.send(1000)) == [("boss", "acknowledge"), ("chat", "acknowledge")]


def test_a_resolved_alert_climbs_no_further(ladder: World) -> None:
    ladder.fire(0)
    ladder.send(1)
    ladder.end(30)
    assert ladder.send(1000) == [("chat", "resolve")]


def test_a_ladder_repeats_as_often_as_it_says(ladder: World) -> None:
    ladder.setting("escalation", **LADDER, repeats=1)
    ladder.fire(0)
    sent = [each for second in range(0, 2000, 10) for each in ladder.send(second)]
    assert sent == [
        ("chat", "trigger"),
        ("boss", "trigger"),
        ("anna", "trigger"),
        ("boss", "remind"),
        ("anna", "remind"),
    ]


def test_who_rises_to_another_ladder_after_the_first_one_climbs_that_too(ladder: World) -> None:
    for name, position, least in (("low", 10, "warning"), ("high", 5, "critical")):
        ladder.setting("escalation", name=name, steps=[{"after_s": 0, "channels": ["boss"]}], repeats=1)
        ladder.route("boss", name=name, position=position, match={"min_severity": least}, escalation=name)
    ladder.fire(0, severity="warning")
    assert [ladder.send(s) for s in (15, 80)] == [
        [("boss", "trigger"), ("boss", "remind")],
        [("boss", "remind")],
    ]
    ladder.fire(100)
    assert [ladder.send(s) for s in (101, 170)] == [
        [("boss", "escalate"), ("boss", "remind")],
        [("boss", "remind")],
    ]
    ladder.fire(200)
    assert ladder.send(400) == []


def test_an_override_takes_the_shift(ladder: World) -> None:
    ladder.db.rpc(
        "save_override",
        rotation="primary",
        person="bert@example.org",
        from_time=ladder.at(0),
        to_time=ladder.at(900),
    )
    ladder.fire(0)
    for second in (1, 61):
        ladder.send(second)
    assert ladder.send(400) == [("bert", "trigger")]


def test_a_ladder_that_leads_to_nobody_says_so(world: World) -> None:
    world.setting("rotation", name="primary", people=["nobody@example.org"], starts_at="2026-01-05T09:00")
    world.setting("escalation", name="ladder", steps=[{"after_s": 0, "on_call": ["primary"]}])
    world.setting("route", name="all", escalation="ladder")
    world.fire(0)
    assert world.send(1) == []
    assert world.held_by() == "no route matches"
    world.channel("late", "pager", person="nobody@example.org")
    assert world.send(20) == [("late", "trigger")]
    assert world.held_by() is None


def test_deleting_a_ladder_in_use_routes_its_alerts_anew(ladder: World) -> None:
    ladder.setting("route", name="all", channels=[], escalation="ladder")
    ladder.fire(0)
    ladder.route("chat")
    ladder.db.run("select watchkeeper.delete_setting('escalation', 'ladder', %s)", ladder.at(1))
    assert ladder.send(2) == [("chat", "trigger")]


# Parents ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def family(told: World) -> World:
    told.target("gateway", checks={"uptime": {}})
    told.target("node", checks={"uptime": {}}, depends_on=["gateway"])
    return told


def look(world: World, minute: int, **states: str) -> None:
    """One minute, in which each named target is up or down, in the given order."""
    tasks = {task["target"]: task for task in world.tick(60 * minute)}
    for n, (name, state) in enumerate(states.items()):
        world.record(60 * minute + 10 + n, [
            result(tasks[name], "ok" if state == "up" else "fail", finding("clear" if state == "up" else "breach"))
        ])  # fmt: skip


def test_while_the_parent_fails_the_child_is_shown_and_not_paged(family: World) -> None:
    look(family, 0, gateway="down", node="down")
    assert family.held_by("node") == "parent: gateway is failing"
    family.send(30)
    assert family.ledger("node") == []
    look(family, 1, gateway="up", node="down")
    family.send(90)
    assert family.ledger("node") == [("chat", "trigger", "sent")]


def test_a_child_that_noticed_first_waits_for_a_look_at_its_parent(family: World) -> None:
    look(family, 0, node="down")
    assert family.held_by("node") == "parent: waiting for a look at gateway"
    family.send(30)
    assert family.ledger("node") == []
    family.send(69)
    assert family.ledger("node") == []
    family.send(71)
    assert family.ledger("node") == [("chat", "trigger", "sent")]


def test_a_parent_that_is_well_lets_the_child_go_at_once(family: World) -> None:
    look(family, 0, node="down")
    family.record(40, [])
    tasks = family.tick(60)
    gateway = only([task for task in tasks if task["target"] == "gateway"])
    family.record(61, [result(gateway, "ok", finding("clear"))])
    family.send(62)
    assert family.ledger("node") == [("chat", "trigger", "sent")]


def test_a_grandparent_holds_too(family: World) -> None:
    family.target("leaf", checks={"uptime": {}}, depends_on=["node"])
    look(family, 0, gateway="down", node="up", leaf="down")
    assert family.held_by("leaf") == "parent: gateway is failing"


def test_a_cycle_is_refused(family: World) -> None:
    with refused(family.db, "22023", naming="target.depends_on: "):
        family.target("gateway", checks={"uptime": {}}, depends_on=["node"])
    with refused(family.db, "22023", naming="target.depends_on: "):
        family.target("node", checks={"uptime": {}}, depends_on=["node"])
    with refused(family.db, "PT404", naming="target.depends_on: there is no target nobody"):
        family.target("node", checks={"uptime": {}}, depends_on=["nobody"])


def test_two_people_cannot_close_a_cycle_from_both_ends(fresh: Callable[[], Db]) -> None:
    world = World(fresh())
    for name in ("a", "b"):
        world.target(name)

    def save(pair: tuple[str, str]) -> bool:
        try:
            World(fresh(), world.start).target(pair[0], depends_on=[pair[1]])
        except psycopg.errors.InvalidParameterValue:
            return False
        return True

    for _ in range(5):
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(save, [("a", "b"), ("b", "a")])) == [False, True]
        for name in ("a", "b"):
            world.target(name)


# Flapping --------------------------------------------------------------------------------------------------------


def test_more_than_so_many_changes_are_one_alert_that_ends_by_itself(told: World) -> None:
    for n in range(6):
        told.fire(20 * n)
        told.send(20 * n + 1)
        told.end(20 * n + 10)
        told.send(20 * n + 11)
    assert [source["alert_type"] for source in told.alerts(status="firing")] == ["flapping"]
    told.fire(200)
    assert told.held_by() == "flapping"
    assert told.send(201) == []
    assert len(told.ledger()) == 7  # three times on and off, and the one that says it flaps
    assert sorted(told.send(900)) == [("chat", "resolve"), ("chat", "trigger")]


def test_a_rule_that_is_switched_off_does_not_end_the_flapping_of_another(told: World) -> None:
    told.db.rpc("save_delivery_settings", settings={"flapping_changes": 3})
    told.target(checks={"blockchain": {"interval_s": 60, "params": {"blind_threshold": 1000}}})
    stalled = finding("clear", "chain_stalled", "warning")
    for minute, state in enumerate(["breach", "clear", "breach", "clear", "breach"]):
        told.step(minute, "fail" if state == "breach" else "ok", finding(state), stalled)
    assert "flapping" in told.firing()
    told.step(5, "fail", finding("breach"))  # without chain_stalled: it was switched off
    assert "flapping" in told.firing()


# Bad input -------------------------------------------------------------------------------------------------------

GOOD: Json = {"delivery_id": str(uuid4()), "lease_id": str(uuid4()), "outcome": "sent"}


@pytest.mark.parametrize(
    ("wrong", "naming"),
    [
        *((value, "settlements") for value in anything({}, "x", 1, None)),
        *(([value], "settlements[0]") for value in anything(1, "x", None, [], {})),
        *(
            ([{**GOOD, **more}], f"settlements[0].{key}")
            for key, more in anything(
                ("nope", {"nope": 1}),
                ("outcome", {"outcome": "lost"}),
                ("lease_id", {"lease_id": "x"}),
                ("delivery_id", {"delivery_id": 1}),
                ("provider_id", {"provider_id": "x" * 501}),
                ("thread", {"thread": "x"}),
                ("retry_after_s", {"retry_after_s": -1}),
                ("retry_after_s", {"retry_after_s": 86401}),
                ("error", {"error": 7}),
            )
        ),
        ([GOOD, {**GOOD, "outcome": 1}], "settlements[1].outcome"),
    ],
)
def test_a_bad_settlement_is_refused_by_name_and_settles_nothing(
    told: World, wrong: Any, naming: str
) -> None:
    with refused(told.db, "22023", naming=naming):
        told.db.rpc("settle_deliveries", settlements=Jsonb(wrong))


@pytest.mark.parametrize(("given", "naming"), [
    ({"most": 0}, "most"), ({"most": 501}, "most"), ({"most": None}, "most"), ({"lease_s": 4}, "lease_s"),
    ({"lease_s": 901}, "lease_s"),
])  # fmt: skip
def test_a_bad_claim_is_refused_by_name(told: World, given: Json, naming: str) -> None:
    with refused(told.db, "22023", naming=naming):
        told.db.rpc("claim_deliveries", **given)
