"""The page's numbers: never 0 and never ok when nothing is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.supabase.world import Db, World, a_target, finding, only, result, sample
from tests.support.parts import Cluster

GROUPS = {
    "blockchain": ("total_blocks", "latest_block", "avg_block_time"),
    "p2p_network": ("active_peers", "avg_reputation", "total_peers"),
    "mempool": ("pending_transactions", "total_fees"),
    "quantum_security": ("active_keys", "cache_hit_rate"),
}
HEALTHY = [sample("height", 100), sample("total_blocks", 101), sample("avg_block_time", "9.5")]


def measured(world: World, minute: int = 0, **more: Any) -> None:
    world.step(minute, "ok", finding("clear"), **{"samples": HEALTHY, **more})


def test_an_empty_system_is_unknown_and_has_no_numbers(world: World) -> None:
    summary = world.summary(0)
    assert (summary["status"], summary["reason"]) == ("unknown", "nothing is watched yet: add a target")
    for group, numbers in GROUPS.items():
        assert {name: summary[group][name] for name in numbers} == dict.fromkeys(numbers)
        assert (summary[group]["status"], summary[group]["stale"], summary[group]["observed_at"]) == (
            "unknown",
            True,
            None,
        )
    assert summary["uptime"]["status"] == "unknown"
    assert summary["monitoring"]["status"] == "unknown"
    assert summary["alerts"]["critical"] == summary["alerts"]["unacknowledged"] == 0
    assert summary["targets"] == []


def test_the_summary_has_the_shape_the_tools_around_it_know(world: World) -> None:
    summary = world.summary(0)
    assert {
        "status",
        "generated_at",
        "targets",
        "uptime",
        "incidents",
        "monitoring",
        "alerts",
        *GROUPS,
    } <= set(summary)
    for group, numbers in GROUPS.items():
        assert {*numbers, "status", "observed_at", "stale"} <= set(summary[group])


def test_a_target_that_was_never_measured_is_unknown(world: World) -> None:
    world.target()
    world.tick(0)
    summary = world.summary(1)
    assert (summary["status"], summary["reason"]) == ("unknown", "anvil: blockchain: not measured yet")
    assert summary["blockchain"]["latest_block"] is None


def test_all_is_well_when_everything_was_seen_and_is_well(world: World) -> None:
    world.target()
    measured(world)
    summary = world.summary(55)
    assert (summary["status"], summary["reason"]) == ("ok", "all is well")
    blockchain = summary["blockchain"]
    assert (blockchain["status"], blockchain["stale"]) == ("ok", False)
    assert [blockchain[number] for number in GROUPS["blockchain"]] == [101, 100, 9.5]
    assert only(summary["targets"])["status"] == "ok"


def test_an_old_value_is_unknown_with_its_age(world: World) -> None:
    world.target()
    measured(world)
    world.tick(300, horizon_s=1)
    blockchain = world.summary(300)["blockchain"]
    assert (blockchain["status"], blockchain["stale"], blockchain["latest_block"]) == ("unknown", True, None)
    assert blockchain["observed_at"]
    check = only(world.targets(300))["checks"]["blockchain"]
    assert (check["stale"], check["values"]["height"]["known"], check["values"]["height"]["value"]) == (
        True,
        False,
        100,
    )


def test_an_unknown_outcome_turns_the_numbers_unknown_and_not_to_zero(world: World) -> None:
    world.target()
    measured(world)
    world.step(1, "unknown")
    summary = world.summary(115)
    assert (summary["status"], summary["blockchain"]["status"]) == ("unknown", "unknown")
    assert summary["blockchain"]["latest_block"] is None


@pytest.mark.parametrize(
    ("severity", "status"),
    [("info", "warning"), ("warning", "warning"), ("error", "critical"), ("critical", "critical")],
)
def test_a_firing_alert_is_never_healthy(world: World, severity: str, status: str) -> None:
    """Severity `error` once counted as healthy."""
    world.target()
    world.step(0, "fail", finding("breach", "chain_stalled", severity), samples=HEALTHY)
    summary = world.summary(55)
    assert (summary["status"], summary["blockchain"]["status"]) == (status, status)
    assert summary["blockchain"]["latest_block"] == 100, "a stall does not hide the height"
    assert summary["alerts"]["status"] == ("ok" if severity == "info" else status)


def test_a_firing_critical_dominates_what_is_unknown(world: World) -> None:
    world.target("down", {"blockchain": {}})
    world.target("blind", {"p2p": {"interval_s": 60}})
    for task in world.tick(0):
        if task["target"] == "down":
            world.record(1, [result(task, "fail", finding("breach"))])
        else:
            world.record(1, [result(task, "unknown")])
    summary = world.summary(2)
    assert (summary["status"], summary["reason"]) == (
        "critical",
        "down: blockchain: endpoint_unreachable: breach",
    )
    assert summary["alerts"] | {"observed_at": None} == {
        "status": "critical", "firing": 1, "unacknowledged": 1, "critical": 1, "observed_at": None, "stale": False,
    }  # fmt: skip


def test_a_firing_critical_stays_critical_when_the_monitor_dies(world: World) -> None:
    world.target()
    world.step(0, "fail", finding("breach"))
    assert world.summary(86400)["status"] == "critical"


def test_a_group_whose_target_is_known_to_be_critical_is_not_merely_unknown(world: World) -> None:
    """The card beside a dead target once said `unknown`; and what nobody has measured stays so."""
    world.target("alive", {"blockchain": {}})
    world.target("dead", {"blockchain": {}, "mempool": {"interval_s": 60}})
    for task in world.tick(0):
        outcome, findings, samples = (
            ("ok", [finding("clear")], HEALTHY) if task["target"] == "alive" else ("fail", [], [])
        )
        if task["target"] == "dead" and task["kind"] == "blockchain":
            findings = [finding("breach")]
        world.record(1, [result(task, outcome, *findings, samples=samples)])
    blockchain, mempool = (world.summary(2)[group] for group in ("blockchain", "mempool"))
    assert (blockchain["status"], blockchain["firing"]) == ("unknown", "critical")
    assert blockchain["reason"] == "dead: endpoint_unreachable: breach"
    assert blockchain["latest_block"] == 100, "the number is that of the target it comes from"
    assert (mempool["status"], mempool["firing"]) == ("unknown", "warning")
    assert mempool["reason"] == "it was fail; the target is critical"
    assert (mempool["stale"], mempool["pending_transactions"]) == (True, None)


def test_uptime_says_which_service_and_why(world: World) -> None:
    world.target("web", {"uptime": {}})
    world.step(0, "fail", finding("breach", "service_down"))
    uptime = world.summary(55)["uptime"]
    assert (uptime["status"], uptime["reason"]) == ("critical", "web: service_down: breach")
    world.step(1, "ok", finding("clear", "service_down"))
    assert world.summary(115)["uptime"]["reason"] is None


def test_an_acknowledged_alert_is_still_firing(world: World) -> None:
    world.target()
    world.step(0, "fail", finding("breach"))
    with world.db.asking_as("responder"):
        world.db.rpc("acknowledge_alert", alert_id=only(world.alerts())["id"])
    alerts = world.summary(55)["alerts"]
    assert (alerts["firing"], alerts["unacknowledged"], alerts["critical"]) == (1, 0, 1)


def test_a_metric_recorded_as_critical_counts(world: World) -> None:
    world.target()
    measured(world)
    world.db.rpc(
        "record_system_metric", metric_name_param="disk", metric_value_param=99, severity_param="critical"
    )
    summary = world.summary(55)
    assert (summary["status"], summary["reason"]) == ("critical", "disk = 99")


def test_a_sample_outside_its_range_is_a_warning_without_an_alert(world: World) -> None:
    world.target()
    measured(world, samples=[sample("height", 1), sample("pending_transactions", 2000, severity="warning")])
    summary = world.summary(55)
    assert (summary["status"], summary["reason"]) == (
        "warning",
        "anvil: blockchain: pending_transactions is outside its range",
    )
    assert summary["alerts"]["firing"] == 0


# The monitor itself ----------------------------------------------------------------------------------------------


def test_without_a_tick_the_monitor_is_blind_since_the_last_one(world: World) -> None:
    world.target()
    measured(world)
    assert world.summary(149)["monitoring"]["blind_since"] is None
    summary = world.summary(200)
    assert (summary["status"], summary["monitoring"]["status"]) == ("unknown", "unknown")
    assert world.moment(summary["monitoring"]["blind_since"]) == world.at(0)
    assert summary["reason"].startswith("blind since 3 min ago")


def test_a_dead_scheduler_is_noticed_long_before_a_slow_check_is_overdue(world: World) -> None:
    world.target(checks={"blockchain": {"interval_s": 3600}})
    measured(world)
    monitoring = world.summary(200)["monitoring"]
    assert monitoring["checks_overdue"] == 0
    assert world.moment(monitoring["blind_since"]) == world.at(0)
    assert world.summary(200)["status"] == "unknown"


def test_before_the_first_tick_the_monitor_is_blind_since_something_is_to_be_watched(world: World) -> None:
    world.target()
    monitoring = world.summary(60)["monitoring"]
    assert (monitoring["last_tick_at"], monitoring["status"]) == (None, "unknown")
    assert world.moment(monitoring["blind_since"]) == world.at(0)


def test_ticks_without_results_are_blind_since_the_last_result(world: World) -> None:
    world.target()
    measured(world)
    for minute in range(1, 6):
        world.tick(60 * minute)
    monitoring = world.summary(301)["monitoring"]
    assert (monitoring["checks"], monitoring["checks_overdue"], monitoring["status"]) == (1, 1, "unknown")
    assert world.moment(monitoring["blind_since"]) == world.at(0)
    assert world.moment(monitoring["last_tick_at"]) == world.at(300)


def test_a_target_that_is_resumed_or_new_is_not_overdue_at_once(world: World) -> None:
    target = world.target()
    measured(world)
    world.db.run("select watchkeeper.pause_target(%s, true, %s)", target["id"], world.at(60))
    world.db.run("select watchkeeper.pause_target(%s, false, %s)", target["id"], world.at(7200))
    world.tick(7200, horizon_s=1)
    monitoring = world.summary(7201)["monitoring"]
    assert (monitoring["blind_since"], monitoring["checks_overdue"]) == (None, 0)
    assert world.summary(7201)["status"] == "unknown"


# Targets, groups, uptime -----------------------------------------------------------------------------------------


def test_a_paused_target_says_paused_and_is_not_ok(world: World) -> None:
    target = world.target()
    measured(world)
    world.db.rpc("pause_target", target_id=target["id"])
    summary = world.summary(55)
    assert (summary["status"], summary["reason"]) == ("unknown", "every target is paused")
    assert only(summary["targets"])["status"] == "paused"
    assert summary["blockchain"]["latest_block"] is None
    assert only(world.targets(55))["checks"]["blockchain"]["status"] == "paused"


def test_a_target_without_an_enabled_check_is_unknown(world: World) -> None:
    world.target(checks={"blockchain": {"enabled": False}})
    world.target("bare", {})
    assert {(each["name"], each["status"], each["reason"]) for each in world.summary(0)["targets"]} == {
        ("anvil", "unknown", "it has no enabled check"), ("bare", "unknown", "it has no enabled check"),
    }  # fmt: skip


def test_numbers_come_from_the_primary_target_and_the_status_from_the_worst(world: World) -> None:
    world.target("another")
    world.target("main", labels={"primary": "true"})
    for task in world.tick(0):
        height = 7 if task["target"] == "main" else 5
        bad = (
            [finding("breach", "chain_stalled", "warning")]
            if task["target"] == "another"
            else [finding("clear")]
        )
        world.record(1, [result(task, "ok", *bad, samples=[sample("height", height)])])
    blockchain = world.summary(2)["blockchain"]
    assert (blockchain["target"], blockchain["latest_block"], blockchain["targets"]) == ("main", 7, 2)
    assert (blockchain["status"], blockchain["reason"]) == ("warning", "another: chain_stalled: breach")


def test_without_a_primary_target_the_oldest_speaks(world: World) -> None:
    for name in ("b", "a"):
        world.target(name)
        world.db.run(
            "update watchkeeper.targets set created_at = %s where name = %s",
            world.at(60 if name == "a" else 0),
            name,
        )
    for task in world.tick(0):
        world.record(1, [result(task, samples=[sample("height", 1)])])
    assert world.summary(2)["blockchain"]["target"] == "b"


@pytest.mark.parametrize(
    ("is_up", "outcome", "counted"),
    [(True, "ok", "up"), (False, "fail", "down"), (None, "unknown", "unknown"), (True, "unknown", "unknown")],
)
def test_a_service_is_up_down_or_unknown(
    world: World, is_up: bool | None, outcome: str, counted: str
) -> None:
    world.target("web", {"uptime": {}}, chain=None)
    look = {"service_name": "web", "endpoint": "http://x", "is_up": is_up}
    world.step(0, outcome, uptime=look)
    uptime = world.summary(55)["uptime"]
    assert {state: uptime[state] for state in ("up", "down", "unknown")} == {
        "up": 0, "down": 0, "unknown": 0, counted: 1,
    }  # fmt: skip
    assert world.summary(400)["uptime"]["unknown"] == 1, "an old look says nothing of now"


def test_incidents_are_counted(world: World) -> None:
    world.db.run("insert into incident_logs (incident_type, severity, title, status) values "
                 "('x', 'low', 'a', 'open'), ('x', 'low', 'b', 'investigating')")  # fmt: skip
    assert world.summary(0)["incidents"] == {"open": 1, "investigating": 1}


def test_numbers_are_exact_down_to_eight_decimals(world: World) -> None:
    world.target(checks={"economics": {}}, chain="supabase")
    exact = "99999999999999999999.00000001"
    measured(world, samples=[sample("supply", exact)])
    text = world.db.value(
        "select watchkeeper.get_system_health_summary(%s) -> 'economics' ->> 'supply'", world.at(55)
    )
    assert text == exact


def test_the_chain_of_tables_reaches_the_page_with_right_numbers(world: World) -> None:
    """The first system's mistakes, end to end: 1,500 pending, expired keys, a hit rate of 20,000 %, a stall."""
    world.db.connection.execute((Path(__file__).parent / "chain.sql").read_bytes())
    now = world.db.value("select now()")
    world.db.run(
        "insert into blockchain_mempool select n::text, 1, 1, %s, 'pending' from generate_series(1, 1500) as n",
        now,
    )
    world.db.run(
        "insert into blockchain_blocks (block_index, created_at) values (41, %s - interval '3 hours')", now
    )
    observed = {
        subject: world.db.rpc("observe_chain_tables", subject=subject) for subject in ("head", "mempool")
    }
    world.target("app", {"blockchain": {}, "mempool": {"interval_s": 60}}, chain="supabase", endpoint=None)
    for task in world.tick(0):
        samples = {
            "blockchain": [sample(name, observed["head"][name]) for name in ("height", "total_blocks")],
            "mempool": [sample("pending_transactions", observed["mempool"]["pending"])],
        }[task["kind"]]  # fmt: skip
        world.record(1, [result(task, samples=samples)])
    summary = world.summary(2)
    assert summary["mempool"]["pending_transactions"] == 1500
    assert (summary["blockchain"]["latest_block"], summary["blockchain"]["total_blocks"]) == (41, 1)


