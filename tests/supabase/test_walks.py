"""The tick's id goes from the run over the alert to every delivery, and nowhere that it does not belong."""

from __future__ import annotations

from tests.supabase.world import Json, World, finding, only, result


def deliveries(world: World) -> list[tuple[str, str | None]]:
    found: list[Json] = world.db.rpc("list_deliveries")
    return [(each["event"], each["correlation_id"]) for each in reversed(found)]


def down(world: World, minute: int, walk: str | None, state: str = "breach") -> None:
    """One minute in which the node is unreachable, or is not."""
    more: Json = {} if walk is None else {"correlation_id": walk}
    tasks = world.tick(60 * minute)
    outcome = {"breach": "fail", "clear": "ok"}[state]
    answer = world.record(60 * minute + 5, [result(task, outcome, finding(state), **more) for task in tasks])
    assert answer["recorded"] == len(tasks)


def test_the_ledger_names_the_tick(world: World) -> None:
    world.target()
    world.route(world.channel())
    down(world, 0, "tick-1")
    alert = only(world.alerts())
    assert alert["correlation_id"] == "tick-1"
    assert deliveries(world) == [("trigger", "tick-1")]
    assert world.db.values("select correlation_id from watchkeeper.runs where outcome is not null") == [
        "tick-1"
    ]
    (message,) = world.claim(6)
    assert message["deliveries"][0]["correlation_id"] == "tick-1", "for the log of who sends it"
    world.settle(7, [message])
    down(world, 1, "tick-2", "clear")
    assert deliveries(world) == [("trigger", "tick-1"), ("resolve", "tick-2")]
    shown = world.db.rpc("get_alert", alert_id=alert["id"])
    assert [each["correlation_id"] for each in shown["deliveries"]] == ["tick-1", "tick-2"]


def test_what_the_clock_and_people_add_belongs_to_the_walk_that_opened_it(world: World) -> None:
    world.target()
    world.route(world.channel(), remind_every_s=300)
    down(world, 0, "tick-1")
    world.send(6)
    with world.db.asking_as("responder"):
        world.db.rpc("acknowledge_alert", alert_id=only(world.alerts())["id"])
    world.fire(70, "other")
    world.claim(400)
    assert deliveries(world) == [("trigger", "tick-1"), ("acknowledge", "tick-1"), ("trigger", None)]


def test_each_result_of_a_batch_has_its_own(world: World) -> None:
    for name in ("a", "b", "c"):
        world.target(name)
    tasks = world.tick(0)
    walks = {"a": {"correlation_id": "tick-1"}, "b": {}, "c": {"correlation_id": "tick-3"}}
    world.record(5, [result(task, "fail", finding("breach"), **walks[task["target"]]) for task in tasks])
    found = {alert["source"]: alert["correlation_id"] for alert in world.alerts()}
    assert found == {"a": "tick-1", "b": None, "c": "tick-3"}


def test_what_comes_by_rpc_has_none(world: World) -> None:
    world.route(world.channel())
    with world.db.connection.transaction():
        world.target()
        down(world, 0, "tick-1")
        world.db.rpc(
            "record_system_metric", metric_name_param="x", metric_value_param=1, severity_param="critical"
        )
        world.db.rpc("send_test", channel="chat")
    assert {alert["alert_type"]: alert["correlation_id"] for alert in world.alerts()} == {
        "endpoint_unreachable": "tick-1",
        "critical_metric": None,
    }
    assert ("test", None) in deliveries(world)


def test_an_id_that_makes_no_sense_costs_no_result(world: World) -> None:
    world.target()
    tasks = world.tick(0)
    for given in ({"a": 1}, 7, "x" * 5000):
        world.record(5, [result(task, "fail", finding("breach"), correlation_id=given) for task in tasks])
        tasks = world.tick(60)
    assert len(world.alerts()) == 1


def test_results_of_older_functions_are_taken_as_before(world: World) -> None:
    world.target()
    world.route(world.channel())
    down(world, 0, None)
    assert deliveries(world) == [("trigger", None)]
