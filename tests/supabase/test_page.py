"""What the page asks at once, against what the record holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.supabase.world import Array, Json, World, anything, finding, only, refused, sample


def get_alert(world: World, seconds: float, alert_id: Any) -> Json:
    found: Json = world.db.value("select watchkeeper.get_alert(%s, %s)", alert_id, world.at(seconds))
    return found


def overview(world: World, seconds: float) -> Json:
    found: Json = world.db.value("select watchkeeper.get_overview(%s)", world.at(seconds))
    return found


def monitor(world: World, seconds: float) -> Json:
    found: Json = world.db.value("select watchkeeper.get_monitor(%s)", world.at(seconds))
    return found


def acknowledge(world: World, *alert_ids: Any, who: UUID | None = None) -> Json:
    with world.db.acting_as("authenticated", who or world.db.member("responder")):
        answer: Json = world.db.rpc(
            "acknowledge_alerts", alert_ids=Array([UUID(str(each)) for each in alert_ids])
        )
    return answer


def sick(world: World, minutes: int, **more: Any) -> Json:
    """A target whose height stands still from the second minute on; returns its alert."""
    world.target(**more)
    for minute in range(minutes):
        state = "breach" if minute >= 2 else "clear"
        world.step(
            minute, "fail" if state == "breach" else "ok", finding(state), samples=[sample("height", minute)]
        )
    alert: Json = only(world.alerts(status="firing"))
    return alert


# get_alert ----------------------------------------------------------------------------------------------------------


def test_an_alert_comes_with_all_that_explains_it(world: World) -> None:
    world.channel()
    world.route("chat", group_wait_s=0)
    alert = sick(world, 5)
    world.send(300)
    found = get_alert(world, 310, alert["id"])
    assert alert.items() <= found.items()
    assert [each["transition"] for each in found["transitions"]] == ["fired"]
    assert [(each["channel"], each["event"], each["status"]) for each in found["deliveries"]] == [
        ("chat", "trigger", "sent")
    ]
    assert only(found["values"])["name"] == "height"
    assert found["earlier"] == {"in_30_days": 0, "last_at": None}


def test_the_evidence_is_each_sample_of_its_check_with_gaps_where_there_was_none(world: World) -> None:
    alert = sick(world, 6)
    world.step(6, "unknown", finding("unknown"))
    world.step(7, "fail", finding("breach"), samples=[sample("height", 7)])
    metric = only(get_alert(world, 8 * 60, alert["id"])["evidence"])
    assert metric["metric_name"] == "height"
    known = [float(point["avg"]) for point in metric["points"] if point["avg"] is not None]
    assert known[-1] == 7
    assert 0 <= known[0] < 1
    first = datetime.fromisoformat(metric["points"][0]["at"])
    assert abs(first - (world.at(120) - timedelta(hours=1))) < timedelta(minutes=3)


def test_the_evidence_ends_ten_minutes_after_the_alert(world: World) -> None:
    alert = sick(world, 4)
    for minute in range(4, 40):
        world.step(minute, "ok", finding("clear"), samples=[sample("height", minute)])
    points = only(get_alert(world, 3600, alert["id"])["evidence"])["points"]
    resolved_at = datetime.fromisoformat(get_alert(world, 3600, alert["id"])["resolved_at"])
    assert datetime.fromisoformat(points[-1]["at"]) <= resolved_at + timedelta(minutes=10)
    assert max(float(point["avg"]) for point in points if point["avg"] is not None) < 16


def test_an_alert_of_no_check_has_no_evidence(world: World) -> None:
    world.fire(10, source="a CI job")
    assert get_alert(world, 20, only(world.alerts())["id"])["evidence"] == []


def test_it_says_how_often_it_fired_before(world: World) -> None:
    for seconds in (0, 100, 200):
        world.fire(seconds)
        world.end(seconds + 50)
    newest = world.alerts()[0]
    earlier = get_alert(world, 300, newest["id"])["earlier"]
    assert earlier["in_30_days"] == 2
    assert datetime.fromisoformat(earlier["last_at"]) == world.at(100)


@pytest.mark.parametrize("alert_id", anything(uuid4(), None))
def test_an_alert_that_is_not_there_is_not_found(world: World, alert_id: Any) -> None:
    with refused(world.db, "PT404", naming="alert_id: no alert"):
        world.db.rpc("get_alert", alert_id=alert_id)


# acknowledge_alerts -------------------------------------------------------------------------------------------------


def firing(world: World, n: int) -> list[str]:
    for each in range(n):
        world.fire(each, source=f"node {each}")
    return [alert["id"] for alert in world.alerts(status="firing", max_rows=200)]


def test_many_are_acknowledged_at_once_in_the_name_of_who_asks(world: World) -> None:
    ids = firing(world, 3)
    who = world.db.member("responder", "r@example.org")
    assert acknowledge(world, *ids, who=who) == {"acknowledged": 3, "left": 0}
    assert {alert["acknowledged_by_email"] for alert in world.alerts()} == {"r@example.org"}


def test_those_that_are_gone_or_taken_are_counted_and_no_error(world: World) -> None:
    first, second, third = firing(world, 3)
    before = world.db.member("responder", "first@example.org")
    acknowledge(world, first, who=before)
    assert acknowledge(world, first, second, uuid4()) == {"acknowledged": 1, "left": 2}
    alerts = {alert["id"]: alert for alert in world.alerts()}
    assert alerts[first]["acknowledged_by_email"] == "first@example.org"
    assert not alerts[third]["acknowledged"]


def test_the_same_twice_is_one(world: World) -> None:
    (alert_id,) = firing(world, 1)
    assert acknowledge(world, alert_id, alert_id)["acknowledged"] == 1


def test_five_hundred_may_be_acknowledged_and_no_more(world: World) -> None:
    ids = firing(world, 2)
    assert acknowledge(world, *ids, *(uuid4() for _ in range(498))) == {"acknowledged": 2, "left": 498}
    responder = world.db.member("responder")
    for many in ([uuid4() for _ in range(501)], [], None):
        with (
            refused(world.db, "22023", naming="alert_ids: must be from 1 to 500"),
            world.db.acting_as("authenticated", responder),
        ):
            world.db.rpc("acknowledge_alerts", alert_ids=None if many is None else Array(many))


# get_overview -------------------------------------------------------------------------------------------------------


def test_the_overview_shows_the_ten_worst_and_among_them_the_newest_first(world: World) -> None:
    for n in range(9):
        world.fire(n, source=f"node {n}", severity="warning")
    world.fire(20, source="bad", severity="critical")
    world.fire(21, source="worse", severity="critical")
    world.fire(22, source="over", severity="critical")
    world.end(23, source="over")
    shown = [alert["source"] for alert in overview(world, 30)["alerts"]]
    assert shown == ["worse", "bad", *(f"node {n}" for n in range(8, 0, -1))]


def test_a_trend_is_the_last_three_hours_of_the_primary_target(world: World) -> None:
    world.target("first", checks={"p2p": {}})
    world.target("second", checks={"p2p": {}}, labels={"primary": "true"})
    world.target("paused", checks={"blockchain": {}})
    world.db.rpc(
        "pause_target", target_id=world.db.value("select id from watchkeeper.targets where name = 'paused'")
    )
    tasks = world.tick(0)
    world.record(50, [
        {"check_id": task["check_id"], "due_at": task["due_at"], "outcome": "ok", "started_at": task["due_at"],
         "finished_at": task["due_at"], "samples": [sample("active_peers", 5 if task["target"] == "second" else 9)]}
        for task in tasks
    ])  # fmt: skip
    trends = overview(world, 120)["trends"]
    assert trends["p2p_network"] is not None
    assert (trends["p2p_network"]["target"], trends["p2p_network"]["metric_name"]) == (
        "second",
        "active_peers",
    )
    values = trends["p2p_network"]["values"]
    assert len(values) == 60
    assert {float(value) for value in values if value is not None} == {5}
    assert trends["blockchain"] is None
    assert trends.keys() == {
        "blockchain",
        "p2p_network",
        "mempool",
        "quantum_security",
        "uptime",
        "economics",
    }


def test_nothing_is_watched_and_nothing_is_known(world: World) -> None:
    empty = overview(world, 0)
    assert empty["alerts"] == []
    assert set(empty["trends"].values()) == {None}


# get_monitor --------------------------------------------------------------------------------------------------------


def test_blind_spells_are_the_gaps_without_any_result(world: World) -> None:
    """Results at minutes 0, 1, 2, 6, 7 and 10, seen at minute 12: blind from 2 to 6 and from 7 to 10."""
    world.target()
    for minute in range(11):
        tasks = world.tick(60 * minute)
        if minute in (0, 1, 2, 6, 7, 10):
            world.record(60 * minute + 1, [
                {"check_id": task["check_id"], "due_at": task["due_at"], "outcome": "ok",
                 "started_at": task["due_at"], "finished_at": task["due_at"]} for task in tasks
            ])  # fmt: skip
    spells = [
        ((datetime.fromisoformat(each["from"]) - world.start).seconds / 60, each["seconds"])
        for each in monitor(world, 720)["blind_spells"]
    ]
    assert spells == [(7, 180), (2, 240)]


def test_a_spell_that_still_lasts_has_no_end(world: World) -> None:
    world.target()
    world.step(0, "ok")
    spell = only(monitor(world, 600)["blind_spells"])
    assert (spell["to"], spell["seconds"]) == (None, 600)
    assert monitor(world, 150)["blind_spells"] == []


def test_the_monitor_counts_what_ran(world: World) -> None:
    world.target()
    world.step(0, "ok")
    world.step(1, "fail", finding("breach"))
    world.step(2, "unknown", finding("unknown"))
    world.tick(180)
    runs = monitor(world, 190)["runs"]
    assert {name: runs[name] for name in ("ok", "fail", "unknown", "missed", "late", "waiting")} == {
        "ok": 1, "fail": 1, "unknown": 1, "missed": 0, "late": 0, "waiting": 1,
    }  # fmt: skip
    assert datetime.fromisoformat(runs["oldest_waiting_at"]) == world.at(180)
    world.tick(400)
    assert monitor(world, 400)["runs"]["missed"] == 1


def test_the_monitor_tells_what_is_installed(world: World) -> None:
    world.target()
    world.channel()
    world.db.member("viewer")
    told = monitor(world, 0)
    assert told["counts"] == {"targets": 1, "checks": 1, "channels": 1, "members": 1}
    assert told["versions"]["postgres"] == world.db.value("show server_version")
    assert told["versions"]["catalog_published_at"] is not None
    assert told["storage_bytes"] > 1_000_000
    assert told["monitoring"].keys() >= {"last_tick_at", "blind_since"}


def test_deleted_channels_are_not_counted(world: World) -> None:
    world.channel()
    world.db.rpc("delete_channel", name="chat")
    assert monitor(world, 0)["counts"]["channels"] == 0