def test_list_targets_tells_everything_the_page_shows(world: World) -> None:
    saved = world.target(labels={"env": "dev"})
    measured(world)
    target = only(world.targets(55))
    assert {
        key: target[key]
        for key in ("id", "name", "chain", "network", "endpoint", "settings", "labels", "paused")
    } == {
        key: saved[key]
        for key in ("id", "name", "chain", "network", "endpoint", "settings", "labels", "paused")
    }
    check = target["checks"]["blockchain"]
    assert set(check) == {
        "check_id", "interval_s", "timeout_s", "enabled", "params", "status", "reason", "stale", "outcome",
        "last_run_at",
        "next_due_at", "values",
    }  # fmt: skip
    assert set(check["values"]["height"]) == {"value", "unit", "severity", "observed_at", "known"}


# Scale -----------------------------------------------------------------------------------------------------------


def plan(db: Db, statement: str, *args: Any) -> str:
    return json.dumps(db.value(f"explain (format json) {statement}", *args))


@pytest.fixture(scope="module")
def big(cluster: Cluster) -> Iterator[World]:
    """1,000 targets with three checks each, and 200,000 rows of history."""
    with cluster.copy("migrated").connect() as connection:
        world = World(Db(connection))
        kinds = {"blockchain": {}, "p2p": {"interval_s": 60}, "mempool": {"interval_s": 60}}
        world.db.run("select watchkeeper.apply_targets(%s, false, false, %s)",
                     [a_target(f"t{n}", kinds) for n in range(1000)], world.start)  # fmt: skip
        world.tick(0)
        world.db.run("insert into watchkeeper.check_states select id, %s, %s, 'ok', null from watchkeeper.checks",
                     world.start, world.start)  # fmt: skip
        world.db.run("insert into watchkeeper.latest_values "
                     "(check_id, metric_name, value, severity, observed_at, known) "
                     "select id, m, 1, 'info', %s, true from watchkeeper.checks, unnest(array['height', 'x']) as m",
                     world.start)  # fmt: skip
        world.db.run(
            "insert into system_health_metrics (target_id, metric_name, metric_value, recorded_at) "
            "select t.id, 'height', n, %s - make_interval(mins => n) "
            "from watchkeeper.targets as t, generate_series(1, 200) as n",
            world.start,
        )
        world.db.run("analyze")
        yield world


