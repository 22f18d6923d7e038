"""Reports that are kept: an operator asks for them, and sees how they stand."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from infra.cli import reports
from tests.handlers.doubles import Json
from tests.infra.cli.conftest import Command

ID = "5f0c4f1e-0000-4000-8000-000000000001"
OCTOBER = ("--from", "2026-10-01", "--to", "2026-11-01")


def from_now(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def a_report(**changes: object) -> Json:
    return {
        "id": ID, "plan_name": None, "kind": "sla", "title": "North", "from_time": "2026-10-01T00:00:00+00:00",
        "to_time": "2026-11-01T00:00:00+00:00", "requested_by_email": "ann@example.org", "requested_at": from_now(-60),
        "status": "made", "progress": 100, "step": None, "files": [{"format": "pdf"}, {"format": "csv"}],
        "links": {"pdf": "https://s3/pdf", "csv": "https://s3/csv"}, "links_expire_at": from_now(3605), "error": None,
        **changes,
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "LOOK_EVERY_S", 0.01)


def test_reports_are_listed_with_their_links_and_how_long_these_work(command: Command) -> None:
    command.rpcs.answers["list_reports"] = lambda _: [a_report()]
    ran = command("reports")
    assert ran.code == 0
    assert ran.out == (
        "  5f0c4f1e  made  North  2026-10  by ann@example.org, 60 s ago  pdf, csv\n"
        "  5f0c4f1e  links work for 60 min\n    pdf  https://s3/pdf\n    csv  https://s3/csv\n"
    )


def test_links_that_have_expired_say_how_to_get_new_ones(command: Command) -> None:
    command.rpcs.answers["list_reports"] = lambda _: [a_report(links={}, plan_name="monthly")]
    ran = command("reports", "list")
    assert "plan monthly, 60 s ago" in ran.out
    assert "links have expired: watchkeeper reports renew 5f0c4f1e" in ran.out


def test_progress_is_shown_and_a_failure_is_a_problem(command: Command) -> None:
    making = a_report(status="making", progress=40, step="making the pdf file", files=[], links={})
    failed = a_report(status="failed", error="S3 is\x1b[2J away", files=[], links={}, requested_by_email=None)
    command.rpcs.answers["list_reports"] = lambda _: [making, failed]
    ran = command("reports")
    assert ran.code == 1
    assert "40 %, making the pdf file" in ran.out
    assert "by the operator, 60 s ago     S3 is [2J away" in ran.out


def test_no_reports_yet_says_how_to_get_one(command: Command) -> None:
    command.rpcs.answers["list_reports"] = lambda _: []
    assert "watchkeeper reports request" in command("reports").out


def test_the_list_as_json_is_what_the_database_said(command: Command) -> None:
    found = a_report()
    command.rpcs.answers["list_reports"] = lambda _: [found]
    assert json.loads(command("reports", "--json").out) == [found]


def test_a_request_says_all_that_was_asked_for(command: Command) -> None:
    command.rpcs.answers["request_report"] = lambda _: a_report(status="requested", files=[], links={})
    ran = command(
        "reports",
        "request",
        *OCTOBER,
        "--format",
        "pdf",
        "--format",
        "csv",
        "--channel",
        "ops",
        "--title",
        "T",
    )
    assert (ran.code, ran.out) == (0, "5f0c4f1e waits to be made; see `watchkeeper reports`\n")
    assert command.rpcs.called("request_report") == [{
        "from_time": "2026-10-01T00:00:00+00:00", "to_time": "2026-11-01T00:00:00+00:00", "kind": "sla", "match": {},
        "objective": None, "channels": ["ops"], "title": "T", "formats": ["pdf", "csv"],
    }]  # fmt: skip
    command("reports", "request", *OCTOBER)
    assert "formats" not in command.rpcs.called("request_report")[1]


@pytest.mark.parametrize(("end", "code"), [({}, 0), ({"status": "failed", "error": "S3 is away"}, 1)])
def test_a_request_is_waited_for_and_its_progress_told(command: Command, end: Json, code: int) -> None:
    waits = a_report(status="requested", files=[], links={})
    stages = [
        [waits],
        [{**waits, "status": "making", "progress": 40, "step": "making the pdf file"}],
        [a_report(**end)],
    ]
    command.rpcs.answers["request_report"] = lambda _: waits
    command.rpcs.answers["list_reports"] = lambda _: stages.pop(0)
    ran = command("reports", "request", *OCTOBER, "--wait", "5")
    assert ran.code == code
    assert "making: 40 %, making the pdf file\n" in ran.err
    assert ("https://s3/pdf" in ran.out) == (code == 0)


def test_what_is_not_made_in_time_is_not_called_made(command: Command) -> None:
    waits = a_report(status="requested", files=[], links={})
    command.rpcs.answers["request_report"] = lambda _: waits
    command.rpcs.answers["list_reports"] = lambda _: [waits]
    assert command("reports", "request", *OCTOBER, "--wait", "0.05").code == 1


@pytest.mark.parametrize("given", [ID, "5f0c"])
def test_a_report_is_renewed_by_its_id_or_the_start_of_it(command: Command, given: str) -> None:
    command.rpcs.answers["list_reports"] = lambda _: [a_report(), a_report(id="a" + ID[1:])]
    command.rpcs.answers["renew_report"] = lambda _: a_report(status="requested")
    assert command("reports", "renew", given).code == 0
    assert command.rpcs.called("renew_report") == [{"report_id": ID}]


def test_plans_say_what_is_made_each_month_and_for_whom(command: Command) -> None:
    plan = {"name": "monthly", "kind": "sla", "enabled": True, "formats": ["pdf"], "channels": ["ops"]}
    newest = {"from_time": "2026-10-01T00:00:00+00:00", "status": "made"}
    command.rpcs.answers["list_report_plans"] = lambda _: [
        {**plan, "newest": newest},
        {**plan, "enabled": False, "channels": [], "newest": None},
    ]
    assert command("reports", "plans").out == (
        "  monthly  sla  pdf  to ops     last 2026-10, made\n  monthly  off  pdf  to nobody  none made yet\n"
    )
    command.rpcs.answers["list_report_plans"] = lambda _: []
    assert command("reports", "plans").out == "no plans: no report is made by itself\n"
