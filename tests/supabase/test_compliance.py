"""The compliance report: who had access, what changed, how people answered, and which controls hold now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.supabase.test_audit import chain
from tests.supabase.world import TOOLS, Db, Json, World, refused

INGEST, METRICS = TOOLS
NOW = datetime.now(UTC)
FROM, TO = NOW - timedelta(days=2), NOW + timedelta(days=1)


def report(db: Db, from_time: datetime = FROM, to_time: datetime = TO) -> Json:
    chain(db)
    answer: Json = db.rpc("get_compliance_report", from_time=from_time, to_time=to_time)
    return answer


def control(db: Db, name: str, at: datetime | None = None) -> tuple[str, str]:
    """The status and the evidence of the control whose name begins so."""
    chain(db)
    told = db.value("select watchkeeper.get_compliance_report(%s, %s, %s)", FROM, TO, at or datetime.now(UTC))
    (found,) = [each for each in told["controls"] if each["control"].startswith(name)]
    return found["status"], found["evidence"]


def test_it_says_who_has_access_and_who_had(world: World) -> None:
    db = world.db
    ann = db.member("admin", "ann@example.org")
    db.sign_up("bob@example.org")
    chain(db)
    for rpc, given in (
        ("grant_role", {"role": "viewer"}), ("grant_role", {"role": "responder"}), ("revoke_role", {}),
    ):  # fmt: skip
        with db.acting_as("authenticated", ann):
            db.rpc(rpc, email="bob@example.org", **given)
        chain(db)
    told = report(db)
    assert [(m["email"], m["role"]) for m in told["members"]] == [("ann@example.org", "admin")]
    assert [(e["actor"], e["action"], e["member"], e["role"]) for e in told["access"]] == [
        ("operator", "granted", "ann@example.org", "admin"),
        ("ann@example.org", "granted", "bob@example.org", "viewer"),
        ("ann@example.org", "changed", "bob@example.org", "responder"),
        ("ann@example.org", "revoked", "bob@example.org", "responder"),
    ]
    spans = [(p["email"], p["role"], p["until"] is None) for p in told["had_access"]]
    assert spans == [
        ("ann@example.org", "admin", True),
        ("bob@example.org", "viewer", False),
        ("bob@example.org", "responder", False),
    ]
    viewer, responder = (p for p in told["had_access"] if p["email"] == "bob@example.org")
    assert viewer["until"] == responder["since"]
    later = report(db, NOW + timedelta(hours=1), TO)
    assert [p["email"] for p in later["had_access"]] == ["ann@example.org"]
    assert later["access"] == []
    assert report(db, NOW - timedelta(days=9), FROM)["had_access"] == []


def test_a_member_from_before_the_log_had_access_too(db: Db) -> None:
    ann = db.sign_up("ann@example.org")
    bob = db.sign_up("bob@example.org")
    db.run("alter table watchkeeper.members disable trigger audit")
    db.run("insert into watchkeeper.members values (%s, 'viewer', %s)", ann, FROM + timedelta(hours=1))
    db.run("insert into watchkeeper.members values (%s, 'auditor', %s)", bob, FROM - timedelta(days=30))
    db.run("alter table watchkeeper.members enable trigger audit")
    db.run("delete from watchkeeper.members where user_id = %s", bob)
    periods = {p["email"]: (p["role"], p["since"], p["until"]) for p in report(db)["had_access"]}
    assert periods["ann@example.org"][::2] == ("viewer", None)
    role, since, until = periods["bob@example.org"]
    assert (role, since, until is None) == ("auditor", None, False)
    assert [p["email"] for p in report(db, FROM - timedelta(days=1), FROM)["had_access"]] == [
        "bob@example.org"
    ]


def test_changes_are_counted_by_table_and_by_person(world: World) -> None:
    db = world.db
    ann = db.member("admin", "ann@example.org")
    for name in ("chat", "spare"):
        with db.acting_as("authenticated", ann):
            db.rpc("save_channel", channel={"name": name, "kind": "chat"})
    chain(db)
    with db.acting_as("authenticated", ann):
        db.rpc("delete_channel", name="spare")
    changes = report(db)["changes"]
    assert changes["count"] == 4
    assert changes["by_table"] == [
        {"table_name": "channels", "insert": 2, "update": 1, "delete": 0},
        {"table_name": "members", "insert": 1, "update": 0, "delete": 0},
    ]
    assert changes["by_actor"] == [
        {"actor": "ann@example.org", "changes": 3},
        {"actor": "operator", "changes": 1},
    ]
    assert report(db, NOW - timedelta(days=9), FROM)["changes"] == {
        "count": 0,
        "by_table": [],
        "by_actor": [],
    }


def test_incidents_and_response_times_are_those_of_the_period(world: World) -> None:
    db = world.db
    world.channel()
    world.route("chat")
    world.fire(0)
    ann = db.member("responder", "ann@example.org")
    world.send(20)
    with db.acting_as("authenticated", ann):
        db.rpc("acknowledge_alert", alert_id=db.value("select id from system_alerts"))
    db.run("update system_alerts set acknowledged_at = created_at + interval '4 minutes'")
    world.end(600)
    db.run(
        "insert into incident_logs (incident_type, severity, title, status, created_at, resolved_at) "
        "values ('manual', 'high', 'slow', 'resolved', %s, %s)",
        world.at(0), world.at(1800),
    )  # fmt: skip
    told = report(db)
    assert (told["incidents"]["count"], float(told["incidents"]["mttr_s"])) == (1, 1800)
    alerts = told["alerts"]
    assert (alerts["count"], float(alerts["mtta_s"]), float(alerts["mttr_s"])) == (1, 240, 600)
    assert (alerts["acknowledged"]["within_5_min"], alerts["delivered"]["within_30_s"]) == (1, 1)
    before = report(db, FROM - timedelta(days=9), FROM)
    assert (before["incidents"]["count"], before["alerts"]["count"], before["alerts"]["mtta_s"]) == (
        0,
        0,
        None,
    )


def test_every_control_has_a_status_and_its_evidence(db: Db) -> None:
    controls = report(db)["controls"]
    assert len({each["control"] for each in controls}) == len(controls) == 10
    assert {each["status"] for each in controls} <= {"ok", "failed", "unknown"}
    assert all(each["evidence"] for each in controls)


# Controls ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["public.system_alerts", "watchkeeper.targets"])
def test_row_level_security_has_to_be_on_everywhere(db: Db, table: str) -> None:
    status, evidence = control(db, "Row-level security")
    covered, _, all_ = evidence.removesuffix(" tables").partition(" of ")
    assert (status, covered) == ("ok", all_)
    db.run(f"alter table {table} disable row level security")
    status, evidence = control(db, "Row-level security")
    assert (status, evidence.endswith(table)) == ("failed", True)


@pytest.mark.parametrize("role", ["anon", "authenticated", "public"])
def test_a_definer_in_the_api_is_found(db: Db, role: str) -> None:
    assert control(db, "Nothing of the API")[0] == "ok"
    db.run("create function public.backdoor() returns int language sql security definer as 'select 1'")
    assert control(db, "Nothing of the API")[0] == "ok"
    db.run(f"grant execute on function public.backdoor() to {role}")
    assert control(db, "Nothing of the API") == ("failed", "security definer: public.backdoor()")


def test_a_log_that_was_tampered_with_is_found(world: World) -> None:
    db = world.db
    world.channel()
    assert control(db, "The audit log is whole")[0] == "ok"
    db.run("alter table watchkeeper.audit_log disable trigger append_only")
    db.run("update watchkeeper.audit_log set actor = 'bob'")
    assert control(db, "The audit log is whole") == ("failed", "row 1: its content is not what its hash says")


def test_a_trigger_that_was_switched_off_is_found(db: Db) -> None:
    assert control(db, "Every change of settings")[0] == "ok"
    db.run("alter table watchkeeper.routes disable trigger audit")
    status, evidence = control(db, "Every change of settings")
    assert (status, evidence.endswith("switched off on watchkeeper.routes")) == ("failed", True)


def test_closed_months_of_the_period_are_verified(db: Db) -> None:
    assert control(db, "Closed months") == ("unknown", "no month of this period is closed")
    db.run(
        "insert into watchkeeper.sla_closes (month, inputs, inputs_hash, report, previous_hash, hash, closed_at) "
        "values (date_trunc('month', now())::date, '{}', 'x', '{}', 'x', 'x', now())"
    )
    status, evidence = control(db, "Closed months")
    assert (status, "differs at" in evidence) == ("failed", True)


def test_an_alert_that_reaches_nobody_is_found(world: World) -> None:
    assert control(world.db, "Every firing alert")[0] == "ok"
    world.fire(0)
    assert control(world.db, "Every firing alert") == ("failed", "1 reach nobody")


def test_a_route_needs_an_escalation(world: World) -> None:
    db = world.db
    world.channel()
    world.setting("escalation", name="ladder", steps=[{"after_s": 0, "channels": ["chat"]}])
    world.route("chat")
    assert control(db, "Alerts that nobody")[0] == "failed"
    world.route("chat", escalation="ladder")
    assert control(db, "Alerts that nobody") == ("ok", "routes with an escalation: all")
    world.route("chat", escalation="ladder", enabled=False)
    assert control(db, "Alerts that nobody")[0] == "failed"


def test_a_monitor_that_stands_still_is_found(world: World) -> None:
    db = world.db
    assert control(db, "Checks are scheduled", world.at(0))[0] == "unknown"
    world.tick(0)
    assert control(db, "Checks are scheduled", world.at(290))[0] == "ok"
    assert control(db, "Checks are scheduled", world.at(310))[0] == "failed"


def test_notifications_that_wait_are_found(world: World) -> None:
    db = world.db
    assert control(db, "Notifications", world.at(0)) == ("unknown", "nothing was delivered yet, 0 overdue")
    world.channel()
    world.route("chat")
    world.fire(0)
    assert control(db, "Notifications", world.at(100))[0] == "failed"
    world.send(100)
    status, evidence = control(db, "Notifications", world.at(100))
    assert (status, evidence.startswith("last delivery at ")) == ("ok", True)


def test_backups_are_known_by_their_heartbeats(world: World) -> None:
    db = world.db

    def beat(name: str, event: str, seconds: float) -> None:
        db.run(
            "update watchkeeper.heartbeats set token_hash = sha256(convert_to(name, 'UTF8')) where name = %s",
            name,
        )
        db.value("select watchkeeper.record_heartbeat(%s, %s, null, %s)", name, event, world.at(seconds))

    def backups(seconds: float) -> str:
        return control(db, "Backups", world.at(seconds))[0]

    world.setting("heartbeat", name="job", period_s=60)
    status, evidence = control(db, "Backups", world.at(0))
    assert (status, 'label backup: "true"' in evidence) == ("unknown", True)
    for name in ("nightly", "weekly"):
        world.setting("heartbeat", name=name, period_s=3600, grace_s=60, labels={"backup": "true"})
    assert backups(0) == "unknown"
    beat("nightly", "success", 0)
    assert backups(0) == "unknown"  # of the other one nothing is known
    beat("weekly", "success", 0)
    assert (backups(3660), backups(3661)) == ("ok", "failed")
    beat("weekly", "start", 3000)
    assert backups(3600) == "ok"
    beat("weekly", "fail", 3200)
    assert backups(3600) == "failed"


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        ({"from_time": None, "to_time": TO}, "from_time"),
        ({"from_time": "-infinity", "to_time": TO}, "from_time"),
        ({"from_time": FROM, "to_time": None}, "to_time"),
        ({"from_time": FROM, "to_time": FROM}, "to_time"),
        ({"from_time": TO, "to_time": FROM}, "to_time"),
        ({"from_time": "2021-01-01", "to_time": "2031-01-02"}, "to_time"),
    ],
)
def test_a_wrong_period_is_refused_by_name(db: Db, given: dict[str, Any], argument: str) -> None:
    with refused(db, "22023", naming=f"{argument}: "):
        db.rpc("get_compliance_report", **given)


def test_ten_years_and_nothing_in_them_is_a_report_too(db: Db) -> None:
    told = report(db, datetime(2021, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC))
    assert (told["changes"]["count"], told["members"], told["incidents"]["mttr_s"]) == (0, [], None)


# Who had access --------------------------------------------------------------------------------------------------


def tokens(db: Db, from_time: datetime = FROM, to_time: datetime = TO) -> list[tuple[Any, ...]]:
    keys = ("name", "role", "created_by", "since", "until", "revoked_at", "last_used_at")
    told: list[Json] = report(db, from_time, to_time)["api_tokens"]
    assert all(set(each) == set(keys) for each in told)
    return [tuple(each[key] for key in keys) for each in told]


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_the_report_says_which_tools_had_access_and_until_when(db: Db) -> None:
    made, used, ended = NOW - timedelta(hours=9), NOW - timedelta(hours=5), NOW - timedelta(hours=3)
    with db.acting_as("authenticated", db.member("admin", "ann@example.org")):
        db.rpc("create_api_token", name="ci", role=INGEST, expires_in_days=1)
        db.rpc("create_api_token", name="grafana", role=METRICS, expires_in_days=1)
    expires = made + timedelta(days=1)
    db.run("update watchkeeper.api_tokens set created_at = %s, expires_at = %s", made, expires)
    db.run(
        "update watchkeeper.api_tokens set last_used_at = %s, revoked_at = %s where name = 'ci'", used, ended
    )
    ci = ("ci", "ingest", "ann@example.org", iso(made), iso(ended), iso(ended), iso(used))
    grafana = ("grafana", "metrics", "ann@example.org", iso(made), iso(expires), None, None)
    assert tokens(db) == [ci, grafana]
    assert tokens(db, ended) == [grafana], "a token that had ended before the period gave nobody access"
    assert tokens(db, ended - timedelta(seconds=1), ended) == [ci, grafana]
    assert tokens(db, made - timedelta(days=1), made) == []
    assert tokens(db, expires, expires + timedelta(days=1)) == []
    db.run(
        "update watchkeeper.api_tokens set revoked_at = %s where name = 'grafana'",
        expires + timedelta(hours=1),
    )
    assert tokens(db)[1][4:6] == (iso(expires), iso(expires + timedelta(hours=1))), "expired before that"
