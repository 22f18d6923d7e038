"""Who is told of an alert: chosen and written down in the transaction that changed it."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.supabase.world import Json, World, finding, only


@pytest.fixture
def told(world: World) -> World:
    """Everything goes to the chat."""
    world.channel("chat", "pager")
    world.route("chat")
    return world


def acknowledge(world: World, seconds: float, source: str = "anvil") -> None:
    alert = world.db.value("select id from system_alerts where source = %s and status = 'firing'", source)
    with world.db.acting_as("authenticated", world.db.member("responder")):
        world.db.run("select watchkeeper.acknowledge_alert(%s, %s)", alert, world.at(seconds))


# What is written -------------------------------------------------------------------------------------------------


def test_each_change_writes_one_delivery_for_each_channel_of_the_route(told: World) -> None:
    told.channel("mail", "pager")
    told.route("chat", "mail")
    told.fire(0, severity="error")
    told.fire(10)
    acknowledge(told, 20)
    told.end(30)
    events = ["trigger", "escalate", "acknowledge", "resolve"]
    for channel in ("chat", "mail"):
        assert [event for name, event, _ in told.ledger() if name == channel] == events
    assert len(told.ledger()) == 8


def test_an_alert_that_goes_on_writes_nothing_more(told: World) -> None:
    for second in range(5):
        told.fire(second)
    assert told.ledger() == [("chat", "trigger", "pending")]


def test_a_result_of_a_check_writes_its_delivery(told: World) -> None:
    told.target()
    told.step(0, "fail", finding("breach"))
    told.step(1, "ok", finding("clear"))
    assert [event for _, event, _ in told.ledger()] == ["trigger", "resolve"]


def test_a_metric_of_a_tool_writes_its_delivery(told: World) -> None:
    for severity in ("critical", "info"):
        with told.db.asking_as("watchkeeper_ingest"):
            told.db.rpc(
                "record_system_metric",
                metric_name_param="heat",
                metric_value_param=1,
                severity_param=severity,
            )
    assert [event for _, event, _ in told.ledger()] == ["trigger", "resolve"]


def test_what_is_rolled_back_tells_nobody(told: World) -> None:
    with told.db.connection.transaction(force_rollback=True):
        told.fire(0)
        assert len(told.ledger()) == 1
    assert (told.ledger(), told.alerts()) == ([], [])


def test_when_the_delivery_cannot_be_written_neither_is_the_alert(told: World) -> None:
    told.db.run("alter table watchkeeper.deliveries add check (event <> 'trigger') not valid")
    with pytest.raises(psycopg.errors.CheckViolation), told.db.connection.transaction():
        told.fire(0)
    assert told.alerts() == []


def test_an_alert_that_no_route_sends_anywhere_says_so_and_the_summary_warns(world: World) -> None:
    world.channel()
    world.route("chat", match={"min_severity": "critical"})
    world.fire(0, severity="error")
    assert (world.ledger(), world.held_by()) == ([], "no route matches")
    deliveries = world.summary(1)["deliveries"]
    assert (deliveries["status"], deliveries["unrouted"]) == ("warning", 1)
    assert "no route matches" in deliveries["reason"]


def test_a_route_that_comes_later_takes_what_nobody_was_told(world: World) -> None:
    world.fire(0)
    world.channel()
    world.route("chat")
    assert world.send(60) == [("chat", "trigger")]
    assert (world.held_by(), world.summary(61)["deliveries"]["status"]) == (None, "ok")


# The end goes to whoever got the beginning ---------------------------------------------------------------------


def test_the_resolve_follows_the_trigger_though_routes_and_silences_changed(told: World) -> None:
    told.channel("other", "pager")
    told.fire(0)
    told.send(1)
    told.route("other")
    told.silence(told.at(-60), told.at(600))
    told.end(10)
    assert told.send(11) == [("chat", "resolve")]


def test_a_resolve_waits_behind_its_own_trigger(told: World) -> None:
    told.fire(0)
    claimed = told.claim(1)
    told.end(2)
    assert told.claim(3) == []
    told.settle(4, claimed, "retry", retry_after_s=100)
    assert told.claim(90) == []
    assert told.send(105) == [("chat", "trigger"), ("chat", "resolve")]


def test_who_was_never_told_is_not_told_that_it_is_over(told: World) -> None:
    told.silence(told.at(-60), told.at(600))
    told.fire(0)
    told.end(10)
    assert told.send(700) == []


def test_a_switched_off_channel_keeps_what_is_due_to_it(told: World) -> None:
    told.fire(0)
    told.send(1)
    told.channel("chat", "pager", enabled=False)
    told.end(10)
    assert told.send(11) == []
    told.channel("chat", "pager", enabled=True)
    assert told.send(20) == [("chat", "resolve")]


def test_a_deleted_channels_alert_goes_another_way(told: World) -> None:
    told.channel("other", "pager")
    told.route("other", name="rest", position=200)
    told.fire(0)
    told.db.run("select watchkeeper.delete_setting('channel', 'chat', %s)", told.at(1))
    assert told.send(2) == []  # the first route still fits, and leads nowhere: that is shown
    assert told.held_by() == "no route matches"
    told.db.run("select watchkeeper.delete_setting('route', 'all', %s)", told.at(3))
    assert told.send(4) == [("other", "trigger")]
    assert told.ledger()[0] == ("chat", "trigger", "cancelled")


def test_what_was_written_while_its_channel_was_deleted_is_cancelled(told: World) -> None:
    told.fire(0)
    told.db.run("update watchkeeper.channels set deleted_at = %s", told.at(0))
    assert told.send(1) == []
    assert told.ledger() == [("chat", "trigger", "cancelled")]


def test_a_rise_during_a_silence_is_told_at_its_end_to_old_and_new(told: World) -> None:
    told.channel("boss", "pager")
    told.route("boss", name="worst", position=1, match={"min_severity": "critical"}, **{"continue": True})
    told.fire(0, severity="warning")
    assert told.send(20) == [("chat", "trigger")]
    told.silence(told.at(-60), told.at(600))
    told.fire(30, severity="critical")
    assert told.send(40) == []
    assert sorted(told.send(601)) == [("boss", "trigger"), ("chat", "escalate")]


# Any history -----------------------------------------------------------------------------------------------------

SOURCES = ("anvil", "web")
CHANNELS = ("chat", "mail", "boss")
ROUTES: list[Json] = [
    {"channels": ["chat"]},
    {"channels": ["chat", "mail"]},
    {"channels": ["boss"], "match": {"min_severity": "critical"}},
    {"channels": ["mail"], "match": {"targets": ["web"]}},
]
SOURCE = st.sampled_from(SOURCES)
STEP = st.one_of(
    st.tuples(st.just("fire"), SOURCE, st.sampled_from(["warning", "critical"])),
    st.tuples(st.just("end"), SOURCE),
    st.tuples(st.just("acknowledge"), SOURCE),
    st.tuples(st.just("silence"), st.integers(10, 200)),
    st.tuples(st.just("route"), st.sampled_from(ROUTES)),
    st.tuples(st.just("delete"), st.sampled_from(CHANNELS)),
    st.tuples(st.just("channel"), st.sampled_from(CHANNELS), st.booleans()),
    st.tuples(st.just("claim"), st.integers(1, 3)),
    st.tuples(st.just("claim"), st.just(100)),
    st.tuples(st.just("settle"), st.sampled_from(["sent", "sent", "retry", "dead"])),
    st.tuples(st.just("wait"), st.sampled_from([5, 70, 400])),
)
FINAL = ("sent", "dead", "cancelled")


class History:
    """Plays steps, and after each looks at what must always hold."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = 0.0
        self.held: list[Json] = []  # claimed and not settled yet
        self.settled: dict[Any, Any] = {}
        for name in CHANNELS:
            world.channel(name, "pager")
        world.setting("route", name="all", **ROUTES[1])
        world.db.rpc("save_delivery_settings", settings={"dead_after_s": 600})

    def play(self, step: tuple[Any, ...]) -> None:  # noqa: C901, PLR0912 - a line for each verb
        world, (verb, *args) = self.world, step
        self.now += 1
        match verb:
            case "fire":
                world.fire(self.now, args[0], args[1])
            case "end":
                world.end(self.now, args[0])
            case "acknowledge":
                if world.db.value(
                    "select count(*) from system_alerts where source = %s and status = 'firing' and not acknowledged",
                    args[0],
                ):
                    acknowledge(world, self.now, args[0])
            case "silence":
                world.silence(world.at(self.now), world.at(self.now + args[0]))
            case "route":
                channels = [name for name in args[0]["channels"] if self.exists(name)]
                if channels:
                    world.setting("route", self.now, **{**args[0], "name": "all", "channels": channels})
            case "delete":
                if self.exists(args[0]):
                    world.db.run(
                        "select watchkeeper.delete_setting('channel', %s, %s)", args[0], world.at(self.now)
                    )
            case "channel":
                world.setting("channel", self.now, name=args[0], kind="pager", enabled=args[1])
            case "claim":
                self.held += world.claim(self.now, args[0])
            case "settle":
                if self.held:
                    world.settle(self.now, [self.held.pop(0)], args[0], error="no")
            case "wait":
                self.now += args[0]
        self.look()

    def exists(self, channel: str) -> bool:
        found: bool = self.world.db.value(
            "select count(*) > 0 from watchkeeper.channels where name = %s and deleted_at is null", channel
        )
        return found

    def deliveries(self) -> list[Any]:
        return self.world.db.rows(
            "select d.id, d.alert_id, d.channel_id, d.event, d.status, d.settled_at, d.attempts, d.last_error, "
            "d.dedup_key, d.seq "
            "from watchkeeper.deliveries as d order by d.seq"
        )

    def look(self) -> None:
        rows = self.deliveries()
        now = {row[0]: row[4:8] for row in rows}
        for settled, was in self.settled.items():
            assert now[settled] == was, "a settled row changed"
        self.settled = {key: row for key, row in now.items() if row[0] in FINAL}
        assert max(Counter(row[8] for row in rows).values(), default=1) == 1
        lanes = defaultdict(list)
        for row in rows:
            lanes[row[1], row[2]].append(row)
        for lane in lanes.values():
            assert lane[0][3] == "trigger", "something came before the trigger"
            assert [row[3] for row in lane].count("trigger") == 1
            assert "resolve" not in [row[3] for row in lane[:-1]], "something came after the resolve"
            sent = [row[5] for row in lane if row[4] == "sent"]
            assert sent == sorted(sent)
            assert all(row[7] for row in lane if row[4] in ("dead", "cancelled")), "no reason"
        forgotten = self.world.db.values(
            "select a.message from system_alerts as a where a.status = 'firing' and a.held_by is null "
            "and not exists (select from watchkeeper.deliveries as d where d.alert_id = a.id)"
        )
        assert forgotten == []

    def finish(self) -> None:
        """All is well again: who was told of what is over has been told that it is over."""
        world = self.world
        self.now += 1000
        world.db.run("update watchkeeper.channels set enabled = true where deleted_at is null")
        for source in SOURCES:
            world.end(self.now, source)
        world.send(self.now + 1)
        self.look()
        assert world.db.values("select event from watchkeeper.deliveries where status = 'pending'") == []
        owed = world.db.values(
            "select d.event from watchkeeper.deliveries as d join system_alerts as a on a.id = d.alert_id "
            "join watchkeeper.channels as c on c.id = d.channel_id "
            "where d.event = 'trigger' and d.status = 'sent' and a.status = 'resolved' and c.deleted_at is null "
            "and not exists (select from watchkeeper.deliveries as r where r.alert_id = d.alert_id "
            "and r.channel_id = d.channel_id and r.event = 'resolve' and r.status in ('sent', 'dead'))"
        )
        assert owed == []


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEP, min_size=4, max_size=30))
def test_no_history_loses_a_trigger_or_forgets_a_resolve(world: World, steps: list[tuple[Any, ...]]) -> None:
    with world.db.connection.transaction(force_rollback=True):
        history = History(world)
        for step in steps:
            history.play(step)
        history.finish()


def test_the_newest_values_travel_with_the_alert(told: World) -> None:
    told.target()
    told.step(0, "fail", finding("breach"), samples=[{"name": "height", "value": "12", "unit": "blocks"}])
    delivery = only(only(told.claim(60))["deliveries"])
    value = only(delivery["alert"]["values"])
    assert (value["name"], value["value"], value["unit"], value["known"]) == ("height", "12", "blocks", True)
    assert (delivery["attempt"], delivery["why"]) == (1, "route: all")
