"""The command as an operator meets it: what it prints, and how it exits."""

import json
from pathlib import Path

import pytest

from tests.handlers.doubles import Json, refusal
from tests.infra.cli.conftest import Command
from watchkeeper.catalog import catalog

NOW = "2026-11-23T12:10:00+00:00"
THEN = "2026-11-23T12:07:00+00:00"


def group(status: str = "ok", **values: object) -> Json:
    return {"status": status, "reason": None, "targets": 1, "observed_at": THEN, "stale": False, **values}


def summary(**changes: object) -> Json:
    return {
        "status": "ok",
        "reason": "all is well",
        "generated_at": NOW,
        "blockchain": group(total_blocks=101, latest_block=100, avg_block_time=10.25),
        "p2p_network": group(active_peers=5, total_peers=8, avg_reputation=71),
        "mempool": group(pending_transactions=0, total_fees=None),
        "quantum_security": {"status": "unknown", "targets": 0, "reason": "no target has a quantum check"},
        "uptime": {"status": "ok", "services": 2, "up": 2, "down": 0, "unknown": 0, "observed_at": NOW},
        "alerts": {"firing": 0, "unacknowledged": 0, "critical": 0},
        "monitoring": {"last_tick_at": "2026-11-23T12:09:20+00:00", "blind_since": None},
        "targets": [{"name": "anvil", "status": "ok", "reason": None}],
        **changes,
    }


def target(name: str = "anvil", **changes: object) -> Json:
    check = {
        "check_id": "00000000-0000-0000-0000-00000000000c",
        "interval_s": 60,
        "timeout_s": 5,
        "enabled": True,
    }
    return {
        "id": "00000000-0000-0000-0000-00000000000a",
        "name": name,
        "chain": None,
        "network": None,
        "endpoint": "http://127.0.0.1:9/",
        "settings": {},
        "labels": {},
        "paused": False,
        "status": "ok",
        "reason": None,
        "checks": {"uptime": {**check, "params": {}, "last_run_at": THEN, "outcome": "ok"}},
        **changes,
    }


def test_status_says_all_is_well(command: Command) -> None:
    command.rpcs.answers["get_system_health_summary"] = lambda _: summary()
    ran = command("status")
    assert ran.code == 0
    assert ran.out.splitlines()[:2] == ["OK  all is well", "no alert fires; last tick 40 s ago"]
    assert "latest block 100, total blocks 101, avg block time 10.25 s  seen 3 min ago" in ran.out
    assert "Not watched: quantum security, economics" in ran.out


def test_what_is_not_known_is_unknown_with_its_age_and_never_zero(command: Command) -> None:
    silent = group("unknown", stale=True, reason="no result since 3 min ago")
    command.rpcs.answers["get_system_health_summary"] = lambda _: summary(
        status="unknown", p2p_network=silent
    )
    ran = command("status")
    (line,) = [line for line in ran.out.splitlines() if "p2p network" in line]
    assert ran.code == 1
    assert "unknown (since 3 min)" in line
    assert "0" not in line
    assert "total fees unknown" in ran.out


@pytest.mark.parametrize("status", ["warning", "critical", "unknown", None, "something new"])
def test_only_ok_exits_with_zero(command: Command, status: str | None) -> None:
    command.rpcs.answers["get_system_health_summary"] = lambda _: summary(status=status, reason="why")
    assert command("status").code == 1
    assert command("status", "--json").code == 1


WAITING = {"pending": 3, "overdue": 2, "oldest_pending_at": THEN, "dead_24h": 1, "unrouted": 0}


def test_status_warns_that_nobody_hears_of_it(command: Command) -> None:
    lost = {**WAITING, "status": "warning", "reason": "2 firing alerts reach nobody: no route matches"}
    command.rpcs.answers["get_system_health_summary"] = lambda _: summary(status="warning", deliveries=lost)
    ran = command("status")
    assert ran.code == 1
    assert (
        "Deliveries  warning  2 firing alerts reach nobody: no route matches "
        "(3 pending, the oldest for 3 min, 1 dead in 24 h)"
    ) in ran.out


