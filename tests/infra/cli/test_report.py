"""Reports as an operator makes them here, asks for them, and sees how they stand."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.cli import report
from infra.cli.report import last_month, moment
from tests.handlers.doubles import Json
from tests.infra.cli.conftest import Command
from watchkeeper import reports

ID = "5f0c4f1e-0000-4000-8000-000000000001"
OCTOBER = ("--from", "2026-10-01", "--to", "2026-11-01")
FIGURES: Json = {
    "from": "2026-10-01T00:00:00+00:00", "to": "2026-11-01T00:00:00+00:00", "generated_at": "2026-11-02T00:30:00+00:00",
    "objective": {"name": "default", "percent": 99.9},
    "totals": {"watched_s": 10, "up_s": 10, "down_s": 0, "unknown_s": 0, "maintenance_s": 0},
}  # fmt: skip


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
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "LOOK_EVERY_S", 0.01)
    command.rpcs.answers["get_sla_report"] = lambda _: FIGURES


# Here and now ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["html", "pdf", "csv", "json"])
def test_a_report_is_what_the_function_would_make_of_the_figures(
    command: Command, tmp_path: Path, format_: str
) -> None:
    ran = command("report", *OCTOBER, "--format", format_)
    assert (ran.code, ran.err) == (0, "")
    file = tmp_path / f"service-levels-2026-10.{format_}"
    assert ran.out.startswith(f"wrote {file.name} (")
    assert file.read_bytes() == reports.render("sla", {**FIGURES, "title": "Service levels"}, format_)


def test_what_it_is_about_is_asked_of_the_database(command: Command) -> None:
    words = (
        "--label",
        "team=core",
        "--label",
        "a=b=c",
        "--network",
        "main",
        "--target",
        "n1",
        "--objective",
        "gold",
    )
    command.rpcs.answers["get_sla_report"] = lambda _: {
        **FIGURES,
        "targets": [{"name": "n1", "network": "main"}],
    }
    assert command("report", *OCTOBER, *words, "--title", "Zoë's", "-o", "x.html").code == 0
    (args,) = command.rpcs.called("get_sla_report")
    assert args == {
        "from_time": "2026-10-01T00:00:00+00:00", "to_time": "2026-11-01T00:00:00+00:00", "objective": "gold",
        "match": {"labels": {"team": "core", "a": "b=c"}, "networks": ["main"], "targets": ["n1"]},
    }  # fmt: skip


def test_without_times_it_is_the_last_full_month(command: Command) -> None:
    assert command("report").code == 0
    (args,) = command.rpcs.called("get_sla_report")
    start, end = last_month(datetime.now(UTC))
    assert (args["from_time"], args["to_time"]) == (start.isoformat(), end.isoformat())


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ("2026-11-23T15:00Z", "2026-10-01T00:00Z", "2026-11-01T00:00Z"),
        ("2026-01-01T00:00Z", "2025-12-01T00:00Z", "2026-01-01T00:00Z"),
        ("2024-03-31T23:59Z", "2024-02-01T00:00Z", "2024-03-01T00:00Z"),
        ("2026-11-01T00:30+02:00", "2026-09-01T00:00Z", "2026-10-01T00:00Z"),
    ],
)
def test_months_are_those_of_utc(now: str, start: str, end: str) -> None:
    assert last_month(datetime.fromisoformat(now)) == (moment(start), moment(end))


def test_to_standard_output_goes_the_file_alone(command: Command, tmp_path: Path) -> None:
    ran = command("report", *OCTOBER, "--format", "json", "-o", "-")
    assert json.loads(ran.out)
    assert ran.out.encode() == reports.render("sla", {**FIGURES, "title": "Service levels"}, "json")
    assert list(tmp_path.iterdir()) == []


def test_compliance_is_about_the_whole_installation(command: Command) -> None:
    ran = command("report", *OCTOBER, "--kind", "compliance", "--label", "team=core")
    assert (ran.code, ran.out) == (2, "")
    assert "whole installation" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "2026-10-01"), "give both --from and --to"),
        (("--from", "yesterday", "--to", "2026-10-01"), "'yesterday' is no time such as"),
        (("--from", "2026-02-30", "--to", "2026-10-01"), "'2026-02-30' is no time such as"),
        (("--label", "team"), "'team' is no label such as"),
        (("--label", "=core"), "'=core' is no label such as"),
        (("--format", "docx"), "invalid choice"),
        ((*OCTOBER, "-o", "no/such/folder.html"), "no/such/folder.html: cannot be written"),
    ],
)
def test_a_command_that_is_wrong_says_what_is(command: Command, words: tuple[str, ...], said: str) -> None:
    ran = command("report", *words)
    assert ran.code == 2
    assert said in ran.err


def test_figures_that_make_no_sense_are_no_traceback(command: Command) -> None:
    command.rpcs.answers["get_sla_report"] = lambda _: {**FIGURES, "to": FIGURES["from"]}
    ran = command("report", *OCTOBER)
    assert ran.code == 2
    assert ran.err.startswith("the figures make no sense: ")


def test_what_takes_long_is_told_and_nothing_else(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "LONG_S", 0.05)

    def slow(_: Json) -> Json:
        time.sleep(0.3)
        return FIGURES

    command.rpcs.answers["get_sla_report"] = slow
    assert "reading the figures ...\n" in command("report", *OCTOBER).err


# Kept ------------------------------------------------------------------------------------------------------------


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
