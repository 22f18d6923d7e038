"""A budget that burns while its cause is being worked on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.supabase.test_incident_policy import MINUTES_15, incidents, policy, tend
from tests.supabase.test_incidents import kinds, moved, opened, timeline
from tests.supabase.test_objectives import objective, seen
from tests.supabase.test_outbox import acknowledge
from tests.supabase.world import Db, Json, World, only

DAY = 86_400


@pytest.fixture
def world(db: Db) -> World:
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=40)
    return World(db, start)


@pytest.fixture
def outage(world: World) -> World:
    """A node that was up for a day and then down for 30 minutes, in a group that also has another one."""
    node = world.target("node", network="main")
    seen(world, node, ("up", 0, DAY), ("down", DAY, DAY + 1800), ("up", DAY + 1800, 2 * DAY))
    objective(world, match={"networks": ["main"]})
    world.channel()
    world.route("chat", name="incidents", position=1, match={"kinds": ["incident"]})
    world.fire(DAY, "node", target=node, network="main")
    return world


def told(world: World) -> list[str]:
    return world.db.values(
        "select event from watchkeeper.deliveries where incident_id is not null order by seq"
    )


def burning(world: World, status: str = "firing") -> Json:
    found: Json = only(
        [each for each in world.alerts(status=status) if each["alert_type"] == "error_budget_burn"]
    )
    return found


def test_a_burning_budget_joins_the_incident_of_its_outage_and_nobody_is_told_twice(outage: World) -> None:
    tend(outage, DAY + 120)  # the burn is found at the end of the sweep
    assert burning(outage)["severity"] == "critical"
    incident = only(tend(outage, DAY + MINUTES_15))
    assert only(tend(outage, DAY + MINUTES_15 + 15))["id"] == incident["id"]
    assert [text for kind, text in timeline(outage, incident) if kind == "linked"] == [
        "node service_down",
        "all error_budget_burn",
    ]
    assert len(tend(outage, DAY + 1799)) == 1, "also when it was to be acknowledged itself"
    assert told(outage) == ["trigger"]


def test_when_both_are_due_at_once_the_outage_opens_it_and_the_burn_joins(outage: World) -> None:
    tend(outage, DAY + 120)
    incident = only(tend(outage, DAY + 1700))
    assert incident["key"] == "alert:node:service_down"
    assert kinds(outage, incident).count("linked") == 2
    assert told(outage) == ["trigger"]


def test_a_burning_budget_does_not_keep_the_incident_open(outage: World) -> None:
    tend(outage, DAY + 120)
    tend(outage, DAY + 1700)
    outage.end(DAY + 1800, "node")
    assert tend(outage, DAY + 1815) == tend(outage, DAY + 3 * 3600) == []
    over = only(incidents(outage))
    assert (over["status"], datetime.fromisoformat(over["resolved_at"])) == (
        "resolved",
        outage.at(DAY + 1800),
    )
    assert burning(outage)["status"] == "firing", "hours later still, and it opens no other"
    assert told(outage) == ["trigger", "resolve"]


def test_a_burn_of_which_no_incident_tells_opens_its_own_and_settles_it(outage: World) -> None:
    acknowledge(outage, DAY + 60, "node")  # somebody took the outage, nobody the burn
    tend(outage, DAY + 120)
    own = only(tend(outage, DAY + 120 + MINUTES_15))
    assert own["key"].startswith("alert:objective:")
    outage.end(DAY + 1800, "node")
    assert len(tend(outage, DAY + 3 * 3600)) == 1
    tend(outage, DAY + 8 * 3600)
    assert tend(outage, DAY + 8 * 3600 + 60) == []
    assert burning(outage, "resolved")["status"] == "resolved"


def test_it_joins_no_incident_about_what_is_not_in_its_group(outage: World) -> None:
    other = outage.target("other", network="test")
    outage.fire(DAY, "other", target=other, network="test")
    acknowledge(outage, DAY + 60, "node")
    tend(outage, DAY + 120)
    found = {each["key"].split(":")[1] for each in tend(outage, DAY + 120 + MINUTES_15)}
    assert found == {"other", "objective"}


def test_a_closed_incident_takes_nothing_and_a_persons_one_does(outage: World) -> None:
    policy(outage, critical_unacknowledged_s=None)
    tend(outage, DAY + 120)
    alerts = [each["id"] for each in outage.alerts() if each["source"] == "node"]
    over = moved(outage, opened(outage, DAY + 130, alerts=alerts), "resolved")
    assert tend(outage, DAY + 200) == []
    assert kinds(outage, over).count("linked") == 1
    again = opened(outage, DAY + 210, alerts=alerts)
    assert only(tend(outage, DAY + 225))["id"] == again["id"]
    assert kinds(outage, again).count("linked") == 2
