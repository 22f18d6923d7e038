"""The template deployed in two regions, one database: only what both see is told, and who is gone sees nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from infra.local.aws import REGION
from infra.local.stack import Stack
from tests.stories.conftest import COLD_S
from tests.stories.endpoints import Node
from tests.stories.world import Json, Watched, World, eventually
from tests.support.parts import Api, Database

ELSEWHERE = "eu-central-1"
BOTH = {"agree": 2, "names": [REGION, ELSEWHERE]}


@pytest.fixture
def there(world: World, stack: Stack, api: Api, database: Database) -> Iterator[World]:
    """The other region's stack, of which nothing is left afterwards."""
    aws = world.aws.elsewhere(ELSEWHERE)
    aws.put_secret_key(stack.credentials.secret_key)
    aws.deploy(stack.gateway.url, stack.page.url)
    other = World(stack, api, database, aws)
    other.tick()  # a slot is open to another region for a minute; a function that starts first may take as long
    yield other
    take_away(other)
    world.forget_all()
    world.store.forget_region(ELSEWHERE)
    other.close()


def take_away(region: World) -> None:
    """Deletes its stack; as if that were minutes ago."""
    cloudformation = region.aws.client("cloudformation")
    cloudformation.delete_stack(StackName=region.aws.stack)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=region.aws.stack, WaiterConfig={"Delay": 1}
    )
    region.db.execute(
        "update watchkeeper.regions set last_tick_at = last_tick_at - %s where name = %s",
        [timedelta(minutes=3), region.aws.region],
    )


def looks(target: Watched) -> dict[str, str]:
    """What each region sees."""
    told: Json = target.told()["looks"]
    return {region: look["outcome"] for region, look in told.items()}


def claim(target: Watched, *regions: World) -> None:
    """Makes it due, and lets each of them tick."""
    target.world.store.run_check_now(target.id)
    for region in regions:
        told = region.tick()
        assert "errorMessage" not in told, told


def test_two_deployed_stacks_tell_what_both_see_and_one_alone_tells_nothing(
    world: World, there: World, chain_node: Node
) -> None:
    here = world
    checks = {"uptime": {"timeout_s": 60, "params": {"failure_threshold": 1}}}
    target = world.watch(chain_node.url, regions=BOTH, checks=checks)
    claim(target, here, there)
    eventually(lambda: looks(target) == {REGION: "ok", ELSEWHERE: "ok"}, COLD_S)
    assert target.status() == "ok"

    chain_node.status = 503
    with there.held("uptime"):
        claim(target, here, there)
        eventually(lambda: looks(target)[REGION] == "fail", COLD_S)
        chain_node.status = 200
    eventually(lambda: target.runs()[-1].outcome == "ok", COLD_S)
    assert (looks(target), target.alerts()) == ({REGION: "fail", ELSEWHERE: "ok"}, {})

    chain_node.status = 503
    claim(target, here, there)
    eventually(lambda: target.alerts() == {"service_down": "firing"}, COLD_S)
    assert f"(2 of 2 regions: {ELSEWHERE}, {REGION})" in target.alert("service_down")["message"]

    take_away(there)
    assert there.aws.client("lambda").list_functions()["Functions"] == []
    chain_node.status = 200
    claim(target, here)
    eventually(lambda: looks(target) == {REGION: "ok", ELSEWHERE: "unknown"}, COLD_S)
    gone = {each["name"]: each["status"] for each in world.summary()["monitoring"]["regions"]}
    assert (gone[REGION], gone[ELSEWHERE]) == ("ok", "unknown")
    assert target.runs()[-1].outcome == "unknown", "one of two is not enough to say that it is well"
    assert target.alerts() == {"service_down": "firing"}
    assert len(target.runs()) == 4, "each slot once, whoever claimed it"
