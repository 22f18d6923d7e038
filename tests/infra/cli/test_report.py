"""Reports as an operator makes them here and now."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.cli import report
from infra.cli.scope import last_month
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


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    monkeypatch.chdir(tmp_path)
    command.rpcs.answers["get_sla_report"] = lambda _: FIGURES


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
