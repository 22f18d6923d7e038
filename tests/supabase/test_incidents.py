"""Incidents by hand: what may become what, who may change it, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.supabase.test_outbox import acknowledge
from tests.supabase.world import Array, Db, Json, World, anything, only, refused

STATES = ("open", "investigating", "resolved", "closed")
ALLOWED = {
    ("open", "investigating"),
    ("open", "resolved"),
    ("investigating", "resolved"),
    ("resolved", "closed"),
    ("resolved", "open"),
    ("closed", "open"),
}
WAYS = {
    "open": (),
    "investigating": ("investigating",),
    "resolved": ("resolved",),
    "closed": ("resolved", "closed"),
}
CHANGES: dict[str, Json] = {
    "update_incident_status": {"status": "investigating"},
    "assign_incident": {"email": "anna@example.org"},
    "change_incident_severity": {"severity": "critical"},
    "set_affected_systems": {"affected_systems": Array(["web"])},
    "save_postmortem": {"postmortem": "# Why"},
}


def opened(world: World, seconds: float = 0, title: str = "It is down", **more: Any) -> Json:
    given = {"severity": "high", "description": None, "systems": [], "alerts": [], "type": "manual", **more}
    incident: Json = world.db.value(
        "select watchkeeper.create_incident(%s, %s, %s, %s::text[], %s, %s::uuid[], %s)",
        title, given["severity"], given["description"], Array(given["systems"]), given["type"],
        Array(given["alerts"]), world.at(seconds),
    )  # fmt: skip
    return incident


def moved(world: World, incident: Json, *states: str, seconds: float = 60) -> Json:
    for status in states:
        incident = world.db.value(
            "select watchkeeper.update_incident_status(%s, %s, %s, %s, %s)",
            incident["id"], status, f"because it is {status}", incident["version"], world.at(seconds),
        )  # fmt: skip
    return incident


def changed(db: Db, rpc: str, incident: Json, **given: Any) -> Json:
    answer: Json = db.rpc(rpc, incident_id=incident["id"], version=incident["version"], **given)
    return answer


def timeline(world: World, incident: Json) -> list[tuple[str, str | None]]:
    whole = world.db.rpc("get_incident", incident_id=incident["id"])
    return [(entry["kind"], entry["text"]) for entry in whole["timeline"]]


def kinds(world: World, incident: Json) -> list[str]:
    return [kind for kind, _ in timeline(world, incident)]


def alert_id(world: World, source: str = "anvil") -> str:
    return str(
        world.db.value("select id from system_alerts where source = %s order by created_at desc", source)
    )


# Becoming --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("was", "becomes"), sorted(product(STATES, STATES)))
def test_what_may_become_what(world: World, was: str, becomes: str) -> None:
    incident = moved(world, opened(world), *WAYS[was])
    if (was, becomes) in ALLOWED:
        after = moved(world, incident, becomes, seconds=120)
        assert (after["status"], after["version"]) == (becomes, incident["version"] + 1)
        assert (after["resolved_at"] is not None) == (becomes in ("resolved", "closed"))
        assert (after["closed_at"] is not None) == (becomes == "closed")
    else:
        with refused(world.db, "PT409", naming=f"status: an incident that is {was} cannot become {becomes}"):
            moved(world, incident, becomes)


@pytest.mark.parametrize(("was", "becomes"), sorted(ALLOWED))
def test_an_end_and_a_reopening_want_notes(world: World, was: str, becomes: str) -> None:
    incident = moved(world, opened(world), *WAYS[was])
    if becomes == "investigating":
        assert changed(world.db, "update_incident_status", incident, status=becomes)["status"] == becomes
    else:
        with refused(world.db, "22023", naming="notes: "):
            changed(world.db, "update_incident_status", incident, status=becomes)


def test_its_moments_are_kept(world: World) -> None:
    incident = moved(world, opened(world), "investigating", seconds=60)
    incident = moved(world, incident, "resolved", seconds=120)
    incident = moved(world, incident, "closed", seconds=180)
    moments = ("created_at", "investigating_at", "resolved_at", "closed_at")
    assert [datetime.fromisoformat(incident[name]) for name in moments] == [
        world.at(seconds) for seconds in (0, 60, 120, 180)
    ]
    assert incident["resolution_notes"] == "because it is resolved"


def test_a_reopened_one_is_open_with_its_history(world: World) -> None:
    incident = moved(world, opened(world), "investigating", "resolved", "closed", "open")
    assert (incident["resolved_at"], incident["resolution_notes"], incident["closed_at"]) == (
        None,
        None,
        None,
    )
    assert timeline(world, incident)[1:] == [
        ("status", f"because it is {status}") for status in ("investigating", "resolved", "closed", "open")
    ]


# Versions --------------------------------------------------------------------------------------------------------


def test_of_two_admins_at_once_exactly_one_wins_and_the_other_hears_of_whom(fresh: Callable[[], Db]) -> None:
    db = fresh()
    incident = db.rpc("create_incident", title="It is down", severity="high")
    admins = {
        email: (db.member("admin", email), fresh()) for email in ("anna@example.org", "bert@example.org")
    }

    def resolve(email: str) -> str:
        user, own = admins[email]
        try:
            with own.acting_as("authenticated", user):
                changed(own, "update_incident_status", incident, status="resolved", notes=f"by {email}")
                own.run("select pg_sleep(0.2)")  # the other waits for the row
        except psycopg.Error as error:
            return f"{error.sqlstate} {error}"
        return "won"

    with ThreadPoolExecutor(2) as pool:
        answers = dict(zip(admins, pool.map(resolve, admins), strict=True))
    (winner,) = (email for email, answer in answers.items() if answer == "won")
    (refusal,) = (answer for answer in answers.values() if answer != "won")
    after = db.rpc("get_incident", incident_id=incident["id"])
    assert (after["resolution_notes"], after["version"]) == (f"by {winner}", 2)
    moment = datetime.fromisoformat(after["updated_at"]).strftime("%Y-%m-%d %H:%M:%S UTC")
    assert refusal.startswith(f"PT409 version: {winner} changed the incident at {moment}")


@pytest.mark.parametrize("rpc", CHANGES)
def test_every_change_counts_and_an_old_version_changes_nothing(world: World, rpc: str) -> None:
    world.db.member("responder", "anna@example.org")
    incident = opened(world)
    after = changed(world.db, rpc, incident, **CHANGES[rpc])
    assert (after["version"], after["updated_by_email"]) == (2, "operator")
    with refused(world.db, "PT409", naming="version: operator changed the incident at "):
        changed(world.db, rpc, incident, **CHANGES[rpc])
    for version in (None, 0, -1, 99):
        with refused(world.db, "22023", "PT409", naming="version: "):
            changed(world.db, rpc, {**incident, "version": version}, **CHANGES[rpc])


@pytest.mark.parametrize("rpc", ["assign_incident", "change_incident_severity", "set_affected_systems"])
def test_what_changes_nothing_is_no_change(world: World, rpc: str) -> None:
    world.db.member("responder", "anna@example.org")
    once = changed(world.db, rpc, opened(world), **CHANGES[rpc])
    assert changed(world.db, rpc, once, **CHANGES[rpc]) == once
    assert len(kinds(world, once)) == 2


# Content ---------------------------------------------------------------------------------------------------------


def test_an_alert_that_is_linked_adds_what_it_is_about_once(world: World) -> None:
    world.fire(0, "node-1", network="main")
    world.fire(1, "node-2", network="main")
    incident = opened(world, 10, systems=["web"], alerts=[UUID(alert_id(world, "node-1"))])
    assert (incident["affected_systems"], incident["network"]) == (["web", "node-1"], "main")
    for _ in range(2):
        linked = world.db.rpc("link_alert", incident_id=incident["id"], alert_id=alert_id(world, "node-2"))
    assert linked["affected_systems"] == ["web", "node-1", "node-2"]
    whole = world.db.rpc("get_incident", incident_id=incident["id"])
    assert [alert["source"] for alert in whole["alerts"]] == ["node-1", "node-2"]
    assert kinds(world, incident).count("linked") == 2


def test_the_timeline_is_what_people_alerts_and_deliveries_did_in_order(world: World) -> None:
    world.channel("chat", "pager")
    world.route("chat")
    world.fire(0)
    world.send(5)
    incident = opened(world, 10, alerts=[UUID(alert_id(world))])
    acknowledge(world, 20)
    world.db.run(
        "select watchkeeper.add_incident_note(%s, 'restarted it', 'remediation', %s)",
        incident["id"], world.at(30),
    )  # fmt: skip
    world.end(40)
    world.settle(45, world.claim(45), "dead", error="410 gone")
    moved(world, incident, "resolved", seconds=50)
    happened = timeline(world, incident)
    assert [kind for kind, _ in happened] == [
        "alert_fired", "delivery_sent", "opened", "linked", "alert_acknowledged", "remediation", "alert_resolved",
        "settled", "delivery_dead", "status",
    ]  # fmt: skip
    assert ("delivery_sent", "trigger to chat") in happened
    assert ("delivery_dead", "acknowledge to chat: 410 gone") in happened
    assert ("alert_resolved", "anvil service_down: recovered") in happened


def test_who_it_was_stays_readable_when_the_user_is_gone(world: World) -> None:
    anna = world.db.member("responder", "anna@example.org")
    world.fire(0)
    with world.db.acting_as("authenticated", anna):
        incident = world.db.rpc(
            "create_incident", title="It is down", severity="high", alert_ids=Array([UUID(alert_id(world))])
        )
        incident = changed(world.db, "assign_incident", incident, email="ANNA@example.org")
        world.db.rpc("resolve_alert", alert_id=alert_id(world), note="cable")
        incident = changed(world.db, "save_postmortem", incident, postmortem="# Why")
    world.db.run("delete from auth.users where id = %s", anna)
    whole = world.db.rpc("get_incident", incident_id=incident["id"])
    people = [
        whole[f"{verb}_email"]
        for verb in ("created_by", "updated_by", "assigned_to", "postmortem_updated_by")
    ]
    assert people == ["anna@example.org"] * 4
    actors = {entry["actor"] for entry in whole["timeline"] if entry["kind"] != "alert_fired"}
    assert actors == {"anna@example.org"}
    assert only(whole["alerts"])["linked_by_email"] == "anna@example.org"


def test_it_is_assigned_to_members_only(world: World) -> None:
    incident = opened(world)
    for email, state in (("nobody@example.org", "PT404"), (world.db.value(
        "select email from auth.users where id = %s", world.db.sign_up()), "PT404"), ("", "22023")):  # fmt: skip
        with refused(world.db, state, naming="email: "):
            changed(world.db, "assign_incident", incident, email=email)
    world.db.member("viewer", "anna@example.org")
    incident = changed(world.db, "assign_incident", incident, email="anna@example.org")
    assert changed(world.db, "assign_incident", incident, email=None)["assigned_to_email"] is None


def test_a_draft_of_the_postmortem_is_made_of_what_happened(world: World) -> None:
    world.fire(0, "node-1", network="main")
    incident = opened(world, 10, "Blocks\n# stood <b>still</b>".replace("\n", " "), description="Line\n# no heading",
                      alerts=[UUID(alert_id(world, "node-1"))])  # fmt: skip
    world.db.rpc("add_incident_note", incident_id=incident["id"], note="restarted it", kind="remediation")
    incident = moved(world, incident, "resolved", seconds=610)
    draft = world.db.rpc("draft_postmortem", incident_id=incident["id"])
    headings = [line for line in draft.splitlines() if line.startswith("#")]
    assert headings == [
        "# Blocks # stood &lt;b>still&lt;/b>",
        "## Summary",
        "## Impact",
        "## Timeline",
        "## Causes",
        "## Actions",
    ]
    for part in ("Line # no heading", "- Affected: node-1", "- Network: main", "- Duration: 00:10:00",
                 "node-1 is critical", "- [x] restarted it (operator)",
                 "open -> resolved: because it is resolved"):  # fmt: skip
        assert part in draft
    saved = changed(world.db, "save_postmortem", incident, postmortem=draft)
    assert "postmortem" not in saved
    assert world.db.rpc("get_incident", incident_id=incident["id"])["postmortem"] == draft


# Nothing is removed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table", ["public.incident_logs", "watchkeeper.incident_entries", "watchkeeper.incident_alerts"]
)
@pytest.mark.parametrize("how", ["delete from {}", "truncate {} cascade"])
def test_nobody_deletes_not_even_the_owner(world: World, table: str, how: str) -> None:
    world.fire(0)
    opened(world, alerts=[UUID(alert_id(world))])
    with refused(world.db, "42501"):
        world.db.run(how.format(table))
    with refused(world.db, "42501"), world.db.asking_as("service_role"):
        world.db.run(how.format(table))


@pytest.mark.parametrize(
    "column", ["incident_entries set text = 'forged'", "incident_alerts set linked_by_email = 'x'"]
)
def test_what_was_said_is_not_rewritten(world: World, column: str) -> None:
    with refused(world.db, "42501"):
        world.db.run(f"update watchkeeper.{column}")


def test_every_change_is_in_the_audit_log_once(world: World) -> None:
    incident = moved(world, opened(world), "resolved")
    world.db.run("set constraints all immediate")
    logged = world.db.rows("select table_name, action, row_key from watchkeeper.audit_log order by seq")
    assert logged.count(("incident_logs", "insert", incident["id"])) == 1
    assert [table for table, *_ in logged].count("incident_entries") == 2


# Lists -----------------------------------------------------------------------------------------------------------


def test_pages_lose_nothing_and_repeat_nothing_while_rows_come_in(world: World) -> None:
    there = [opened(world, n // 5, f"n{n}")["id"] for n in range(23)]  # five share each moment
    seen: list[str] = []
    cursor: Json = {}
    while page := world.db.rpc("list_incidents", max_rows=4, **cursor):
        seen += [incident["id"] for incident in page]
        cursor = {"before": page[-1]["created_at"], "before_id": page[-1]["id"]}
        opened(world, 100, "new")
    assert sorted(seen) == sorted(there)
    assert seen[0] in there[20:]


def test_each_filter_finds_what_it_names_and_all_of_them_together(world: World) -> None:
    world.db.member("viewer", "anna@example.org")
    world.fire(0, "node-1", network="main")
    wanted = opened(world, 10, "100% of blocks", severity="low", alerts=[UUID(alert_id(world, "node-1"))])
    wanted = changed(world.db, "assign_incident", wanted, email="anna@example.org")
    wanted = moved(world, wanted, "resolved")
    opened(world, 20, "100 peers", description="a % b")
    filters: Json = {
        "status": "resolved", "severity": "low", "assigned_to": "Anna@Example.org", "network": "main",
        "search": "0% of B", "from_time": world.at(10), "to_time": world.at(20), "max_rows": 200,
    }  # fmt: skip
    for chosen in (*({name: value} for name, value in filters.items() if name != "max_rows"), filters):
        found = world.db.rpc("list_incidents", **chosen)
        assert [each["id"] for each in found] == ([wanted["id"]] if chosen != {"from_time": world.at(10)} else
                                                  [found[0]["id"], wanted["id"]])  # fmt: skip
    assert world.db.rpc("list_incidents", search="x_%") == []


# Who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["responder", "admin", "service_role", "viewer", "auditor", "authenticated"])
def test_responders_write_and_members_read(world: World, who: str) -> None:
    incident = opened(world)
    writes: dict[str, Json] = {
        "update_incident_status": {"status": "investigating", "version": 1},
        "add_incident_note": {"note": "x"},
        "save_postmortem": {"postmortem": "x", "version": 2},
    }
    for rpc, given in writes.items():
        if who in ("responder", "admin", "service_role"):
            with world.db.asking_as(who):
                assert world.db.rpc(rpc, incident_id=incident["id"], **given)["id"] == incident["id"]
        else:
            with refused(world.db, "42501"), world.db.asking_as(who):
                world.db.rpc(rpc, incident_id=incident["id"], **given)
    if who == "authenticated":
        with refused(world.db, "42501"), world.db.asking_as(who):
            world.db.rpc("get_incident", incident_id=incident["id"])
    else:
        with world.db.asking_as(who):
            assert len(world.db.rpc("list_incidents")) == 1


# Bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("title", value) for value in anything(None, "", "  ", "x" * 201, "two\nlines", "\x07", "\x7f", "\u2028")),
        *(("severity", value) for value in anything(None, "", "error", "HIGH")),
        *(("description", value) for value in anything("", "x" * 20001, "\x1b[31m")),
        *(("affected_systems", value) for value in (
            None, Array(["x"] * 1000), Array([None]), Array([""]), Array(["x" * 101]), Array(["a\nb"]))),
        *(("incident_type", value) for value in anything(None, "", "x" * 61, "a\tb")),
        *(("alert_ids", value) for value in (
            None, Array([None]), Array([UUID(int=n) for n in range(201)]), Array([UUID(int=1)]))),
    ],
)  # fmt: skip
def test_a_bad_incident_is_refused_by_name(world: World, argument: str, value: Any) -> None:
    given = {
        "title": "x",
        "severity": "low",
        "affected_systems": Array(["web"]),
        "incident_type": "manual",
        "alert_ids": Array(),
    }
    call = "select watchkeeper.create_incident(%s, %s, %s, %s::text[], %s, %s::uuid[], now())"
    args = (
        *({**given, argument: value}.get(name) for name in (
            "title", "severity", "description", "affected_systems", "incident_type", "alert_ids")),
    )  # fmt: skip
    with refused(world.db, "22023", "PT404", naming=f"{argument}: "):
        world.db.run(call, *args)


@pytest.mark.parametrize(
    ("rpc", "argument", "value"),
    [
        *(("update_incident_status", "status", value) for value in anything(None, "", "done")),
        *(("update_incident_status", "notes", value) for value in anything("", "x" * 20001, "\x08")),
        *(("add_incident_note", "note", value) for value in anything(None, " ", "x" * 20001, "\x0c")),
        *(("add_incident_note", "kind", value) for value in anything(None, "opened")),
        *(("change_incident_severity", "severity", value) for value in anything(None, "error")),
        *(("set_affected_systems", "affected_systems", value) for value in (None, Array(["x"] * 201), Array([None]))),
        *(("save_postmortem", "postmortem", value) for value in anything(None, "", "x" * 100001, "ä" * 50001, "\x01")),
        *((rpc, "incident_id", value) for rpc in ("get_incident", "draft_postmortem", "add_incident_note", "link_alert",
                                                 "save_postmortem") for value in (None, uuid4())),
    ],
)  # fmt: skip
def test_a_bad_change_is_refused_by_name(world: World, rpc: str, argument: str, value: Any) -> None:
    good: dict[str, Json] = {
        "update_incident_status": {"status": "resolved", "notes": "x", "version": 1},
        "add_incident_note": {"note": "x"},
        "change_incident_severity": {"severity": "low", "version": 1},
        "set_affected_systems": {"affected_systems": Array(), "version": 1},
        "save_postmortem": {"postmortem": "x", "version": 1},
    }
    world.fire(0)
    good["link_alert"] = {"alert_id": alert_id(world)}
    given = {"incident_id": opened(world)["id"], **good.get(rpc, {}), argument: value}
    if argument == "affected_systems" and value is None:
        with refused(world.db, "22023", naming="affected_systems: "):
            world.db.run("select set_affected_systems(%s, null, 1)", given["incident_id"])
        return
    with refused(world.db, "22023", "PT404", naming=f"{argument}: "):
        world.db.rpc(rpc, **given)


@pytest.mark.parametrize("id_", ["x", "", "00000000"])
def test_what_is_no_id_is_refused(world: World, id_: str) -> None:
    with refused(world.db, "22P02"):
        world.db.run("select get_incident(%s::text::uuid)", id_)


def test_an_alert_that_is_not_there_is_not_linked(world: World) -> None:
    incident = opened(world)
    for given in (None, uuid4()):
        with refused(world.db, "PT404", naming="alert_id: "):
            world.db.rpc("link_alert", incident_id=incident["id"], alert_id=given)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("status", value) for value in anything("", "firing")),
        ("severity", "error"),
        *(("assigned_to", value) for value in anything("", "x" * 321)),
        ("network", ""),
        *(("search", value) for value in anything("", "x" * 201)),
        *(("from_time", value) for value in anything("infinity", "-infinity", "2019-12-31", "2201-01-01")),
        *(("to_time", value) for value in anything("infinity", "2019-01-01", "2026-01-01", "2025-12-31", "2036-01-02")),
        *(("max_rows", value) for value in anything(0, -1, 201, None)),
        ("before_id", UUID(int=1)),
    ],
)  # fmt: skip
def test_a_bad_list_is_refused_by_name(world: World, argument: str, value: Any) -> None:
    given = {**({"from_time": "2026-01-01"} if argument == "to_time" else {}), argument: value}
    casts = {"from_time": "timestamptz", "to_time": "timestamptz"}
    named = ", ".join(f"{name} => %s::{casts.get(name, '')}".removesuffix("::") for name in given)
    with refused(world.db, "22023", naming=f"{argument}: "):
        world.db.run(f"select list_incidents({named})", *given.values())


# Scale -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def crowded(fresh: Callable[[], Db]) -> World:
    """10,000 incidents, the newest of them with 1,000 notes, and nothing that other tests left behind."""
    world = World(fresh())
    for table in ("incident_logs", "watchkeeper.incident_entries"):
        world.db.run(f"alter table {table} disable trigger audit")
    world.db.run(
        "insert into incident_logs (incident_type, severity, title, status, resolved_at, created_at) "
        "select 'manual', 'low', 'incident ' || n, 'resolved', %s, %s + n * interval '1 second' "
        "from generate_series(1, 10000) as n",
        world.at(86400), world.at(0),
    )  # fmt: skip
    world.db.run(
        "insert into watchkeeper.incident_entries (incident_id, at, kind, actor_email, text) "
        "select i.id, %s + n * interval '1 s', 'note', 'anna@example.org', 'note ' || n "
        "from incident_logs as i, generate_series(1, 1000) as n where i.title = 'incident 10000'",
        world.at(0),
    )  # fmt: skip
    world.db.run(
        "insert into watchkeeper.incident_entries (incident_id, at, kind, actor_email, text) select i.id, %s, 'note', "
        "'bert@example.org', 'note ' || n from incident_logs as i, generate_series(1, 2) as n", world.at(0),
    )  # fmt: skip
    world.db.run("analyze incident_logs, watchkeeper.incident_entries")
    return world


def pages_read(db: Db, call: str, *args: Any) -> int:
    """How many blocks the whole call touched, nested functions included."""
    for _ in range(7):  # from the sixth call on the plan is a generic one
        db.value(call, *args)
    plan = only(db.value(f"explain (analyze, buffers, format json) {call}", *args))["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


def test_a_page_of_ten_thousand_incidents_is_found_by_its_index(crowded: World) -> None:
    whole = crowded.db.value("select pg_relation_size('incident_logs') / 8192")
    read = pages_read(crowded.db, "select list_incidents(max_rows => 50)")
    deep = pages_read(
        crowded.db,
        "select list_incidents(max_rows => 50, before => %s)",
        crowded.at(0) + timedelta(seconds=200),
    )
    assert max(read, deep) < 100 < whole


def test_an_incident_with_a_thousand_notes_is_read_by_its_index(crowded: World) -> None:
    incident = crowded.db.value("select id from incident_logs where title = 'incident 10000'")
    whole = crowded.db.rpc("get_incident", incident_id=incident)
    assert (len(whole["timeline"]), whole["timeline_count"]) == (1002, 1002)
    entries = crowded.db.value("select pg_relation_size('watchkeeper.incident_entries') / 8192")
    assert pages_read(crowded.db, "select get_incident(%s)", incident) < 200 < entries
    other = crowded.db.value("select id from incident_logs where title = 'incident 5'")
    assert pages_read(crowded.db, "select get_incident(%s)", other) < 100