def test_status_counts_what_waits(command: Command) -> None:
    quiet = {"status": "ok", "reason": None, "pending": 0, "oldest_pending_at": None, "dead_24h": None}
    command.rpcs.answers["get_system_health_summary"] = lambda _: summary(deliveries=quiet)
    assert "Deliveries  ok  0 pending, unknown dead in 24 h" in command("status").out


def test_a_dead_monitor_does_not_look_healthy(command: Command) -> None:
    blind = {"last_tick_at": None, "blind_since": THEN}
    command.rpcs.answers["get_system_health_summary"] = lambda _: summary(status="unknown", monitoring=blind)
    assert "last tick never, BLIND since 3 min" in command("status").out


def test_status_says_which_region_sees_what_and_which_is_quiet(command: Command) -> None:
    regions = [
        {"name": "eu", "status": "ok", "last_tick_at": NOW},
        {"name": "us", "status": "unknown", "last_tick_at": THEN},
    ]
    looks = {"us": {"outcome": "unknown", "at": None}, "eu": {"outcome": "ok", "at": THEN}}
    command.rpcs.answers["get_system_health_summary"] = lambda _: summary(
        monitoring={"last_tick_at": NOW, "regions": regions},
        targets=[{"name": "anvil", "status": "unknown", "reason": "too few", "regions": looks}],
    )
    told = command("status").out
    assert "; 1 of 2 regions: us is quiet, last tick 3 min ago" in told
    assert "too few  [eu ok 3 min ago, us unknown never]" in told


def test_regions_are_listed_and_forgotten(command: Command) -> None:
    region = {"name": "eu", "status": "ok", "last_tick_at": NOW, "first_seen_at": THEN}
    command.rpcs.answers["list_regions"] = lambda _: [region]
    assert command("regions", "list").code == 0
    command.rpcs.answers["list_regions"] = lambda _: [region, {**region, "name": "us", "status": "unknown"}]
    ran = command("regions", "list")
    assert (ran.code, [line.split()[:2] for line in ran.out.splitlines()]) == (
        1,
        [["eu", "ok"], ["us", "unknown"]],
    )
    assert json.loads(command("regions", "list", "--json").out)[1]["name"] == "us"
    command.rpcs.answers["list_regions"] = lambda _: []
    assert "no region has ticked yet" in command("regions", "list").out
    command.rpcs.answers["forget_region"] = lambda _: None
    assert command("regions", "forget", "us").out == "us  forgotten\n"
    assert command.rpcs.called("forget_region") == [{"name": "us"}]


def test_a_summary_with_nothing_in_it_is_unknown(command: Command) -> None:
    command.rpcs.answers["get_system_health_summary"] = lambda _: {"generated_at": NOW}
    ran = command("status")
    assert ran.code == 1
    assert ran.out.startswith("UNKNOWN  no reason given\nalerts unknown; last tick never\n")


def test_json_is_what_the_database_said(command: Command) -> None:
    command.rpcs.answers["get_system_health_summary"] = lambda _: summary()
    assert json.loads(command("status", "--json").out) == summary()


def test_a_database_that_does_not_answer_cannot_be_told_and_the_setting_is_named(command: Command) -> None:
    command.rpcs.answers["get_system_health_summary"] = lambda _: refusal("503", "upstream", 503)
    ran = command("status")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("unknown: Supabase did not answer at http://db (")
    assert "SUPABASE_URL" in ran.err


def test_a_refusal_is_said_in_the_words_of_the_database(command: Command) -> None:
    command.rpcs.answers["grant_role"] = lambda _: refusal(
        "PT404", "email: nobody has signed up as a@b.c", 404
    )
    ran = command("members", "grant", "a@b.c", "viewer")
    assert (ran.code, ran.err) == (2, "refused: email: nobody has signed up as a@b.c\n")


