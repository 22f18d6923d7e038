"""Incidents that open, grow and settle by themselves, on a clock that is moved."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from tests.supabase.test_incidents import alert_id, kinds, moved, opened, timeline
from tests.supabase.test_outbox import acknowledge
from tests.supabase.world import Db, Json, World, anything, only, refused

MINUTES_15 = 900


def tend(world: World, seconds: float) -> list[Json]:
    """The sweep; returns what is open, the oldest first."""
    world.db.run("select watchkeeper.sweep(%s)", world.at(seconds))
    return [each for each in reversed(incidents(world)) if each["status"] in ("open", "investigating")]


def incidents(world: World) -> list[Json]:
    found: list[Json] = world.db.rpc("list_incidents")
    return found


def policy(world: World, **given: Any) -> Json:
    settings: Json = world.db.rpc("save_incident_settings", settings=given)
    return settings


@pytest.fixture
def network(world: World) -> World:
    """Five targets of one network."""
    for n in range(1, 6):
        world.target(f"node-{n}", network="main")
    return world


def trouble(world: World, seconds: float, *numbers: int, severity: str = "error") -> None:
    for n in numbers:
        target = {"id": world.db.value("select id from watchkeeper.targets where name = %s", f"node-{n}")}
        world.fire(seconds, f"node-{n}", severity, target=target, network="main")


# A critical alert that nobody acknowledges -----------------------------------------------------------------------


def test_a_critical_alert_that_nobody_acknowledges_in_time_opens_one(world: World) -> None:
    world.fire(0, network="main")
    assert tend(world, MINUTES_15 - 1) == []
    incident = only(tend(world, MINUTES_15))
    assert (incident["severity"], incident["opened_by"], incident["created_by_email"]) == (
        "critical",
        "policy",
        "watchkeeper",
    )
    assert (incident["affected_systems"], incident["network"]) == (["anvil"], "main")
    assert incident["key"] == "alert:anvil:service_down"
    assert kinds(world, incident) == ["alert_fired", "opened", "linked"]
    assert [each["id"] for each in tend(world, MINUTES_15 + 15)] == [incident["id"]]


def test_who_acknowledges_in_time_opens_none(world: World) -> None:
    world.fire(0)
    acknowledge(world, MINUTES_15 - 1)
    assert tend(world, MINUTES_15) == tend(world, 10 * MINUTES_15) == []


def test_who_acknowledges_while_the_policy_looks_opens_none(fresh: Callable[[], Db]) -> None:
    world, taker = World(fresh()), World(fresh())
    world.fire(0)
    with taker.db.connection.transaction():
        acknowledge(taker, MINUTES_15 - 1)
        assert tend(world, MINUTES_15) == []  # it waits for nobody, and looks again
    assert tend(world, MINUTES_15 + 15) == []


@pytest.mark.parametrize("severity", ["error", "warning", "info"])
def test_what_is_not_critical_opens_none(world: World, severity: str) -> None:
    world.fire(0, severity=severity)
    assert tend(world, 10 * MINUTES_15) == []


def test_the_time_counts_from_when_it_became_critical(world: World) -> None:
    world.fire(0, severity="error")
    world.fire(600)
    assert tend(world, 600 + MINUTES_15 - 1) == []
    assert len(tend(world, 600 + MINUTES_15)) == 1


def test_the_time_counts_from_when_somebody_could_be_told(world: World) -> None:
    world.channel("chat", "pager")
    world.route("chat")
    world.silence(world.at(-60), world.at(600))
    world.fire(0)
    tend(world, 615)  # the silence is over: it goes out
    assert tend(world, 615 + MINUTES_15 - 1) == []
    assert len(tend(world, 615 + MINUTES_15)) == 1


def test_what_is_in_an_incident_already_opens_no_other(world: World) -> None:
    world.fire(0)
    incident = opened(world, 10, alerts=[UUID(alert_id(world))])
    assert [each["id"] for each in tend(world, MINUTES_15)] == [incident["id"]]
    moved(world, incident, "resolved")  # by hand, while it still fires: that was decided
    assert tend(world, 2 * MINUTES_15) == []


# Several targets of one network ----------------------------------------------------------------------------------


def test_what_was_recorded_while_the_sweep_ran_comes_first(network: World) -> None:
    trouble(network, 10, 1, 2, 3)
    incident = only(tend(network, 9))
    assert kinds(network, incident) == ["alert_fired"] * 3 + ["opened", "linked"]
    for n in (1, 2, 3):
        network.db.run(
            "select watchkeeper.close_alert(%s, 'well', %s)", f"node-{n}:service_down", network.at(20)
        )
    assert tend(network, 19) == []
    assert kinds(network, incident)[5:] == ["alert_resolved"] * 3 + ["settled", "status"]


def test_three_targets_of_a_network_open_one_and_the_fourth_joins(network: World) -> None:
    trouble(network, 0, 1, 2)
    assert tend(network, 10) == []
    trouble(network, 20, 3)
    incident = only(tend(network, 30))
    assert (incident["key"], incident["severity"], incident["network"]) == (
        "network:main",
        "critical",
        "main",
    )
    assert incident["affected_systems"] == ["node-1", "node-2", "node-3"]
    trouble(network, 40, 4)
    joined = only(tend(network, 50))
    assert (joined["id"], joined["affected_systems"][3:]) == (incident["id"], ["node-4"])
    assert joined["version"] == incident["version"] + 1
    linked = [text for kind, text in timeline(network, incident) if kind == "linked"]
    assert linked == [", ".join(f"node-{n} service_down" for n in (1, 2, 3)), "node-4 service_down"]


def test_targets_of_two_networks_are_not_counted_together(network: World) -> None:
    network.target("other", network="test")
    trouble(network, 0, 1, 2)
    other = {"id": network.db.value("select id from watchkeeper.targets where name = 'other'")}
    network.fire(0, "other", "error", target=other, network="test")
    assert tend(network, 10) == []


def test_three_alerts_of_one_target_are_one_target(network: World) -> None:
    target = {"id": network.db.value("select id from watchkeeper.targets where name = 'node-1'")}
    for alert_type in ("service_down", "stalled", "lagging"):
        network.fire(0, "node-1", "error", alert_type, target, network="main")
    assert tend(network, 10) == []


def test_warnings_are_not_counted_and_do_not_join(network: World) -> None:
    trouble(network, 0, 1, 2, 3, severity="warning")
    assert tend(network, 10) == []
    trouble(network, 20, 1, 2, 4)
    trouble(network, 20, 5, severity="warning")
    assert only(tend(network, 30))["affected_systems"] == ["node-1", "node-2", "node-4"]


def test_what_is_silenced_is_not_counted_until_the_silence_ends(network: World) -> None:
    network.silence(network.at(0), network.at(600), match={"targets": ["node-3"]})
    trouble(network, 10, 1, 2, 3)
    assert tend(network, 20) == []
    assert len(tend(network, 610)) == 1


def test_a_silence_that_begins_after_it_was_sent_counts_as_well(network: World) -> None:
    network.channel("chat", "pager")
    network.route("chat")
    trouble(network, 10, 1, 2)
    network.fire(10, "web")
    network.silence(network.at(20), network.at(2000))
    trouble(network, 30, 3)
    assert tend(network, 40) == tend(network, MINUTES_15 + 20) == []


def test_what_waits_for_its_parent_is_not_counted(world: World) -> None:
    world.target("gateway")
    gateway = {"id": world.db.value("select id from watchkeeper.targets where name = 'gateway'")}
    for n in range(1, 4):
        world.target(f"node-{n}", network="main", depends_on=["gateway"])
    world.fire(0, "gateway", target=gateway)
    trouble(world, 1, 1, 2, 3)
    assert tend(world, 120) == []
    assert [each["key"] for each in tend(world, 2000)] == ["alert:gateway:service_down"]


def test_what_was_dealt_with_is_not_counted_again(network: World) -> None:
    trouble(network, 0, 1, 2, 3)
    moved(network, only(tend(network, 10)), "resolved")
    trouble(network, 20, 4, 5)
    assert tend(network, 30) == []


# One of each -----------------------------------------------------------------------------------------------------


def test_there_is_one_open_incident_for_each_reason_also_when_two_look_at_once(
    fresh: Callable[[], Db],
) -> None:
    world = World(fresh())
    for n in range(1, 5):
        world.target(f"node-{n}", network="main")
    trouble(world, 0, 1, 2, 3, severity="critical")
    world.fire(0, "web")
    lookers = [World(fresh(), world.start) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:  # without the sweep's lock
        list(
            pool.map(
                lambda each: each.db.run("select watchkeeper.tend_incidents(%s)", world.at(1000)), lookers
            )
        )
    assert sorted(each["key"] for each in incidents(world)) == ["alert:web:service_down", "network:main"]


def test_a_second_open_one_of_a_reason_is_refused_by_name(world: World) -> None:
    world.fire(0)
    first = moved(world, only(tend(world, MINUTES_15)), "resolved")
    world.end(1000)
    world.fire(2000)
    second = only(tend(world, 2000 + MINUTES_15))
    assert second["id"] != first["id"]
    with refused(world.db, "PT409", naming="status: another incident about alert:anvil:service_down is open"):
        moved(world, first, "open")


# Settling --------------------------------------------------------------------------------------------------------


def test_when_its_last_alert_is_over_it_says_so_and_resolves_itself_at_that_moment(network: World) -> None:
    trouble(network, 0, 1, 2, 3)
    incident = only(tend(network, 10))
    network.end(100, "node-1")
    network.end(200, "node-3")
    assert len(tend(network, 205)) == 1
    network.end(300, "node-2")
    assert tend(network, 315) == []
    over = only(incidents(network))
    assert datetime.fromisoformat(over["resolved_at"]) == network.at(300)
    said = f"all 3 alerts are resolved; the last was node-2 service_down at {network.at(300):%Y-%m-%d %H:%M:%S} UTC"
    assert over["resolution_notes"] == said
    assert timeline(network, incident)[-2:] == [("settled", said), ("status", said)]
    assert over["updated_by_email"] == "watchkeeper"


def test_a_persons_incident_says_so_once_each_time_and_does_not_resolve_itself(world: World) -> None:
    policy(world, critical_unacknowledged_s=None)
    world.fire(0)
    incident = opened(world, 10, alerts=[UUID(alert_id(world))])
    world.end(20)
    for seconds in (30, 45, 60):
        assert len(tend(world, seconds)) == 1
    assert kinds(world, incident).count("settled") == 1
    world.fire(100)
    world.db.run("select watchkeeper.link_alert(%s, %s, %s)", incident["id"], alert_id(world), world.at(110))
    assert len(tend(world, 115)) == 1
    world.end(120)
    assert only(tend(world, 130))["resolved_at"] is None
    assert kinds(world, incident).count("settled") == 2


def test_by_policy_it_may_wait_for_a_person(world: World) -> None:
    policy(world, resolves_itself=False)
    world.fire(0)
    tend(world, MINUTES_15)
    world.end(1000)
    incident = only(tend(world, 1010))
    assert kinds(world, incident)[-1] == "settled"


def test_what_fires_again_before_it_settled_belongs_to_it(world: World) -> None:
    world.fire(0)
    incident = only(tend(world, MINUTES_15))
    world.end(1000)
    world.fire(1005)
    assert only(tend(world, 1010))["id"] == incident["id"]
    world.end(1100)
    assert tend(world, 1110) == []
    assert datetime.fromisoformat(only(incidents(world))["resolved_at"]) == world.at(1100)


def test_who_reopens_it_says_when_it_is_over(world: World) -> None:
    world.fire(0)
    tend(world, MINUTES_15)
    world.end(1000)
    tend(world, 1010)
    moved(world, only(incidents(world)), "open", seconds=1020)
    assert len(tend(world, 1030)) == len(tend(world, 5000)) == 1


# Settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [{"enabled": False}, {"network_targets": None, "critical_unacknowledged_s": None}]
)
def test_switched_off_nothing_opens(network: World, given: Json) -> None:
    policy(network, **given)
    trouble(network, 0, 1, 2, 3, 4, severity="critical")
    assert tend(network, 10) == tend(network, MINUTES_15) == []


def test_switched_off_nothing_joins_and_what_is_open_still_settles(network: World) -> None:
    trouble(network, 0, 1, 2, 3)
    tend(network, 10)
    policy(network, enabled=False)
    trouble(network, 20, 4)
    assert len(only(tend(network, 30))["affected_systems"]) == 3
    for n in (1, 2, 3):
        network.end(40, f"node-{n}")
    assert tend(network, 50) == []


def test_only_what_the_policy_is_for_counts(network: World) -> None:
    policy(network, match={"networks": ["test"]}, critical_unacknowledged_s=60)
    trouble(network, 0, 1, 2, 3, severity="critical")
    network.fire(0, "faucet", network="test")
    assert [each["affected_systems"] for each in tend(network, 60)] == [["faucet"]]


def test_what_is_not_given_stays(world: World) -> None:
    before = world.db.rpc("get_incident_settings")
    assert before == {
        "enabled": True,
        "match": {},
        "critical_unacknowledged_s": 900,
        "network_targets": 3,
        "resolves_itself": True,
    }
    assert policy(world, network_targets=None) == {**before, "network_targets": None}
    assert policy(world) == {**before, "network_targets": None}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        *((value, "settings") for value in anything(None, [], "x", 1)),
        ({"enabled": "yes"}, "settings.enabled"),
        ({"enabled": None}, "settings.enabled"),
        ({"match": {"severity": "x"}}, "settings.match"),
        ({"match": None}, "settings.match"),
        *(({"network_targets": value}, "settings.network_targets") for value in anything(0, 1, 10001, 2.5, "3", 1e300)),
        *(({"critical_unacknowledged_s": value}, "settings.critical_unacknowledged_s")
          for value in anything(-1, 604801, 0.5)),
        ({"speed": 1}, "settings.speed"),
    ],
)  # fmt: skip
def test_bad_settings_are_refused_by_name(world: World, given: Any, named: str) -> None:
    with refused(world.db, "22023", naming=named):
        world.db.rpc("save_incident_settings", settings=Jsonb(given))


def test_a_change_of_the_policy_is_in_the_audit_log(world: World) -> None:
    with world.db.acting_as("authenticated", world.db.member("admin", "anna@example.org")):
        policy(world, enabled=False)
    world.db.run("set constraints all immediate")
    logged = world.db.rows("select actor, before ->> 'enabled', after ->> 'enabled' from watchkeeper.audit_log "
                           "where table_name = 'incident_settings'")  # fmt: skip
    assert logged == [("anna@example.org", "true", "false")]


# The sweep -------------------------------------------------------------------------------------------------------


def test_the_sweep_looks_at_whole_windows_once_a_minute(world: World) -> None:
    world.db.run("create table watchkeeper.looked (at timestamptz)")
    world.db.run("create or replace function watchkeeper.tend_objectives(at timestamptz) returns void language sql "
                 "as 'insert into watchkeeper.looked values (at)'")  # fmt: skip
    for seconds in (0, 15, 59, 60, 75, 130):
        tend(world, seconds)
    assert world.db.values("select at from watchkeeper.looked order by at") == [
        world.at(n) for n in (0, 60, 130)
    ]


def test_a_hundred_targets_that_fail_are_asked_about_once(world: World) -> None:
    """Once they are in the incident, a sweep does not ask again what holds each of them."""
    world.db.run(
        "insert into system_alerts (alert_type, severity, message, source, metadata, fingerprint, target_id, "
        "first_seen_at, last_seen_at, created_at) select 'service_down', 'error', 'down', 'node-' || n, "
        "'{\"network\": \"main\", \"kind\": \"uptime\"}', 'f' || n, gen_random_uuid(), %s, %s, %s "
        "from generate_series(1, 300) as n",
        world.at(0), world.at(0), world.at(0),
    )  # fmt: skip
    incident = only(tend(world, 100))
    assert len(incident["affected_systems"]) == 200
    assert world.db.rpc("get_incident", incident_id=incident["id"])["alerts_count"] == 300
    assert "service_down and 290 more" in str(timeline(world, incident))
    world.db.run(
        "update watchkeeper.incident_settings set match = '{\"targets\": [1]}'"
    )  # would fail if it were asked
    assert [each["id"] for each in tend(world, 115)] == [incident["id"]]
