"""What the page's forms ask: drafts are judged and tried out, and nothing of that is ever recorded."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.supabase.world import CATALOG, Db, Json, World, a_target, anything, finding, only, refused, sample

# Where a probe must leave no trace.
RECORD = (
    "targets",
    "checks",
    "runs",
    "check_states",
    "rule_states",
    "latest_values",
    "services",
    "audit_pending",
)


def validated(world: World, **changes: Any) -> str | None:
    answer = world.db.rpc("validate_target", target={**a_target("draft"), **changes})
    assert answer["ok"] == (answer["problem"] is None)
    problem: str | None = answer["problem"]
    return problem


# The catalog and a target as it was written -------------------------------------------------------------------------


def test_the_catalog_is_what_was_published(world: World) -> None:
    world.db.run("update watchkeeper.catalog set document = %s", CATALOG)
    assert world.db.rpc("get_catalog") == CATALOG


def test_without_a_catalog_it_says_what_to_wait_for(db: Db) -> None:
    db.run("delete from watchkeeper.catalog")
    with refused(db, "PT409", naming="the catalog is not published yet"):
        db.rpc("get_catalog")


def test_a_target_comes_as_it_may_be_saved_again(world: World) -> None:
    world.target("parent")
    saved = world.target("child", depends_on=["parent"], labels={"env": "prod"})
    found = world.db.rpc("get_target", target_id=saved["id"])
    assert found == saved
    assert found["depends_on"] == ["parent"]
    assert world.db.rpc("save_target", target=found) == saved


@pytest.mark.parametrize("target_id", anything(uuid4(), None))
def test_a_target_that_is_not_there_is_not_found(world: World, target_id: Any) -> None:
    with refused(world.db, "PT404", naming="target_id: "):
        world.db.rpc("get_target", target_id=target_id)


# A draft is judged as saving it would -------------------------------------------------------------------------------


def test_a_good_draft_is_accepted_and_not_saved(world: World) -> None:
    before = world.db.counts()
    assert validated(world) is None
    assert world.db.counts() == before


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": ""}, "target.name: must have at least 1"),
        ({"name": " x"}, "target.name: must not begin or end with a space"),
        ({"chain": "nova"}, "target.chain: must be one of evm, supabase"),
        ({"endpoint": None}, "target.endpoint: is needed for chain evm"),
        ({"endpoint": "http://10.0.0.1"}, "target.endpoint: 10.0.0.1 is a private address"),
        ({"checks": {"quantum": {}}}, "target.checks.quantum: cannot work on chain evm"),
        ({"checks": {"blockchain": {"interval_s": 1}}}, "target.checks.blockchain.interval_s: must be at least 5"),
        ({"checks": {"blockchain": {"params": {"block_time_s": 0}}}}, "target.checks.blockchain.params.block_time_s: "),
        ({"depends_on": ["nobody"]}, "target.depends_on: there is no target nobody"),
        ({"depends_on": ["draft"]}, "target.depends_on: a target cannot depend on itself"),
        ({"shoe_size": 43}, "target.shoe_size: is not known"),
        ({"id": str(uuid4())}, "target.id: the target was deleted meanwhile"),
    ],
)  # fmt: skip
def test_a_bad_draft_is_told_which_part_is_wrong(world: World, changes: Json, problem: str) -> None:
    assert (validated(world, **changes) or "").startswith(problem)


def test_what_validating_refuses_saving_refuses_in_the_same_words(world: World) -> None:
    for changes in ({"name": 7}, {"endpoint": "ftp://x"}, {"labels": {"a": 1}}, {"settings": {"x": 1}}):
        target = {**a_target("draft"), **changes}
        with refused(world.db, "22023", naming=str(validated(world, **changes))):
            world.db.rpc("save_target", target=target)


def test_a_new_target_does_not_replace_another_by_its_name(world: World) -> None:
    saved = world.target("draft")
    assert validated(world) == "target.name: another target is called draft"
    assert validated(world, id=saved["id"]) is None
    world.target("other")
    assert validated(world, id=saved["id"], name="other") == "target.name: another target is called other"


def test_a_cycle_is_seen_before_it_is_saved(world: World) -> None:
    top = world.target("top")
    world.target("middle", depends_on=["top"])
    world.target("bottom", depends_on=["middle"])
    problem = validated(world, id=top["id"], name="top", depends_on=["bottom"])
    assert problem == "target.depends_on: top would depend on itself, through bottom"
    assert validated(world, id=top["id"], name="peak", depends_on=["top"]) == (
        "target.depends_on: a target cannot depend on itself"
    )


@pytest.mark.parametrize("target", anything(None, [], "x", 7, ["name"]))
@pytest.mark.parametrize("rpc", ["validate_target", "request_probe"])
def test_what_is_no_object_is_refused(world: World, rpc: str, target: Any) -> None:
    """As PostgREST would pass it: JSON, whatever it is."""
    if rpc == "validate_target":
        answer = world.db.rpc(rpc, target=Jsonb(target))
        assert answer["problem"].startswith("target: must be a JSON object")
    else:
        with refused(world.db, "22023", naming="target: must be a JSON object"):
            world.db.rpc(rpc, target=Jsonb(target), kind="uptime")


# A probe ------------------------------------------------------------------------------------------------------------


class Prober:
    """Asks for probes and settles them, by a clock that can be moved."""

    def __init__(self, world: World) -> None:
        self.world, self.db = world, world.db

    def ask(self, seconds: float = 0, kind: str = "blockchain", **more: Any) -> Json:
        answer: Json = self.db.value(
            "select watchkeeper.request_probe(%s, %s, %s)",
            a_target("draft", **more),
            kind,
            self.world.at(seconds),
        )
        return answer

    def tasks(self, seconds: float) -> list[Json]:
        return [task for task in self.world.tick(seconds) if "probe_id" in task]

    def get(self, seconds: float, probe: Json) -> Json:
        answer: Json = self.db.value(
            "select watchkeeper.get_probe(%s, %s)", probe["id"], self.world.at(seconds)
        )
        return answer

    def settle(self, seconds: float, task: Json, outcome: str = "ok", **more: Any) -> bool:
        result = {
            "check_id": task["check_id"], "due_at": task["due_at"], "started_at": task["due_at"],
            "finished_at": task["due_at"], "outcome": outcome,
            "reason": None if outcome == "ok" else "it does not answer", **more,
        }  # fmt: skip
        answer: Json = self.db.value(
            "select watchkeeper.settle_probe(%s, %s, %s)", task["probe_id"], result, self.world.at(seconds)
        )
        settled: bool = answer["settled"]
        return settled


@pytest.fixture
def prober(world: World) -> Prober:
    return Prober(world)


def test_a_probe_waits_for_the_next_tick_and_tells_what_came_of_it(prober: Prober) -> None:
    probe = prober.ask()
    assert (probe["status"], probe["kind"], probe["result"]) == ("waiting", "blockchain", None)
    assert prober.get(5, probe)["status"] == "waiting"
    task = only(prober.tasks(10))
    assert prober.get(11, probe)["status"] == "running"
    assert prober.settle(12, task, samples=[sample("height", "7")], findings=[finding("clear")])
    settled = prober.get(13, probe)
    assert settled["status"] == "settled"
    assert settled["result"]["outcome"] == "ok"
    assert settled["result"]["samples"] == [sample("height", "7")]
    assert settled["result"]["findings"] == [finding("clear")]


def test_its_task_says_what_a_worker_needs(prober: Prober) -> None:
    probe = prober.ask(
        network="sepolia", settings={"x": "y"}, checks={"blockchain": {"params": {"block_time_s": 5}}}
    )
    task = only(prober.tasks(10))
    assert task == {
        "probe_id": probe["id"], "check_id": probe["id"], "target_id": probe["id"], "target": "draft",
        "kind": "blockchain", "due_at": task["due_at"], "delay_s": 0, "interval_s": 60, "timeout_s": 10,
        "chain": "evm", "network": "sepolia", "endpoint": "http://127.0.0.1:8545", "settings": {"x": "y"},
        "params": {"block_time_s": 5},
    }  # fmt: skip
    assert datetime.fromisoformat(task["due_at"]) == prober.world.at(10)


def test_probes_and_checks_are_claimed_together_and_each_once(prober: Prober) -> None:
    prober.world.target("watched")
    first, second = prober.ask(1), prober.ask(2)
    tasks = prober.world.tick(10, horizon_s=30)
    assert [task.get("probe_id") for task in tasks] == [first["id"], second["id"], None]
    assert prober.tasks(11) == []


def test_a_probe_leaves_no_trace_in_the_record(prober: Prober) -> None:
    prober.world.tick(0)
    before = {table: n for table, n in prober.db.counts().items() if table != "watchkeeper.probes"}
    prober.ask()
    prober.settle(
        12, only(prober.tasks(10)), "fail", samples=[sample("height", 7)], findings=[finding("breach")] ,
        uptime={"service_name": "draft", "endpoint": "http://x", "is_up": False},
    )  # fmt: skip
    prober.world.tick(300)
    after = {table: n for table, n in prober.db.counts().items() if table != "watchkeeper.probes"}
    assert after == before
    assert {f"watchkeeper.{table}" for table in RECORD} <= after.keys()


def test_a_worker_that_knows_no_probes_records_nothing(prober: Prober) -> None:
    prober.ask()
    task = only(prober.tasks(10))
    result = {
        "check_id": task["check_id"], "due_at": task["due_at"], "started_at": task["due_at"],
        "finished_at": task["due_at"], "outcome": "ok", "samples": [sample("height", 7)],
    }  # fmt: skip
    answer = prober.world.record(12, [result])
    assert (answer["recorded"], answer["dropped"], answer["transitions"]) == (0, 1, [])


def test_a_probe_whose_worker_died_says_so(prober: Prober) -> None:
    probe = prober.ask(checks={"blockchain": {"timeout_s": 20}})
    task = only(prober.tasks(10))
    assert prober.get(10 + 65, probe)["status"] == "running"
    assert prober.get(10 + 66, probe)["status"] == "lost"
    assert prober.settle(100, task)
    assert prober.get(101, probe)["status"] == "settled"


def test_it_is_settled_once(prober: Prober) -> None:
    probe = prober.ask()
    task = only(prober.tasks(10))
    assert prober.settle(12, task)
    assert not prober.settle(13, task, "fail")
    assert prober.get(14, probe)["result"]["outcome"] == "ok"


def test_what_was_not_claimed_cannot_be_settled(prober: Prober) -> None:
    probe = prober.ask()
    task = {"probe_id": probe["id"], "check_id": probe["id"], "due_at": prober.world.at(1).isoformat()}
    assert not prober.settle(2, task)
    assert prober.get(3, probe)["status"] == "waiting"
    assert not prober.settle(2, {**task, "probe_id": str(uuid4())})


def test_it_is_forgotten_after_ten_minutes(prober: Prober) -> None:
    settled = prober.ask()
    task = only(prober.tasks(10))
    prober.settle(11, task)
    prober.get(599, settled)
    with refused(prober.db, "PT404", naming="probe_id: no test"):
        prober.get(600, settled)
    assert not prober.settle(601, task)
    late = prober.ask(20)
    assert prober.tasks(620) == [], late
    assert prober.db.value("select count(*) from watchkeeper.probes") == 0


def test_twenty_may_wait_and_no_more(prober: Prober) -> None:
    first = prober.ask()
    for _ in range(19):
        prober.ask()
    with refused(prober.db, "PT409", naming="kind: 20 tests are waiting"):
        prober.ask(1)
    task = next(task for task in prober.tasks(10) if task["probe_id"] == first["id"])
    prober.settle(11, task)
    prober.ask(12)
    with refused(prober.db, "PT409"):
        prober.ask(13)
    # Those that nobody ever claimed are no reason to wait for ever.
    prober.ask(13 + 600)


def test_two_at_once_are_not_both_the_twentieth(fresh: Callable[[], Db]) -> None:
    worlds = [World(fresh()) for _ in range(8)]
    for _ in range(16):
        Prober(worlds[0]).ask()

    def ask(world: World) -> str:
        try:
            return str(Prober(world).ask()["status"])
        except psycopg.Error as error:
            return str(error.sqlstate)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, worlds))
    assert sorted(answers) == ["PT409"] * 4 + ["waiting"] * 4
    assert worlds[0].db.value("select count(*) from watchkeeper.probes") == 20


@pytest.mark.parametrize(
    ("kind", "problem"),
    anything(
        ("p2p", "kind: the target has no check p2p"),
        ("", "kind: must not be empty"),
        (None, "kind: must not be empty"),
        ("x" * 41, "kind: must have at most 40"),
    ),
)
def test_a_kind_that_the_target_has_not_is_refused(prober: Prober, kind: Any, problem: str) -> None:
    with refused(prober.db, "22023", naming=problem):
        prober.ask(kind=kind)


def test_a_target_that_could_not_be_saved_is_not_probed(prober: Prober) -> None:
    with refused(prober.db, "22023", naming="target.endpoint: 169.254.169.254 is a private address"):
        prober.ask(endpoint="http://169.254.169.254/latest")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"outcome": "well"}, "result.outcome: "),
        ({"samples": [sample("x", "NaN")]}, "result.samples[0].value: "),
        ({"findings": [finding("clear"), finding("breach")]}, "result.findings[1].alert_type: "),
        ({"finished_at": "2020-01-01T00:00:00Z"}, "result.started_at: "),
        ({"due_at": None}, "result.due_at: "),
    ],
)
def test_a_result_that_makes_no_sense_is_refused(prober: Prober, more: Json, problem: str) -> None:
    prober.ask()
    task = only(prober.tasks(10))
    with refused(prober.db, "22023", naming=problem):
        prober.settle(12, task, **more)


# Overrides ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def rotation(world: World) -> World:
    given = {"people": ["a@example.org"], "starts_at": "2026-01-05T09:00"}
    world.setting("rotation", name="primary", **given)
    return world


def override(world: World, person: str, start: float, end: float) -> None:
    world.db.rpc(
        "save_override", rotation="primary", person=person, from_time=world.at(start), to_time=world.at(end)
    )


def overrides(world: World, seconds: float) -> list[Json]:
    found: list[Json] = world.db.value("select watchkeeper.list_overrides(%s)", world.at(seconds))
    return found


def test_overrides_are_listed_until_they_end(rotation: World) -> None:
    override(rotation, "later@example.org", 100, 200)
    override(rotation, "now@example.org", -10, 50)
    assert [(each["person"], each["active"]) for each in overrides(rotation, 0)] == [
        ("now@example.org", True),
        ("later@example.org", False),
    ]
    later = only(overrides(rotation, 50))
    assert (later["rotation"], later["person"]) == ("primary", "later@example.org")
    assert datetime.fromisoformat(later["to_time"]) - datetime.fromisoformat(later["from_time"]) == timedelta(
        seconds=100
    )
    assert overrides(rotation, 200) == []


def test_an_override_that_is_taken_back_holds_no_more(rotation: World) -> None:
    override(rotation, "b@example.org", -10, 500)
    assert on_call(rotation) == "b@example.org"
    rotation.db.rpc("delete_override", override_id=only(overrides(rotation, 0))["id"])
    assert on_call(rotation) == "a@example.org"


def on_call(world: World) -> str:
    person: str = only(world.db.rpc("who_is_on_call", rotation="primary", moment=world.at(0)))["person"]
    return person


@pytest.mark.parametrize("override_id", anything(uuid4(), None))
def test_an_override_that_is_not_there_is_not_found(rotation: World, override_id: Any) -> None:
    with refused(rotation.db, "PT404", naming="override_id: there is no override"):
        rotation.db.rpc("delete_override", override_id=override_id)