@pytest.mark.parametrize("words", [[], ["nonsense"], ["members", "grant", "a@b.c", "king"], ["check"]])
def test_a_wrong_command_exits_with_two(command: Command, words: list[str]) -> None:
    assert command(*words).code == 2


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["status"],
        ["apply"],
        ["export"],
        ["targets"],
        ["targets", "apply"],
        ["check"],
        ["alerts"],
        ["channels"],
        ["channels", "test"],
        ["deliveries"],
        ["deliveries", "retry"],
        ["oncall"],
        ["silences"],
        ["silences", "preview"],
        ["heartbeats"],
        ["latency"],
        ["slo"],
        ["sla"],
        ["closes"],
        ["closes", "verify"],
        ["members"],
    ],
)
def test_help_is_there_at_every_level(command: Command, words: list[str]) -> None:
    ran = command(*words, "--help")
    assert ran.code == 0
    assert ran.out.startswith("usage: watchkeeper")


FILE = (
    "targets:\n  - name: b\n    endpoint: https://b.example/\n  - name: a\n    endpoint: https://a.example/\n"
)
PLAN = {"created": ["a"], "changed": ["b"], "unchanged": [], "deleted": []}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.yaml"
    path.write_text(FILE)
    return path


def test_apply_prints_the_plan(command: Command, file: Path) -> None:
    command.rpcs.answers["apply_targets"] = lambda _: PLAN
    ran = command("targets", "apply", str(file), "--dry-run", "--prune")
    assert ran.code == 0
    assert "+ a  created\n~ b  changed\n" in ran.out
    assert "1 created, 1 changed, 0 deleted, 0 unchanged (dry run: nothing was changed)" in ran.out
    (args,) = command.rpcs.called("apply_targets")
    assert (args["prune"], args["dry_run"]) == (True, True)


def test_a_bad_file_never_reaches_the_database(command: Command, file: Path) -> None:
    file.write_text("targets:\n  - nam: a\n")
    ran = command("targets", "apply", str(file))
    assert (ran.code, command.rpcs.calls) == (2, [])
    assert ran.err.splitlines() == [
        'my.yaml:2: targets[0].nam: is not known; did you mean "name"?',
        "my.yaml:2: targets[0].name: is missing",
    ]


def test_what_the_database_refuses_is_told_with_its_line(command: Command, file: Path) -> None:
    said = "targets[1].endpoint: 10.0.0.1 is a private address; set PRIVATE_TARGETS=all to allow it"
    command.rpcs.answers["apply_targets"] = lambda _: refusal("22023", said)
    ran = command("targets", "apply", str(file))
    assert (ran.code, ran.err) == (2, f"my.yaml:5: {said}\n")


def test_export_is_what_apply_takes(command: Command, file: Path) -> None:
    command.rpcs.answers["list_targets"] = lambda _: [target("b"), target("a")]
    command.rpcs.answers["apply_targets"] = lambda _: PLAN
    file.write_text(command("targets", "export").out)
    assert command("targets", "apply", str(file)).code == 0
    (args,) = command.rpcs.called("apply_targets")
    assert [t["name"] for t in args["targets"]] == ["a", "b"]
    assert args["targets"][0]["checks"] == {"uptime": {"interval_s": 60, "timeout_s": 5}}


def test_list_shows_each_target_with_its_reason(command: Command) -> None:
    command.rpcs.answers["list_targets"] = lambda _: [
        target(status="unknown", reason="uptime: not measured yet")
    ]
    assert command("targets", "list").out == "  anvil  unknown  service  uptime  uptime: not measured yet\n"


@pytest.mark.parametrize(("verb", "paused"), [("pause", True), ("resume", False)])
def test_a_target_is_paused_by_its_name(command: Command, verb: str, paused: bool) -> None:
    command.rpcs.answers["list_targets"] = lambda _: [target()]
    command.rpcs.answers["pause_target"] = lambda _: target()
    assert command("targets", verb, "anvil").code == 0
    assert command.rpcs.called("pause_target") == [{"target_id": target()["id"], "paused": paused}]


