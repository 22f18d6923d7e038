"""Every call of the store, made once to the real API: a function that cannot run, or has other names, shows here."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import pytest

from tests.support.parts import Api
from watchkeeper.catalog import catalog
from watchkeeper.errors import StoreError
from watchkeeper.store import Store

Json = dict[str, Any]
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def store(api: Api) -> Iterator[Store]:
    with api.store() as store:
        store.publish_catalog(catalog("all"))
        yield store


@pytest.fixture
def target(store: Store) -> Iterator[Json]:
    target = store.save_target(
        {
            "name": f"calls-{token_hex(4)}",
            "endpoint": "http://127.0.0.1:9/",
            "labels": {"team": "ünïcode ✓"},
            "checks": {"uptime": {"interval_s": 3600}},
        }
    )
    yield target
    store.delete_target(target["id"])


def test_a_target_comes_back_as_it_was_saved(store: Store, target: Json) -> None:
    (found,) = [t for t in store.list_targets() if t["id"] == target["id"]]
    assert found["labels"] == {"team": "ünïcode ✓"}
    assert found["checks"]["uptime"]["interval_s"] == 3600


def test_a_file_of_targets_is_planned_before_it_is_applied(store: Store, target: Json) -> None:
    wanted = {"name": target["name"], "endpoint": "http://127.0.0.1:10/", "checks": {}}
    plan = store.apply_targets([wanted], dry_run=True)
    assert plan["changed"] == [target["name"]]
    assert store.apply_targets([wanted])["changed"] == [target["name"]]
    assert store.apply_targets([wanted])["unchanged"] == [target["name"]]


def test_a_target_is_paused_and_resumed(store: Store, target: Json) -> None:
    assert store.pause_target(target["id"])["paused"] is True
    assert store.pause_target(target["id"], paused=False)["paused"] is False


def test_a_claimed_check_is_recorded_once(store: Store, target: Json) -> None:
    assert store.run_check_now(target["id"], "uptime") == {"due": 1}
    (task,) = [t for t in store.claim_due_checks() if t["target_id"] == target["id"]]
    at = datetime.now(UTC).isoformat()
    result = {
        "check_id": task["check_id"],
        "due_at": task["due_at"],
        "outcome": "ok",
        "started_at": at,
        "finished_at": at,
        "samples": [{"name": "response_time", "value": "12.5", "unit": "ms"}],
    }
    assert store.record_check_results([result])["recorded"] == 1
    assert store.record_check_results([result])["repeated"] == 1

    earlier = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    points = store.get_metric_series(target["id"], "response_time", earlier, later, points=10)
    assert [p["avg"] for p in points if p["avg"] is not None] == [12.5]


def test_a_probe_that_nobody_asked_for_is_not_settled(store: Store) -> None:
    at = datetime.now(UTC).isoformat()
    result = {"check_id": NOBODY, "due_at": at, "outcome": "ok", "started_at": at, "finished_at": at}
    assert store.settle_probe(NOBODY, result) == {"settled": False}


def test_the_summary_and_the_alerts_can_be_read(store: Store) -> None:
    assert store.get_system_health_summary()["status"] in ("ok", "warning", "critical", "unknown")
    assert isinstance(store.list_alerts(status="firing", severity="critical", max_rows=5), list)


def test_a_metric_of_ones_own_is_recorded(store: Store) -> None:
    assert len(store.record_system_metric("calls_test", 1.5, "percent", metadata={"host": "a"})) == 36


def test_a_role_is_granted_listed_and_revoked(api: Api, store: Store) -> None:
    person = api.person()
    store.grant_role(person.email, "viewer")
    assert [m["role"] for m in store.list_members() if m["email"] == person.email] == ["viewer"]
    store.revoke_role(person.email)
    assert person.email not in [m["email"] for m in store.list_members()]


def test_a_chain_without_tables_is_refused_by_the_name_of_its_setting(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        store.observe_chain_tables("head", {"tables": {"blocks": "no_such_table"}})
    assert caught.value.argument == "settings.tables.blocks"


@pytest.mark.parametrize("call", [Store.pause_target, Store.delete_target, Store.run_check_now])
def test_what_does_not_exist_is_said_so(store: Store, call: Any) -> None:
    with pytest.raises(StoreError) as caught:
        call(store, NOBODY)
    assert (caught.value.code, caught.value.argument) == ("PT404", "target_id")


def test_a_wrong_key_is_refused_without_showing_it(api: Api) -> None:
    with Store(api.url, "sb_secret_wrong_key_00000000") as store, pytest.raises(StoreError) as caught:
        store.list_targets()
    assert "wrong_key" not in str(caught.value)


@pytest.fixture
def channel(store: Store) -> Iterator[Json]:
    channel = store.save_channel(
        {"name": f"calls-{token_hex(4)}", "kind": "webhook", "secrets": {"url": "env:CHANNEL_CALLS"}}
    )
    yield channel
    store.delete_channel(channel["name"])


def of(name: str, found: list[Json]) -> list[Json]:
    return [one for one in found if one["name"] == name]


def test_a_test_message_is_claimed_and_settled_once(store: Store, channel: Json) -> None:
    line = store.send_test(channel["name"])
    (message,) = [m for m in store.claim_deliveries() if m["channel"]["name"] == channel["name"]]
    assert (message["event"], message["deliveries"][0]["id"]) == ("test", line["id"])
    settlement = {
        "delivery_id": line["id"],
        "lease_id": message["lease_id"],
        "outcome": "dead",
        "error": "no",
    }
    assert store.settle_deliveries([settlement]) == {"settled": 1, "stale": 0}
    assert store.settle_deliveries([settlement]) == {"settled": 0, "stale": 1}
    (found,) = store.list_deliveries(channel=channel["name"], status="dead", max_rows=1)
    assert (found["id"], found["last_error"]) == (line["id"], "no")
    assert store.retry_delivery(line["id"])["status"] == "pending"
    assert of(channel["name"], store.list_channels())[0]["pending"] == 1


def test_a_route_with_its_ladder_and_who_is_on_call(store: Store, channel: Json) -> None:
    name = channel["name"]
    store.save_rotation({"name": name, "people": ["ann@example.org"], "starts_at": "2026-01-05T09:00"})
    step = {"after_s": 300, "channels": [name], "on_call": [name]}
    store.save_escalation({"name": name, "steps": [step]})
    store.save_route({"name": name, "channels": [name], "escalation": name})
    try:
        assert of(name, store.list_routes())[0]["channels"] == [name]
        assert of(name, store.list_escalations())[0]["steps"] == [step]
        assert of(name, store.list_rotations())[0]["on_call"] == "ann@example.org"
        with pytest.raises(StoreError, match="route still uses"):
            store.delete_escalation(name)
        store.save_override(name, "bo@example.org", "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
        assert [o["person"] for o in store.who_is_on_call(name)] == ["bo@example.org"]
        assert [o["person"] for o in store.who_is_on_call(name, "2001-01-01T00:00:00Z")] == [
            "ann@example.org"
        ]
    finally:
        store.delete_route(name)
        store.delete_escalation(name)
        store.delete_rotation(name)


def test_a_silence_is_previewed_saved_and_ended(store: Store) -> None:
    silence = {"comment": "calls", "starts_at": "2020-01-01T00:00", "ends_at": "2020-01-01T01:00"}
    assert store.preview_silence(silence)["active"] is False
    saved = store.save_silence(silence)
    assert saved["id"] in [s["id"] for s in store.list_silences()]
    store.end_silence(saved["id"])
    assert saved["id"] not in [s["id"] for s in store.list_silences()]


def test_a_heartbeat_is_reported_with_its_token(store: Store) -> None:
    name = f"calls-{token_hex(4)}"
    saved = store.save_heartbeat({"name": name, "period_s": 3600})
    assert store.record_heartbeat(saved["token"], "success", "all copied")["heartbeat"] == name
    assert of(name, store.list_heartbeats())[0]["status"] == "ok"
    store.delete_heartbeat(name)


def test_a_file_is_planned_applied_and_exported(store: Store) -> None:
    name = f"calls-{token_hex(4)}"
    config = {"channels": [{"name": name, "kind": "webhook", "secrets": {"url": "env:CHANNEL_CALLS"}}]}
    assert store.apply_config(config, dry_run=True)["plan"]["channels"]["created"] == [name]
    assert store.apply_config(config)["plan"]["channels"]["created"] == [name]
    exported = store.export_config()
    assert name in [c["name"] for c in exported["channels"]]
    assert store.apply_config(exported)["plan"]["channels"]["changed"] == []
    store.delete_channel(name)


def test_an_incident_from_its_opening_to_its_postmortem(api: Api, store: Store) -> None:
    person, title = api.person("responder"), f"calls {token_hex(4)}"
    opened = store.create_incident(title, "low", "why", ["node-1"], incident_type="drill")
    id_ = opened["id"]
    (found,) = store.list_incidents("open", "low", search=title, max_rows=1)
    assert (found["id"], found["incident_type"], found["version"]) == (id_, "drill", 1)
    assert store.assign_incident(id_, person.email, 1)["assigned_to_email"] == person.email
    assert store.change_incident_severity(id_, "medium", 2)["severity"] == "medium"
    assert store.set_affected_systems(id_, ["node-2"], 3)["affected_systems"] == ["node-2"]
    metric = f"calls_{token_hex(4)}"
    store.record_system_metric(metric, 1, severity="critical")
    (alert,) = [a for a in store.list_alerts("firing", max_rows=5) if a["source"] == metric]
    assert metric in store.link_alert(id_, alert["id"])["affected_systems"]
    store.add_incident_note(id_, "done", "remediation")
    with pytest.raises(StoreError) as caught:
        store.update_incident_status(id_, "resolved", 1, "over")
    assert (caught.value.code, caught.value.argument) == ("PT409", "version")
    version = store.get_incident(id_)["version"]
    assert store.update_incident_status(id_, "resolved", version, "over")["status"] == "resolved"
    draft = store.draft_postmortem(id_)
    assert title in draft
    assert "- [x] done" in draft
    store.save_postmortem(id_, draft, version + 1)
    read = store.get_incident(id_)
    assert read["postmortem"] == draft
    assert [a["id"] for a in read["alerts"]] == [alert["id"]]


def test_when_incidents_open_by_themselves(store: Store) -> None:
    before = store.get_incident_settings()
    try:
        assert store.save_incident_settings({"network_targets": 7})["network_targets"] == 7
        assert store.get_incident_settings()["network_targets"] == 7
    finally:
        store.save_incident_settings(before)


def test_numbers_for_all_channels_and_how_long_alerts_took(store: Store) -> None:
    assert store.save_delivery_settings({"storm_alerts": 10})["storm_alerts"] == 10
    assert store.get_delivery_settings()["storm_alerts"] == 10
    assert store.save_access_settings({"require_mfa": False}) == store.get_access_settings()
    assert isinstance(store.get_alert_latency(), list)
    assert store.get_uptime_summary(days=7, time_zone="Europe/Berlin")["time_zone"] == "Europe/Berlin"


def test_benchmarks_are_recorded_compared_and_watched(store: Store) -> None:
    name = f"calls-{token_hex(4)}"
    assert len(store.record_benchmark(name, "sign", 1.5, throughput=10, metadata={"host": "a"})) == 36
    more = {"benchmark_name": name, "operation_type": "sign", "duration_ms": 2.5}
    assert store.record_benchmarks([more]) == {"recorded": 1}
    (found,) = store.get_benchmarks(benchmark_name=name)
    assert (found["now"]["n"], found["now"]["p50_ms"], found["before"]) == (2, 2, None)
    earlier = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    points = store.get_benchmark_series(name, "sign", earlier, later, points=10)
    assert sum(point["n"] for point in points) == 2

    rule = {"name": name, "benchmark_name": name, "operation_type": "sign"}
    assert store.save_benchmark_rule(rule)["percentile"] == 95
    assert name in [r["name"] for r in store.list_benchmark_rules()]
    store.delete_benchmark_rule(name)


def test_old_history_is_pruned(store: Store) -> None:
    assert store.prune_history(3650)["more"] is False


def test_a_report_is_asked_for_claimed_settled_and_renewed(store: Store) -> None:
    title = f"calls-{token_hex(4)}"
    wanted = {"formats": ["csv"], "title": title, "match": {"targets": [title]}}
    report = store.request_report("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", **wanted)
    claimed = store.claim_report(60)
    while claimed and claimed["id"] != report["id"]:  # another test's
        claimed = store.claim_report(60)
    assert claimed
    lease = {"id": report["id"], "lease_id": claimed["lease_id"]}
    assert store.get_report_data(report["id"], claimed["lease_id"])["title"] == title
    assert store.settle_report({**lease, "outcome": "making", "progress": 50}) == {"settled": True}
    (found,) = [r for r in store.list_reports(max_rows=50) if r["id"] == report["id"]]
    assert (found["status"], found["progress"]) == ("making", 50)
    file = {"format": "csv", "name": "a.csv", "key": "reports/a", "bytes": 1, "sha256": "0" * 64}
    expires = datetime.now(UTC) + timedelta(hours=1)
    links = {"links": {"csv": "https://s3/a"}, "links_expire_at": expires.isoformat()}
    made = {**lease, "outcome": "made", "files": [file], **links}
    assert store.settle_report(made) == {"settled": True}
    assert store.settle_report(made) == {"settled": False}
    assert store.renew_report(report["id"])["status"] == "requested"
    again = store.claim_report(60)
    assert again
    assert again["files"] == [file]
    assert store.settle_report({**made, "lease_id": again["lease_id"]}) == {"settled": True}
    assert store.claim_report(60) is None


def test_a_plan_of_reports_is_saved_listed_and_deleted(store: Store) -> None:
    name = f"calls-{token_hex(4)}"
    assert store.save_report_plan({"name": name})["formats"] == ["html", "pdf", "csv", "json"]
    assert of(name, store.list_report_plans())[0]["newest"] is None
    store.delete_report_plan(name)
    assert of(name, store.list_report_plans()) == []


def test_the_figures_of_reports_can_be_read(store: Store) -> None:
    span = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    assert store.get_sla_report(*span, {"targets": ["nobody"]})["targets"] == []
    assert isinstance(store.get_compliance_report(*span), dict)


def test_an_objective_is_saved_listed_and_deleted(store: Store, target: Json) -> None:
    name = f"calls-{token_hex(4)}"
    saved = store.save_objective({"name": name, "match": {"targets": [target["name"]]}, "percent": 99.95})
    assert (saved["percent"], saved["window_days"]) == (99.95, 30)
    (found,) = of(name, store.list_objectives())
    assert (found["targets"], found["status"]) == (1, "unknown")
    store.delete_objective(name)
    assert of(name, store.list_objectives()) == []


def test_closed_months_are_listed_and_one_that_is_not_is_refused(store: Store) -> None:
    assert isinstance(store.list_sla_closes(), list)
    for ask in (store.get_sla_close, store.verify_sla_close):
        with pytest.raises(StoreError, match="2020-01 is not closed") as caught:
            ask("2020-01")
        assert caught.value.argument == "month"


def test_the_books_can_be_closed_again_and_again(store: Store) -> None:
    while store.roll_up_days()["more"]:
        pass
    store.close_months()
    assert store.close_months()["closed"] == []
    assert store.roll_up_days() == {"days": 0, "more": False}
    assert len(store.audit_head()["hash"]) == 64


def test_a_change_is_in_the_audit_log_which_is_whole(store: Store, target: Json) -> None:
    (entry,) = store.list_audit_log("targets", "operator", target["name"], max_rows=5)
    assert (entry["action"], entry["after"]["id"]) == ("insert", target["id"])
    assert store.export_audit_log(after_seq=entry["seq"] - 1, max_rows=1)["rows"] == [entry]
    head = store.audit_head()
    assert store.verify_audit_log(entry["seq"], [head])["ok"] is True
