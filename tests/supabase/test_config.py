"""A whole file: objectives, report plans, benchmark rules, and the settings of which there is one."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from infra.cli import config_file, config_schema
from tests.supabase.test_delivery_api import CONFIG, apply, verdicts
from tests.supabase.world import CATALOG, Json, World, anything, refused

NEW: Json = {
    "objectives": [
        {"name": "main", "match": {"networks": ["main"]}, "percent": 99.95, "counts_unknown": "down"},
        {"name": "all"},
    ],
    "report_plans": [
        {"name": "customers", "objective": "main", "formats": ["pdf", "html"], "channels": ["phone", "chat"]},
        {"name": "access", "kind": "compliance", "enabled": False},
    ],
    "benchmark_rules": [
        {"name": "slower", "benchmark_name": "ci", "operation_type": "sign", "max_increase_percent": 12.5}
    ],
}
SINGLE: Json = {
    "delivery_settings": {"storm_alerts": 20, "dead_after_s": 3600},
    "incident_settings": {"network_targets": None, "match": {"min_severity": "error"}},
    "access_settings": {"require_mfa": True},
}
WHOLE: Json = {**CONFIG, **NEW, **SINGLE}
NAMES = {"main", "all", "customers", "access", "slower"}


def plans(world: World, config: Json, **how: bool) -> Json:
    plan: Json = apply(world, config, **how)["plan"]
    return plan


# Round trips -----------------------------------------------------------------------------------------------------


def test_a_whole_file_is_created_and_then_unchanged(world: World) -> None:
    first = apply(world, WHOLE)
    assert verdicts(first, "created") >= NAMES
    assert first["plan"]["incident_settings"]["changed"] == ["match", "network_targets"]
    second = apply(world, WHOLE, prune=True)
    assert [verdicts(second, verb) for verb in ("created", "changed", "deleted")] == [set(), set(), set()]
    assert verdicts(second, "unchanged") >= NAMES | {
        "storm_alerts",
        "dead_after_s",
        "match",
        "network_targets",
    }


def test_what_is_exported_changes_nothing_when_applied_also_as_a_file(world: World) -> None:
    apply(world, WHOLE)
    exported = world.db.rpc("export_config")
    assert set(exported) == set(config_schema.SECTIONS) == set(WHOLE)
    for config in (exported, config_file.loads(config_file.dump(exported), CATALOG).data):
        answer = apply(world, config, prune=True)
        assert [verdicts(answer, verb) for verb in ("created", "changed", "deleted")] == [set(), set(), set()]
    assert world.db.rpc("export_config") == exported


def test_an_empty_installation_is_exported_and_applied(world: World) -> None:
    exported = world.db.rpc("export_config")
    answer = apply(world, exported, prune=True)
    assert [verdicts(answer, verb) for verb in ("created", "changed", "deleted")] == [set(), set(), set()]


def test_a_dry_run_of_everything_writes_nothing(world: World) -> None:
    before = world.db.rpc("export_config")
    counts = world.db.counts()
    planned = plans(world, WHOLE, dry_run=True)
    assert (world.db.counts(), world.db.rpc("export_config")) == (counts, before)
    assert planned == plans(world, WHOLE)


def test_pruning_takes_plans_before_their_objectives_and_channels(world: World) -> None:
    apply(world, WHOLE)
    answer = apply(world, {section: [] for section in WHOLE if section not in SINGLE}, prune=True)
    assert verdicts(answer, "deleted") >= NAMES
    exported = world.db.rpc("export_config")
    assert {section: exported[section] for section in NEW} == {section: [] for section in NEW}


@pytest.mark.parametrize("section", ["objectives", "channels"])
def test_what_a_report_plan_needs_is_not_pruned(world: World, section: str) -> None:
    apply(world, {"channels": CONFIG["channels"], **NEW})
    with refused(world.db, "PT409", naming="name: "):
        apply(world, {section: []}, prune=True)


def test_what_changed_is_named(world: World) -> None:
    apply(world, WHOLE)
    plan = plans(
        world,
        {
            "objectives": [{**NEW["objectives"][0], "percent": 99}],
            "report_plans": [{**NEW["report_plans"][1], "enabled": True}],
            "benchmark_rules": [{**NEW["benchmark_rules"][0], "percentile": 99}],
        },
    )
    assert {section: plan[section]["changed"] for section in plan} == {
        "objectives": ["main"], "report_plans": ["access"], "benchmark_rules": ["slower"],
    }  # fmt: skip


def test_a_pruned_rule_takes_its_alert_along(world: World) -> None:
    apply(world, NEW | {"channels": CONFIG["channels"]})
    rule = world.db.value("select id from watchkeeper.benchmark_rules")
    world.db.run(
        "select watchkeeper.raise_alert('benchmark:' || %s, null, 'slower', 'performance_regression', 'warning', 'x', "
        "'{}', 1, %s, %s)",
        str(rule), world.start, world.start,
    )  # fmt: skip
    apply(world, {"benchmark_rules": []}, prune=True)
    assert world.firing() == []


# Settings of which there is one ----------------------------------------------------------------------------------


def test_what_is_not_mentioned_stays_also_with_prune(world: World) -> None:
    apply(world, SINGLE)
    plan = plans(world, {"delivery_settings": {"storm_alerts": 20, "flapping_changes": 9}}, prune=True)
    assert plan == {
        "delivery_settings": {
            "created": [], "changed": ["flapping_changes"], "unchanged": ["storm_alerts"], "deleted": [],
        }
    }  # fmt: skip
    assert world.db.rpc("get_delivery_settings") == {
        "storm_alerts": 20, "flapping_changes": 9, "flapping_window_s": 600, "dead_after_s": 3600,
    }  # fmt: skip
    assert world.db.rpc("get_incident_settings")["match"] == {"min_severity": "error"}


def test_null_is_a_value_and_changes_once(world: World) -> None:
    never = {"incident_settings": {"critical_unacknowledged_s": None}}
    assert [plans(world, never)["incident_settings"]["changed"] for _ in range(2)] == [
        ["critical_unacknowledged_s"], [],
    ]  # fmt: skip
    assert world.db.rpc("export_config")["incident_settings"]["critical_unacknowledged_s"] is None


def test_nothing_of_them_is_nothing(world: World) -> None:
    nothing: Json = {"created": [], "changed": [], "unchanged": [], "deleted": []}
    assert plans(world, {section: {} for section in SINGLE}) == dict.fromkeys(SINGLE, nothing)


def test_save_delivery_settings_still_takes_some_of_them(world: World) -> None:
    assert world.db.rpc("save_delivery_settings", settings={"storm_alerts": 7})["storm_alerts"] == 7
    with refused(world.db, "22023", naming="settings.storm_alerts: "):
        world.db.rpc("save_delivery_settings", settings={"storm_alerts": 1})


def test_a_viewer_reads_them_and_changes_none(world: World) -> None:
    with world.db.asking_as("viewer"):
        assert world.db.rpc("get_delivery_settings")["storm_alerts"] == 10
    with refused(world.db, "42501"), world.db.asking_as("viewer"):
        apply(world, SINGLE)


# Refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("naming", "wrong"),
    [
        *((f"config.{section}: ", {section: value}) for section in SINGLE for value in anything([], 1, "x", None)),
        *((f"config.{section}: ", {section: value}) for section in NEW for value in anything({}, 1, "x", None)),
        *((f"{section}.nope: ", {section: {"nope": 1}}) for section in SINGLE),
        *((f"{section}[0].nope: ", {section: [{**NEW[section][0], "nope": 1}]}) for section in NEW),
        *((f"{section}[0]", {section: [value]}) for section in NEW for value in anything(1, "x", [], {}, None)),
        ("benchmark_rules[1]: ", {"benchmark_rules": NEW["benchmark_rules"] * 2}),
        ("objectives[1]: ", {"objectives": [{"name": "a"}] * 2}),
        ("objectives[0].percent: ", {"objectives": [{"name": "a", "percent": 100}]}),
        ("objectives[0].match.kinds: ", {"objectives": [{"name": "a", "match": {"kinds": ["uptime"]}}]}),
        ("report_plans[0].formats", {"report_plans": [{"name": "a", "formats": ["doc"]}]}),
        ("report_plans[0].match: ",
         {"report_plans": [{"name": "a", "kind": "compliance", "match": {"targets": ["x"]}}]}),
        ("benchmark_rules[0].percentile: ", {"benchmark_rules": [{**NEW["benchmark_rules"][0], "percentile": 90}]}),
        ("delivery_settings.storm_alerts: ", {"delivery_settings": {"storm_alerts": 1}}),
        ("delivery_settings.storm_alerts: ", {"delivery_settings": {"storm_alerts": None}}),
        ("incident_settings.network_targets: ", {"incident_settings": {"network_targets": 1}}),
        ("incident_settings.match.nope: ", {"incident_settings": {"match": {"nope": 1}}}),
        ("config.delivery_setting: is not known; known are targets, channels, ", {"delivery_setting": {}}),
    ],
)  # fmt: skip
def test_a_wrong_part_is_refused_by_name(world: World, naming: str, wrong: Any) -> None:
    with refused(world.db, "22023", naming=naming):
        world.db.run("select public.apply_config(%s)", Jsonb(wrong))


@pytest.mark.parametrize(
    ("naming", "wrong"),
    [
        ("report_plans[0].objective: ", {"name": "a", "objective": "nope"}),
        ("report_plans[0].channels: ", {"name": "a", "channels": ["nope"]}),
    ],
)
def test_a_plan_of_what_does_not_exist_is_refused(world: World, naming: str, wrong: Json) -> None:
    with refused(world.db, "PT404", naming=naming):
        apply(world, {"report_plans": [wrong]})


def test_one_wrong_setting_refuses_the_whole_file(world: World) -> None:
    before = world.db.rpc("export_config")
    with refused(world.db, "22023", naming="incident_settings.enabled: "):
        apply(world, {**WHOLE, "incident_settings": {"enabled": "yes"}})
    assert world.db.rpc("export_config") == before