def test_a_name_nobody_has_comes_with_what_was_meant(command: Command) -> None:
    command.rpcs.answers["list_targets"] = lambda _: [target()]
    ran = command("targets", "pause", "anvl")
    assert (ran.code, ran.err) == (2, 'no target is called "anvl"; did you mean "anvil"?\n')


def test_check_probes_from_here_and_records_nothing(command: Command) -> None:
    command.rpcs.answers["list_targets"] = lambda _: [target()]
    ran = command("check", "anvil")
    assert ran.code == 1
    assert "anvil uptime  fail" in ran.out
    assert "breach   service_down" in ran.out
    assert [function for function, _ in command.rpcs.calls] == ["list_targets"]


def test_check_as_json_is_what_would_be_recorded(command: Command) -> None:
    command.rpcs.answers["list_targets"] = lambda _: [target()]
    (result,) = json.loads(command("check", "anvil", "--kind", "uptime", "--json").out)
    assert result["outcome"] == "fail"
    assert result["check_id"] == target()["checks"]["uptime"]["check_id"]


def test_check_record_makes_the_checks_due(command: Command) -> None:
    command.rpcs.answers["list_targets"] = lambda _: [target()]
    command.rpcs.answers["run_check_now"] = lambda _: {"due": 1}
    ran = command("check", "anvil", "--record")
    assert (ran.code, ran.out) == (0, "1 check is due; the next tick runs and records it\n")


def test_a_kind_the_target_has_not_is_a_mistake(command: Command) -> None:
    command.rpcs.answers["list_targets"] = lambda _: [target()]
    ran = command("check", "anvil", "--kind", "p2p")
    assert (ran.code, ran.err) == (2, "anvil has no p2p check; it has uptime\n")


ALERT = {
    "id": "5f0c4f1e-0000-4000-8000-000000000001",
    "status": "firing",
    "severity": "critical",
    "target": "anvil",
    "source": "anvil",
    "alert_type": "service_down",
    "message": "refused\x1b[2J the connection",
    "first_seen_at": THEN,
    "acknowledged": True,
    "acknowledged_by_email": "ann@example.org",
}


def test_an_alert_that_fires_is_a_problem(command: Command) -> None:
    command.rpcs.answers["list_alerts"] = lambda _: [ALERT]
    ran = command("alerts")
    assert ran.code == 1
    assert "5f0c4f1e  firing  critical  anvil  service_down" in ran.out
    assert "on it: ann@example.org" in ran.out
    assert command.rpcs.called("list_alerts")[0]["status"] == "firing"


def test_what_a_target_wrote_cannot_move_the_cursor(command: Command) -> None:
    command.rpcs.answers["list_alerts"] = lambda _: [ALERT]
    assert "\x1b" not in command("alerts").out


def test_alerts_that_are_over_are_no_problem(command: Command) -> None:
    command.rpcs.answers["list_alerts"] = lambda _: [{**ALERT, "status": "resolved"}]
    assert command("alerts", "--status", "all").code == 0
    assert command.rpcs.called("list_alerts")[0]["status"] is None


def test_members_are_listed(command: Command) -> None:
    command.rpcs.answers["list_members"] = lambda _: [{"email": "a@b.c", "role": "admin", "granted_at": NOW}]
    assert command("members", "list").out == "  a@b.c  admin  since 2026-11-23\n"


def test_every_chain_and_kind_can_be_written_in_a_file(command: Command, file: Path) -> None:
    command.rpcs.answers["apply_targets"] = lambda _: PLAN
    for chain, family in catalog()["chains"].items():
        checks = ", ".join(f"{kind}: " for kind in family["kinds"])
        file.write_text(
            f"targets: [{{name: a, chain: {chain}, endpoint: 'http://a.example/', checks: {{{checks}}}}}]"
        )
        assert command("targets", "apply", str(file)).code == 0
