"""Plans and requests of reports: what is due when, who may ask, and one worker at a time who comes back or does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.supabase.world import Db, Json, World, anything, only, refused

START = datetime(2026, 11, 2, 12, tzinfo=UTC)
OCTOBER = {"from_time": "2026-10-01T00:00:00Z", "to_time": "2026-11-01T00:00:00Z"}
FILE = {
    "format": "pdf",
    "name": "a-2026-10.pdf",
    "key": "reports/x/sla-2026-10.pdf",
    "bytes": 9,
    "sha256": "0" * 64,
}
ATTEMPTS = 8


class Desk:
    """Reports with a moved clock: seconds since noon of 2 November 2026."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.db = world.db

    def plan(self, seconds: float = 0, **given: Any) -> Json:
        saved: Json = self.db.value(
            "select watchkeeper.save_report_plan(%s, %s)",
            {"name": "monthly", **given},
            self.world.at(seconds),
        )
        return saved

    def close(self, month: date, seconds: float) -> None:
        """As LEVELS' closing leaves it."""
        self.db.run(
            "insert into watchkeeper.sla_closes (month, inputs, inputs_hash, report, previous_hash, hash, closed_at) "
            "values (%s, '{}', %s, '{}', %s, %s, %s)",
            month, b"\1" * 32, b"\2" * 32, b"\3" * 32, self.world.at(seconds),
        )  # fmt: skip

    def request(self, seconds: float = 0, /, **given: Any) -> Json:
        args = {
            **OCTOBER, "kind": "sla", "match": {}, "objective": None, "formats": "{pdf}", "channels": "{}",
            "title": None, **given, "at": self.world.at(seconds),
        }  # fmt: skip
        named = ", ".join(f"{name} => %s" for name in args)
        made: Json = self.db.value(f"select watchkeeper.request_report({named})", *args.values())
        return made

    def claim(self, seconds: float, lease_s: int = 300) -> Json | None:
        found: Json | None = self.db.value(
            "select watchkeeper.claim_report(%s, %s)", lease_s, self.world.at(seconds)
        )
        return found

    def taken(self, seconds: float) -> Json:
        found = self.claim(seconds)
        assert found is not None
        return found

    def settle(self, seconds: float, claimed: Mapping[str, Any], outcome: str, /, **more: Any) -> bool:
        report = {"id": claimed["id"], "lease_id": claimed["lease_id"], "outcome": outcome, **more}
        told: Json = self.db.value("select watchkeeper.settle_report(%s, %s)", report, self.world.at(seconds))
        return bool(told["settled"])

    def made(self, seconds: float, claimed: Mapping[str, Any], **more: Any) -> bool:
        links = {
            "links": {"pdf": "https://s3/a"},
            "links_expire_at": self.world.at(seconds + 3600).isoformat(),
        }
        return self.settle(seconds, claimed, "made", **{"files": [FILE], **links, **more})

    def renew(self, seconds: float, report: Mapping[str, Any]) -> Json:
        again: Json = self.db.value(
            "select watchkeeper.renew_report(%s, %s)", report["id"], self.world.at(seconds)
        )
        return again

    def listed(self, seconds: float = 0) -> list[Json]:
        found: list[Json] = self.db.value(
            "select watchkeeper.list_reports(null, 200, null, %s)", self.world.at(seconds)
        )
        return found

    def one(self, seconds: float = 0) -> Json:
        found: Json = only(self.listed(seconds))
        return found


@pytest.fixture
def desk(db: Db) -> Desk:
    return Desk(World(db, START))


# Plans -----------------------------------------------------------------------------------------------------------


def test_a_plan_says_as_little_as_its_name(desk: Desk) -> None:
    plan: Json = {
        "name": "monthly", "kind": "sla", "match": {}, "objective": None, "formats": ["html", "pdf", "csv", "json"],
        "channels": [], "enabled": True,
    }  # fmt: skip
    assert desk.plan() == plan
    assert desk.db.rpc("list_report_plans") == [{**plan, "newest": None}]