@pytest.mark.parametrize("rpc", ["get_system_health_summary", "list_targets"])
def test_the_page_of_a_thousand_targets_reads_little_and_no_history(big: World, rpc: str) -> None:
    reads = ("select coalesce(sum(seq_tup_read + idx_tup_fetch), 0) from pg_stat_xact_user_tables "
             "where relname in ('system_health_metrics', 'runs', 'uptime_checks')")  # fmt: skip
    with big.db.connection.transaction():
        big.db.value(f"select watchkeeper.{rpc}(%s)", big.at(50))
        assert big.db.rows_read() < 100 * 3000, (
            "some rows for each check, whatever the plan; not each target for each"
        )
        assert big.db.value(reads) == 0


def test_a_series_reads_its_own_rows_only(big: World) -> None:
    target = big.db.value("select id from watchkeeper.targets limit 1")
    read = "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'system_health_metrics'"
    with big.db.connection.transaction():
        for _ in range(7):
            points = big.db.value(
                "select watchkeeper.get_metric_series(%s, 'height', %s, %s, 10)",
                target,
                big.at(-3600),
                big.at(0),
            )
        assert sum(point["n"] for point in points) == 60
        assert big.db.value(read) <= 7 * 61


def test_a_tick_over_a_thousand_targets_reads_little(big: World) -> None:
    with big.db.connection.transaction(force_rollback=True):
        assert len(big.tick(60)) == 3000
        assert big.db.rows_read() < 100 * 3000, (
            "some rows for each check, whatever the plan; not each check for each"
        )


def test_a_policy_asks_once_whatever_the_number_of_rows(big: World) -> None:
    with big.db.asking_as("viewer"):
        assert "InitPlan" in plan(big.db, "select count(*) from public.system_health_metrics")
        began = big.db.rows_read()
        assert big.db.value("select count(*) from public.system_health_metrics") == 200_000
        assert big.db.rows_read() - began < 200_100, "the roles are not looked up for each row"
