"""Who is told of an incident: the channels that asked for it, in order, and nobody else."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.supabase.test_incidents import changed, moved, opened
from tests.supabase.world import Array, Json, World, only, refused


@pytest.fixture
def told(world: World) -> World:
    """Alerts go to the chat, incidents to the desk."""
    world.channel("chat", "pager")
    world.channel("desk", "pager")
    world.route("chat", name="alerts")
    asks(world, "desk")
    return world


def asks(world: World, *channels: str, name: str = "incidents", **match: Any) -> None:
    world.route(*channels, name=name, position=50, match={"kinds": ["incident"], **match})


def ledger(world: World) -> list[tuple[str, str, str]]:
    return world.db.rows(
        "select c.name, d.event, d.status from watchkeeper.deliveries as d join watchkeeper.channels as c "
        "on c.id = d.channel_id where d.incident_id is not null order by d.seq, c.name"
    )


def delivered(messages: list[Json]) -> Json:
    delivery: Json = only(only(messages)["deliveries"])
    return delivery


# Who -------------------------------------------------------------------------------------------------------------


def test_an_incident_goes_to_whom_it_was_asked_for_and_alerts_go_where_they_went(told: World) -> None:
    told.fire(0)
    opened(told, 10)
    assert told.send(20) == [("chat", "trigger"), ("desk", "trigger")]
    assert ledger(told) == [("desk", "trigger", "sent")]


def test_a_route_for_everything_does_not_take_incidents(world: World) -> None:
    world.channel("chat", "pager")
    world.route("chat")
    opened(world)
    assert ledger(world) == []


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({}, True),
        ({"min_severity": "error"}, True),
        ({"min_severity": "critical"}, False),
        ({"networks": ["main"]}, True),
        ({"networks": ["test"]}, False),
        ({"targets": ["node-1", "x"]}, True),
        ({"targets": ["x"]}, False),
        ({"alert_types": ["manual"]}, True),
        ({"chains": ["evm"]}, False),
        ({"labels": {"team": "a"}}, False),
    ],
)
def test_the_match_of_its_route_chooses(world: World, match: Json, fits: bool) -> None:
    world.channel("desk", "pager")
    asks(world, "desk", **match)
    world.fire(0, "node-1", network="main")
    opened(world, severity="high", alerts=Array([world.db.value("select id from system_alerts")]))
    assert ledger(world) == ([("desk", "trigger", "pending")] if fits else [])


@pytest.mark.parametrize(
    ("severity", "least"),
    [("low", "info"), ("medium", "warning"), ("high", "error"), ("critical", "critical")],
)
def test_its_severity_counts_as_that_of_an_alert(world: World, severity: str, least: str) -> None:
    order = ["info", "warning", "error", "critical"]
    for name in order:
        world.channel(name, "pager")
        world.setting(
            "route",
            name=name,
            channels=[name],
            match={"kinds": ["incident"], "min_severity": name},
            **{"continue": True},
        )
    opened(world, severity=severity)
    assert sorted(name for name, *_ in ledger(world)) == sorted(order[: order.index(least) + 1])


def test_the_first_route_that_fits_takes_it_unless_it_goes_on(told: World) -> None:
    told.channel("second", "pager")
    told.setting("route", name="later", position=60, channels=["second"], match={"kinds": ["incident"]})
    opened(told)
    assert ledger(told) == [("desk", "trigger", "pending")]


def test_what_is_switched_off_or_deleted_or_out_of_hours_is_not_told(world: World) -> None:
    for name in ("off", "gone", "later"):
        world.channel(name, "pager")
        asks(world, name, name=name)
    world.channel("off", "pager", enabled=False)
    world.db.rpc("delete_channel", name="gone")
    hour = world.at(7200)
    world.setting("route", name="later", channels=["later"], match={"kinds": ["incident"]},
                  hours={"from": f"{hour:%H:%M}", "to": f"{world.at(7260):%H:%M}"})  # fmt: skip
    opened(world)
    assert ledger(world) == []


# What ------------------------------------------------------------------------------------------------------------


def test_each_change_is_told_in_order_and_says_what_changed(told: World) -> None:
    told.db.member("responder", "anna@example.org")
    incident = opened(told, 0, "It is down", description="since lunch", systems=["web"])
    incident = changed(told.db, "assign_incident", incident, email="anna@example.org")
    incident = changed(told.db, "change_incident_severity", incident, severity="critical")
    incident = changed(told.db, "set_affected_systems", incident, affected_systems=Array(["web", "api"]))
    told.db.rpc("add_incident_note", incident_id=incident["id"], note="looking")
    incident = moved(told, incident, "investigating", "resolved", "closed", "open", "resolved")
    heard = []
    for second in range(86500, 86520):  # what an RPC wrote, it wrote now
        if messages := told.claim(second):
            delivery = delivered(messages)
            assert (delivery["alert"], delivery["report"]) == (None, None)
            heard.append((only(messages)["event"], delivery["incident"]["change"]))
            told.settle(second, messages)
    assert heard == [
        ("trigger", "It is down"),
        ("update", "assigned to anna@example.org"),
        ("update", "severity high -> critical"),
        ("update", "open -> investigating: because it is investigating"),
        ("resolve", "investigating -> resolved: because it is resolved"),
        ("update", "closed -> open: because it is open"),
        ("resolve", "open -> resolved: because it is resolved"),
    ]


def test_the_message_has_what_a_notifier_needs(told: World) -> None:
    incident = opened(told, 0, description="since lunch", systems=["web"])
    message = delivered(told.claim(10))["incident"]
    names = ("id", "title", "severity", "status", "description", "affected_systems", "network", "assigned_to_email",
             "created_at", "updated_at", "resolved_at", "resolution_notes", "incident_type")  # fmt: skip
    assert message == {**{name: incident[name] for name in names}, "change": "It is down"}


def test_an_alert_is_told_as_before(told: World) -> None:
    told.fire(0)
    delivery = delivered(told.claim(10))
    assert (delivery["incident"], delivery["report"], delivery["alert"]["source"]) == (None, None, "anvil")


def test_who_got_the_trigger_gets_the_end_whatever_changed_since(told: World) -> None:
    incident = opened(told)
    told.send(10)
    told.db.rpc("delete_route", name="incidents")
    moved(told, incident, "resolved")
    assert told.send(70) == [("desk", "resolve")]


def test_who_was_not_told_hears_of_it_when_it_rises(told: World) -> None:
    told.channel("boss", "pager")
    told.setting("route", name="worst", position=40, channels=["boss"], **{"continue": True},
                 match={"kinds": ["incident"], "min_severity": "critical"})  # fmt: skip
    incident = opened(told)
    changed(told.db, "change_incident_severity", incident, severity="critical")
    assert ledger(told) == [
        ("desk", "trigger", "pending"),
        ("desk", "update", "pending"),
        ("boss", "trigger", "pending"),
    ]


def test_one_that_opened_and_settled_by_policy_is_told(told: World) -> None:
    told.fire(0)
    assert told.send(900) == [("chat", "trigger"), ("desk", "trigger")]
    told.end(1000)
    assert sorted(told.send(1010)) == [("chat", "resolve"), ("desk", "resolve")]


# In order --------------------------------------------------------------------------------------------------------


def test_what_follows_waits_for_its_trigger_and_threads_under_it(told: World) -> None:
    incident = opened(told)
    told.settle(10, told.claim(10), "retry", error="503", retry_after_s=600)
    moved(told, incident, "resolved")
    assert told.claim(70) == []
    told.settle(611, told.claim(611), thread={"ts": "1.2"})
    assert delivered(told.claim(612))["thread"] == {"ts": "1.2"}


def test_a_dead_trigger_takes_along_what_follows_and_is_told_by_another_channel(told: World) -> None:
    incident = opened(told)
    messages = told.claim(10)
    incident = moved(told, incident, "investigating")
    told.settle(20, messages, "dead", error="410 gone")
    assert ledger(told) == [("desk", "trigger", "dead"), ("desk", "update", "cancelled")]
    moved(told, incident, "resolved")
    assert told.send(90) == [("chat", "trigger")]
    assert [each["alert_type"] for each in told.alerts(status="firing")] == ["delivery_dead"]


def test_a_dead_trigger_that_is_tried_again_is_followed_by_the_end(told: World) -> None:
    incident = opened(told)
    told.settle(10, told.claim(10), "dead", error="410 gone")
    moved(told, incident, "resolved")
    dead = told.db.value("select id from watchkeeper.deliveries where incident_id is not null")
    told.db.run("select watchkeeper.retry_delivery(%s, %s)", dead, told.at(100))
    assert [event for name, event in told.send(110) if name == "desk"] == ["trigger", "resolve"]


def test_incidents_are_told_one_by_one_even_in_a_storm(world: World) -> None:
    world.channel("desk", "chat")  # one that merges
    asks(world, "desk")
    world.route("desk", name="alerts")
    for n in range(12):
        opened(world, 0, f"number {n}")
    world.fire(0)
    messages = world.claim(10)
    assert [len(message["deliveries"]) for message in messages] == [1] * 13


def test_the_storm_of_a_channel_is_counted_in_alerts(world: World) -> None:
    world.channel("desk", "chat")
    asks(world, "desk")
    world.route("desk", name="alerts")
    opened(world)
    for n in range(11):
        world.fire(0, f"node-{n}")
    assert sorted(len(message["deliveries"]) for message in world.claim(10)) == [1, 11]


# The ledger ------------------------------------------------------------------------------------------------------


def test_the_ledger_and_the_timeline_show_who_was_told(told: World) -> None:
    incident = opened(told)
    told.send(10)
    line = only(told.db.rpc("list_deliveries", channel="desk"))
    assert (line["incident_id"], line["source"], line["severity"], line["event"]) == (
        incident["id"], "It is down", "high", "trigger")  # fmt: skip
    assert {"subject_id", "thread", "lease_id"}.isdisjoint(line)
    entries = told.db.rpc("get_incident", incident_id=incident["id"])["timeline"]
    assert entries[-1]["text"] == "trigger to desk"


def test_a_delivery_is_about_one_thing_and_of_a_known_event(told: World) -> None:
    opened(told)
    for change in ("report_id = gen_random_uuid()", "event = 'shout'"):
        with pytest.raises(psycopg.errors.CheckViolation), told.db.connection.transaction():
            told.db.run(f"update watchkeeper.deliveries set {change}")  # noqa: S608


def test_who_may_not_respond_tries_nothing_again(told: World) -> None:
    opened(told)
    told.settle(10, told.claim(10), "dead", error="410 gone")
    dead = told.db.value("select id from watchkeeper.deliveries where incident_id is not null")
    with refused(told.db, "42501"), told.db.asking_as("viewer"):
        told.db.rpc("retry_delivery", delivery_id=dead)


def test_a_claim_never_reads_the_whole_ledger(told: World) -> None:
    """Of many incidents: of one alone it would all be of use, and reading it whole as good a plan."""
    told.db.run(
        "insert into incident_logs (incident_type, severity, title) "
        "select 'manual', 'high', 'before ' || n from generate_series(1, 1000) as n"
    )
    told.db.run(
        "insert into watchkeeper.deliveries (incident_id, channel_id, event, dedup_key, why, status, settled_at, "
        "next_attempt_at, created_at) select i.id, c.id, 'update', i.id || ':' || n, 'x', 'sent', %s, %s, %s "
        "from watchkeeper.channels as c, incident_logs as i, generate_series(1, 20) as n where c.name = 'desk'",
        told.at(0), told.at(0), told.at(0),
    )  # fmt: skip
    opened(told)
    told.fire(0)
    told.db.run("analyze watchkeeper.deliveries, watchkeeper.channels, incident_logs, system_alerts")
    scans = "select seq_scan from pg_stat_xact_user_tables where relid = 'watchkeeper.deliveries'::regclass"
    before = told.db.value(scans)
    claimed = told.db.value("select watchkeeper.claim_ready(%s, 100, 60)", told.at(10))
    told.db.run("select watchkeeper.message_documents(%s)", Array(claimed))
    assert (len(claimed), told.db.value(scans)) == (2, before)