def test_a_plan_is_replaced_by_its_name_and_deleted(desk: Desk) -> None:
    desk.world.channel()
    desk.plan()
    given: Json = {
        "match": {"labels": {"team": "core"}},
        "formats": ["json", "pdf", "pdf"],
        "channels": ["chat", "chat"],
    }
    assert desk.plan(**given)["formats"] == ["pdf", "json"]
    assert only(desk.db.rpc("list_report_plans"))["channels"] == ["chat"]
    desk.db.rpc("delete_report_plan", name="monthly")
    assert desk.db.rpc("list_report_plans") == []
    with refused(desk.db, "PT404", naming="name: "):
        desk.db.rpc("delete_report_plan", name="monthly")


@pytest.mark.parametrize(
    ("given", "state", "naming"),
    [
        ({"name": ""}, "22023", "plan.name"),
        ({"name": "   "}, "22023", "plan.name"),
        ({"name": "x" * 101}, "22023", "plan.name"),
        ({"kind": "horoscope"}, "22023", "plan.kind"),
        ({"match": []}, "22023", "plan.match"),
        ({"match": {"colour": "red"}}, "22023", "plan.match.colour"),
        ({"match": {"min_severity": "error"}}, "22023", "plan.match.min_severity"),
        ({"objective": "gold"}, "PT404", "plan.objective: there is no objective gold"),
        ({"kind": "compliance", "match": {"targets": ["a"]}}, "22023", "plan.match"),
        ({"kind": "compliance", "objective": "gold"}, "22023", "plan.objective"),
        ({"formats": []}, "22023", "plan.formats"),
        ({"formats": ["docx"]}, "22023", "plan.formats"),
        ({"formats": [None]}, "22023", "plan.formats"),
        ({"channels": ["nowhere"]}, "PT404", "plan.channels: there is no channel nowhere"),
        ({"channels": "chat"}, "22023", "plan.channels"),
        ({"enabled": None}, "22023", "plan.enabled"),
        ({"every": "week"}, "22023", "plan.every"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_by_the_name_of_what_is_wrong(
    desk: Desk, given: Json, state: str, naming: str
) -> None:
    with refused(desk.db, state, naming=naming):
        desk.plan(**given)


@pytest.mark.parametrize("plan", anything(None, [], "monthly", 1))
def test_a_plan_is_a_map(desk: Desk, plan: Any) -> None:
    with refused(desk.db, "22023", naming="plan"):
        desk.db.run("select public.save_report_plan(%s::jsonb)", plan if plan is None else f'"{plan}"')


def test_what_a_plan_needs_cannot_go_before_it(desk: Desk) -> None:
    desk.world.channel()
    desk.db.rpc("save_objective", objective={"name": "gold", "percent": 99.9})
    desk.plan(channels=["chat"], objective="gold")
    with refused(desk.db, "PT409", naming="name: report plan monthly still uses the channel chat"):
        desk.db.rpc("delete_channel", name="chat")
    with refused(desk.db, "PT409", naming="name: report plan monthly still uses the objective gold"):
        desk.db.rpc("delete_objective", name="gold")
    desk.db.rpc("delete_report_plan", name="monthly")
    desk.db.rpc("delete_channel", name="chat")
    desk.db.rpc("delete_objective", name="gold")


def test_a_changed_plan_is_in_the_audit_log(desk: Desk) -> None:
    desk.plan()
    desk.plan(formats=["pdf"])
    desk.plan(seconds=9, formats=["pdf"])
    desk.db.run("set constraints all immediate")
    entries = desk.db.rows(
        "select action, row_key from watchkeeper.audit_log where table_name = 'report_plans' order by seq"
    )
    assert entries == [("insert", "monthly")], "in one transaction only before and after count"


# Each month ------------------------------------------------------------------------------------------------------


def test_a_month_is_due_when_it_is_closed_and_never_before(desk: Desk) -> None:
    desk.plan(formats=["pdf"], match={"networks": ["main"]})
    assert desk.claim(0) is None
    desk.close(date(2026, 10, 1), 60)
    assert desk.claim(59) is None, "the clock that counts is the one of the call"
    claimed = desk.taken(60)
    assert (claimed["kind"], claimed["title"], claimed["formats"]) == ("sla", "monthly", ["pdf"])
    assert (claimed["from_time"], claimed["to_time"]) == (
        "2026-10-01T00:00:00+00:00",
        "2026-11-01T00:00:00+00:00",
    )
    assert only(desk.db.rpc("list_report_plans"))["newest"]["id"] == claimed["id"]


def test_the_closing_of_a_month_makes_its_report_due(db: Db) -> None:
    desk = Desk(World(db, datetime(2026, 10, 5, tzinfo=UTC)))
    desk.world.target("north", checks={"uptime": {}})
    desk.plan()
    closed: list[Json] = []
    for evening in (datetime(2026, 11, 1, 0, 20, tzinfo=UTC), datetime(2026, 11, 2, 0, 20, tzinfo=UTC)):
        assert desk.claim((evening - desk.world.start).total_seconds()) is None
        db.run("select watchkeeper.roll_up_days(%s, 1000)", evening)
        closed += db.value("select watchkeeper.close_months(%s)", evening)["closed"]
    held = desk.taken((evening - desk.world.start).total_seconds())
    assert figures(desk, held)["close"]["hash"] == only(closed)["hash"]
    assert [target["name"] for target in figures(desk, held)["targets"]] == ["north"]
    assert desk.claim((evening - desk.world.start).total_seconds()) is None


def test_a_month_is_made_once_however_often_it_is_looked_for(desk: Desk) -> None:
    desk.plan()
    desk.plan(name="second")
    desk.close(date(2026, 10, 1), 60)
    for seconds in (60, 61):
        assert desk.made(seconds + 1, desk.taken(seconds))
    assert [desk.claim(seconds) for seconds in (120, 600, 86_400)] == [None, None, None]
    assert sorted(report["plan_name"] for report in desk.listed()) == ["monthly", "second"]
    desk.close(date(2026, 11, 1), 90_000)
    assert desk.taken(90_000)["from_time"] == "2026-11-01T00:00:00+00:00"


def test_months_that_were_closed_before_the_plan_are_not_made_up_for(desk: Desk) -> None:
    desk.close(date(2026, 9, 1), 0)
    desk.plan(seconds=10)
    assert desk.claim(20) is None


def test_a_plan_that_is_off_makes_nothing_and_nothing_up(desk: Desk) -> None:
    desk.plan(enabled=False)
    desk.close(date(2026, 10, 1), 60)
    assert desk.claim(60) is None
    desk.plan(seconds=120)
    assert desk.claim(120) is None
    desk.plan(seconds=130, formats=["csv"])
    desk.close(date(2026, 11, 1), 125)
    assert desk.taken(130)["from_time"] == "2026-11-01T00:00:00+00:00", (
        "saving it again does not skip a month"
    )


def test_a_plan_deleted_and_made_again_makes_no_month_twice(desk: Desk) -> None:
    desk.plan()
    desk.close(date(2026, 10, 1), 60)
    desk.made(61, desk.taken(60))
    desk.db.rpc("delete_report_plan", name="monthly")
    desk.plan(seconds=30)
    assert desk.claim(120) is None
    assert len(desk.listed()) == 1


# Asking ----------------------------------------------------------------------------------------------------------


def test_what_was_asked_for_is_kept_with_who_did(desk: Desk) -> None:
    responder = desk.db.member("responder", "ann@example.org")
    with desk.db.acting_as("authenticated", responder):
        report = desk.db.rpc("request_report", **OCTOBER, formats="{csv,html}")
    assert report["requested_by_email"] == "ann@example.org"
    assert (report["status"], report["title"], report["formats"]) == (
        "requested",
        "Service levels",
        ["html", "csv"],
    )
    assert (report["links"], report["files"], report["progress"]) == ({}, [], 0)
    assert "lease_id" not in report
    desk.db.run("set constraints all immediate")
    entry = desk.db.rows("select actor, action from watchkeeper.audit_log where table_name = 'reports'")
    assert entry == [("ann@example.org", "insert")]


BOTH = ("sla", "compliance")


@pytest.mark.parametrize(
    ("who", "kinds"),
    [("viewer", ()), ("responder", ("sla",)), ("auditor", BOTH), ("admin", BOTH), ("service_role", BOTH)],
)
def test_who_may_ask_for_what(desk: Desk, who: str, kinds: tuple[str, ...]) -> None:
    for kind in BOTH:
        if kind in kinds:
            with desk.db.asking_as(who):
                desk.db.rpc("request_report", **OCTOBER, kind=kind)
        else:
            with refused(desk.db, "42501"), desk.db.asking_as(who):
                desk.db.rpc("request_report", **OCTOBER, kind=kind)


def test_compliance_is_shown_to_auditors_and_admins_alone(desk: Desk) -> None:
    report = desk.request(kind="compliance")
    desk.request(1)
    desk.made(2, desk.taken(1))
    seen = {}
    for who in ("viewer", "responder", "auditor", "admin"):
        with desk.db.asking_as(who):
            seen[who] = len(desk.db.rpc("list_reports"))
    assert seen == {"viewer": 1, "responder": 1, "auditor": 2, "admin": 2}
    with refused(desk.db, "PT404", naming="report_id: "), desk.db.asking_as("responder"):
        desk.db.rpc("renew_report", report_id=report["id"])


@pytest.mark.parametrize(
    ("given", "state", "naming"),
    [
        ({"from_time": None}, "22023", "from_time"),
        ({"from_time": "2019-12-31T00:00:00Z"}, "22023", "from_time"),
        ({"from_time": "-infinity"}, "22023", "from_time"),
        ({"from_time": "infinity"}, "22023", "from_time"),
        ({"from_time": "2026-11-02T12:00:00Z", "to_time": "2026-12-01T00:00:00Z"}, "22023", "from_time"),
        ({"to_time": None}, "22023", "to_time"),
        ({"to_time": "infinity"}, "22023", "to_time"),
        ({"to_time": "2026-10-01T00:00:00Z"}, "22023", "to_time"),
        ({"to_time": "2026-09-01T00:00:00Z"}, "22023", "to_time"),
        ({"to_time": "2036-10-02T00:00:00Z"}, "22023", "to_time"),
        ({"kind": None}, "22023", "kind"),
        ({"kind": "horoscope"}, "22023", "kind"),
        ({"match": None}, "22023", "match"),
        ({"match": {"kinds": ["uptime"]}}, "22023", "match.kinds"),
        ({"match": {"targets": ["x" * 101]}}, "22023", "match.targets"),
        ({"objective": "gold"}, "PT404", "objective"),
        ({"kind": "compliance", "match": {"targets": ["a"]}}, "22023", "match"),
        ({"formats": None}, "22023", "formats"),
        ({"formats": "{}"}, "22023", "formats"),
        ({"formats": "{docx}"}, "22023", "formats"),
        ({"formats": "{" + ",".join(["pdf"] * 21) + "}"}, "22023", "formats"),
        ({"channels": None}, "22023", "channels"),
        ({"channels": "{nowhere}"}, "PT404", "channels"),
        ({"channels": "{NULL}"}, "PT404", "channels"),
        ({"title": ""}, "22023", "title"),
        ({"title": "x" * 101}, "22023", "title"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_by_the_name_of_what_is_wrong(
    desk: Desk, given: Json, state: str, naming: str
) -> None:
    with refused(desk.db, state, naming=naming):
        desk.request(**given)


def test_ten_years_and_a_time_to_come_are_fine(desk: Desk) -> None:
    desk.request(from_time="2020-01-01T00:00:00Z", to_time="2030-01-01T00:00:00Z", title="Überblick ✓")
    assert desk.one()["title"] == "Überblick ✓"


def test_nobody_can_ask_for_more_than_there_is_room_for(desk: Desk) -> None:
    for _ in range(100):
        desk.request()
    with refused(desk.db, "PT409"):
        desk.request()
    desk.made(2, desk.taken(1))
    desk.request(3)


def test_pages_skip_nothing_though_reports_share_a_moment(desk: Desk) -> None:
    for _ in range(5):
        desk.request()
    seen: list[str] = []
    page = desk.db.rpc("list_reports", max_rows=2)
    while page:
        seen += [report["id"] for report in page]
        page = desk.db.rpc(
            "list_reports", max_rows=2, before=page[-1]["requested_at"], before_id=page[-1]["id"]
        )
    assert len(seen) == len(set(seen)) == 5
    assert desk.db.rpc("list_reports", before=START) == []
    for wrong, naming in (
        ({"max_rows": 0}, "max_rows"),
        ({"max_rows": 201}, "max_rows"),
        ({"before_id": uuid4()}, "before_id"),
    ):
        with refused(desk.db, "22023", naming=naming):
            desk.db.rpc("list_reports", **wrong)


# Making ----------------------------------------------------------------------------------------------------------


def test_one_at_a_time_the_oldest_first(desk: Desk) -> None:
    first, second = desk.request(0)["id"], desk.request(1)["id"]
    claimed = desk.taken(10)
    assert (claimed["id"], claimed["attempt"]) == (first, 1)
    assert desk.taken(10)["id"] == second
    assert desk.claim(10) is None
    assert {report["status"] for report in desk.listed()} == {"making"}


def test_two_workers_never_hold_the_same_report(fresh: Callable[[], Db]) -> None:
    desk, other = Desk(World(fresh(), START)), Desk(World(fresh(), START))
    desk.request()
    with desk.db.connection.transaction():
        assert desk.claim(1) is not None
        assert other.claim(1) is None, "it does not wait for the other either"
    assert other.claim(1) is None


def test_a_lease_that_ended_is_another_workers_and_the_first_changes_nothing(desk: Desk) -> None:
    desk.request()
    lost = desk.taken(0)
    assert desk.claim(299) is None
    held = desk.taken(300)
    assert (held["id"], held["attempt"]) == (lost["id"], 2)
    before = desk.listed()
    assert not desk.settle(301, lost, "making", progress=99, step="late")
    assert not desk.settle(301, lost, "retry", error="late")
    assert not desk.settle(301, lost, "failed", error="late")
    assert not desk.made(301, lost)
    assert desk.listed() == before
    with refused(desk.db, "PT409", naming="lease_id: "):
        desk.db.rpc("get_report_data", report_id=lost["id"], lease_id=lost["lease_id"])
    assert desk.made(302, held)
    assert not desk.made(303, held), "a repeat finds it settled"


def test_who_was_late_but_is_still_the_last_may_settle(desk: Desk) -> None:
    desk.request()
    held = desk.taken(0)
    assert desk.made(1000, held)


def test_progress_is_shown_while_it_is_made(desk: Desk) -> None:
    desk.request()
    held = desk.taken(0)
    assert desk.settle(1, held, "making", progress=40, step="making the pdf file")
    report = desk.one()
    assert (report["status"], report["progress"], report["step"]) == ("making", 40, "making the pdf file")
    desk.made(2, held)
    report = desk.one()
    assert (report["status"], report["progress"], report["step"], report["error"]) == (
        "made",
        100,
        None,
        None,
    )
    assert report["made_at"] == "2026-11-02T12:00:02+00:00"


def test_links_are_shown_for_as_long_as_they_work(desk: Desk) -> None:
    desk.request()
    desk.made(0, desk.taken(0))
    assert desk.one(3599)["links"] == {"pdf": "https://s3/a"}
    assert desk.one(3600)["links"] == {}
    assert desk.one(3600)["files"] == [FILE]


def test_what_did_not_work_is_tried_again_ever_later_and_then_fails_with_an_alert(desk: Desk) -> None:
    report = desk.request(title="October")
    clock, waits = 0.0, []
    for attempt in range(1, ATTEMPTS + 1):
        held = desk.taken(clock)
        assert held["attempt"] == attempt
        assert desk.settle(clock, held, "retry", error="S3 is away")
        if attempt < ATTEMPTS:
            assert desk.one()["status"] == "requested"
            due = World.moment(desk.one()["next_attempt_at"])
            waits.append((due - desk.world.at(clock)).total_seconds() / 60)
            assert desk.claim(clock + waits[-1] * 60 - 1) is None
            clock += waits[-1] * 60
    assert waits == [1, 2, 4, 8, 16, 32, 60]
    assert (desk.one()["status"], desk.one()["error"]) == ("failed", "S3 is away")
    alert = only(desk.world.alerts())
    assert (alert["alert_type"], alert["severity"], alert["source"]) == ("report_failed", "error", "October")
    assert alert["message"] == "the report October could not be made: S3 is away"
    assert alert["metadata"] == {"kind": "report", "report_id": report["id"]}
    assert desk.claim(clock + 86_400) is None


def test_a_poison_report_blocks_nobody(desk: Desk) -> None:
    poison = desk.request(0)["id"]
    held = desk.taken(0)
    other = desk.request(1)["id"]
    assert held["id"] == poison
    assert desk.taken(301)["id"] == other, "who killed its worker stands at the end of the line"


def test_a_report_whose_workers_never_come_back_fails(desk: Desk) -> None:
    desk.request()
    for attempt in range(ATTEMPTS):
        desk.taken(300 * attempt)
    assert desk.claim(300 * ATTEMPTS) is None
    assert desk.one()["status"] == "failed"
    assert "did not come back" in desk.one()["error"]
    assert desk.world.firing() == ["report_failed"]


def test_what_the_database_refuses_fails_at_once_and_another_try_ends_the_alert(desk: Desk) -> None:
    report = desk.request()
    desk.settle(1, desk.taken(0), "failed", error="objective: there is no objective gold")
    assert desk.one()["status"] == "failed"
    assert desk.renew(2, report)["status"] == "requested"
    held = desk.taken(3)
    assert held["attempt"] == 1
    desk.made(4, held)
    assert desk.world.firing() == []


def test_new_links_are_asked_for_with_the_files_that_are_there(desk: Desk) -> None:
    report = desk.request()
    desk.made(0, desk.taken(0), summary={"met": True})
    desk.renew(5000, report)
    with refused(desk.db, "PT409", naming="report_id: it is waiting"):
        desk.renew(5000, report)
    held = desk.taken(5000)
    assert held["files"] == [FILE]
    assert desk.made(5001, held, links={"pdf": "https://s3/new"})
    assert (desk.one(5001)["links"], desk.one()["summary"]) == ({"pdf": "https://s3/new"}, {"met": True})
    with refused(desk.db, "PT404", naming="report_id: "):
        desk.db.rpc("renew_report", report_id=uuid4())


@pytest.mark.parametrize("who", ["viewer", "authenticated", "anon", "watchkeeper_ingest"])
def test_who_may_not_ask_may_not_renew(desk: Desk, who: str) -> None:
    report = desk.request()
    with refused(desk.db, "42501"), desk.db.asking_as(who):
        desk.db.rpc("renew_report", report_id=report["id"])


def good(**changes: Any) -> Json:
    expiry = "2026-11-03T00:00:00+00:00"
    base = {"id": str(uuid4()), "lease_id": str(uuid4()), "outcome": "made", "files": [FILE], "links": {}}
    return {**base, "links_expire_at": expiry, **changes}


@pytest.mark.parametrize(
    ("report", "naming"),
    [
        ([], "report"),
        ({"outcome": "made"}, "report.id"),
        (good(id="x"), "report.id"),
        (good(lease_id=None), "report.lease_id"),
        (good(outcome="lost"), "report.outcome"),
        (good(progress=101), "report.progress"),
        (good(progress=-1), "report.progress"),
        (good(progress=1.5), "report.progress"),
        (good(step="x" * 201), "report.step"),
        (good(error="x" * 2001), "report.error"),
        (good(files=[]), "report.files"),
        (good(files=[{**FILE, "bytes": -1}]), "report.files[0].bytes"),
        (good(files=[{**FILE, "sha256": "short"}]), "report.files[0].sha256"),
        (good(files=[{"format": "pdf"}]), "report.files[0]"),
        (good(links={"pdf": "javascript:alert(1)"}), "report.links.pdf"),
        (good(links_expire_at="tomorrow"), "report.links_expire_at"),
        (good(surprise=1), "report.surprise"),
        ({k: v for k, v in good().items() if k != "files"}, "report.files"),
        ({k: v for k, v in good().items() if k != "links"}, "report.links"),
        ({k: v for k, v in good().items() if k != "links_expire_at"}, "report.links_expire_at"),
    ],
)
def test_a_settlement_that_makes_no_sense_is_refused_by_the_name_of_what_is_wrong(
    desk: Desk, report: Any, naming: str
) -> None:
    with refused(desk.db, "22023", naming=naming):
        desk.db.rpc("settle_report", report=report)


def test_a_day_that_does_not_exist_is_refused_too(desk: Desk) -> None:
    desk.request()
    held = desk.taken(0)
    with refused(desk.db, "22023", naming="report.links_expire_at"):
        desk.made(1, held, links_expire_at="2026-02-30T00:00:00Z")


@pytest.mark.parametrize("lease_s", [None, 0, 4, 901])
def test_a_lease_is_neither_short_nor_long(desk: Desk, lease_s: int | None) -> None:
    with refused(desk.db, "22023", naming="lease_s"):
        desk.db.rpc("claim_report", lease_s=lease_s)


# The figures -----------------------------------------------------------------------------------------------------


def figures(desk: Desk, claimed: Mapping[str, Any]) -> Json:
    found: Json = desk.db.rpc("get_report_data", report_id=claimed["id"], lease_id=claimed["lease_id"])
    return found


def test_figures_come_with_the_title_and_with_the_hash_of_a_closed_month(desk: Desk) -> None:
    desk.request(title="October")
    held = desk.taken(0)
    assert figures(desk, held)["close"] is None
    desk.close(date(2026, 10, 1), 0)
    found = figures(desk, held)
    assert (found["title"], found["close"]["month"], found["close"]["hash"]) == (
        "October",
        "2026-10",
        "03" * 32,
    )
    assert {"totals", "targets", "from", "to"} <= set(found)


def test_figures_are_of_the_group_and_the_objective_that_were_asked_for(desk: Desk) -> None:
    for name, network in (("one", "main"), ("two", "test")):
        desk.world.target(name, network=network)
    desk.db.rpc("save_objective", objective={"name": "gold", "percent": 99.5})
    desk.request(match={"networks": ["main"]}, objective="gold", to_time="2026-11-02T18:00:00Z")
    found = figures(desk, desk.taken(0))
    assert [target["name"] for target in found["targets"]] == ["one"]
    assert (found["objective"]["name"], float(found["objective"]["percent"])) == ("gold", 99.5)


def test_a_compliance_report_has_figures_of_its_own(desk: Desk) -> None:
    desk.request(kind="compliance")
    assert figures(desk, desk.taken(0))["title"] == "Compliance"


# Delivering ------------------------------------------------------------------------------------------------------


def test_each_channel_is_told_once_with_links_that_the_ledger_does_not_show(desk: Desk) -> None:
    for name in ("chat", "mail"):
        desk.world.channel(name)
    report = desk.request(channels="{chat,mail,chat}", title="October")
    summary = {"availability_percent": 99.95, "objective_percent": 99.9, "met": True, "incidents": 2}
    desk.made(10, desk.taken(0), summary=summary)
    messages = desk.world.claim(11)
    assert sorted((m["channel"]["name"], m["event"]) for m in messages) == [
        ("chat", "report"),
        ("mail", "report"),
    ]
    told = only(messages[0]["deliveries"])
    assert (told["alert"], told["incident"]) == (None, None)
    assert told["report"] == {
        "id": report["id"], "title": "October", "kind": "sla", "from": "2026-10-01T00:00:00+00:00",
        "to": "2026-11-01T00:00:00+00:00", "summary": summary, "links": {"pdf": "https://s3/a"},
        "links_expire_at": "2026-11-02T13:00:10+00:00", "files": [{k: v for k, v in FILE.items() if k != "key"}],
    }  # fmt: skip
    desk.world.settle(12, messages)
    with desk.db.asking_as("viewer"):
        ledger = desk.db.rpc("list_deliveries")
    assert {(line["event"], line["source"], line["report_id"]) for line in ledger} == {
        ("report", "October", report["id"])
    }
    assert "https://s3" not in str(ledger)
    desk.renew(20, report)
    desk.made(21, desk.taken(20))
    assert desk.world.claim(22) == [], "new links are no new report"


def test_a_message_that_waited_has_the_newest_links(desk: Desk) -> None:
    desk.world.channel()
    report = desk.request(channels="{chat}")
    desk.made(0, desk.taken(0))
    desk.world.settle(2, desk.world.claim(1), "retry", error="away")
    desk.renew(5000, report)
    desk.made(5001, desk.taken(5000), links={"pdf": "https://s3/new"})
    message = only(desk.world.claim(5002))
    assert only(message["deliveries"])["report"]["links"] == {"pdf": "https://s3/new"}


def test_a_channel_that_is_gone_or_off_is_said_so(desk: Desk) -> None:
    for name in ("chat", "off", "gone"):
        desk.world.channel(name)
    desk.request(channels="{chat,gone,off}")
    desk.world.channel("off", enabled=False)
    desk.db.rpc("delete_channel", name="gone")
    desk.made(1, desk.taken(0))
    assert [line[:2] for line in desk.world.ledger()] == [("chat", "report")]
    assert desk.one()["error"] == "not delivered to gone, off: no such channel, or switched off"


def test_a_report_that_nobody_is_to_get_is_told_to_nobody(desk: Desk) -> None:
    desk.world.channel()
    desk.request()
    desk.made(1, desk.taken(0))
    assert desk.world.ledger() == []


def test_a_message_that_died_can_be_tried_again(desk: Desk) -> None:
    desk.world.channel()
    desk.request(channels="{chat}")
    desk.made(1, desk.taken(0))
    message = only(desk.world.claim(2))
    desk.world.settle(3, [message], "dead", error="HTTP 410")
    assert desk.world.firing() == ["delivery_dead"]
    with desk.db.asking_as("responder"):
        dead = only(message["deliveries"])["id"]
        desk.db.run("select watchkeeper.retry_delivery(%s, %s)", dead, desk.world.at(4))
    again = [m for m in desk.world.claim(5) if m["event"] == "report"]
    assert only(only(again)["deliveries"])["report"]["title"] == "Service levels"
