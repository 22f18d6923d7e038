"""Who changed what, is the log whole, and a copy of it: as an operator reads them."""

import csv
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.handlers.doubles import Json
from tests.infra.cli.conftest import Command


def entry(seq: int = 1, **changes: object) -> Json:
    return {
        "seq": seq, "at": (datetime.now(UTC) - timedelta(seconds=60)).isoformat(), "actor": "ann@example.org",
        "actor_id": None, "action": "update", "table_name": "checks", "row_key": "anvil/blockchain",
        "before": {"interval_s": 60, "kind": "blockchain"}, "after": {"interval_s": 30, "kind": "blockchain"},
        "hash": "ab" * 32, "previous_hash": "00" * 32, **changes,
    }  # fmt: skip


def test_a_change_says_who_what_and_from_what_to_what(command: Command) -> None:
    command.rpcs.answers["list_audit_log"] = lambda _: [entry()]
    ran = command("audit")
    assert (ran.code, ran.out.split("  ")[1:]) == (
        0, ["1", "60 s ago", "ann@example.org", "update checks anvil/blockchain", "interval_s 60 -> 30\n"],
    )  # fmt: skip


@pytest.mark.parametrize("changes", [{"before": None}, {"after": None}])
def test_what_is_new_or_gone_needs_no_list_of_its_columns(command: Command, changes: Json) -> None:
    command.rpcs.answers["list_audit_log"] = lambda _: [entry(**changes)]
    assert command("audit").out.endswith("anvil/blockchain\n")


def test_a_long_value_is_cut_and_cannot_move_the_cursor(command: Command) -> None:
    command.rpcs.answers["list_audit_log"] = lambda _: [
        entry(before={}, after={"x": "y" * 100}, actor="a\x1b[2J")
    ]
    ran = command("audit")
    assert f'x null -> "{"y" * 56}...' in ran.out
    assert "\x1b" not in ran.out


def test_the_list_is_filtered_by_the_database(command: Command) -> None:
    command.rpcs.answers["list_audit_log"] = lambda _: []
    words = "--table checks --actor ann --key anvil/p2p --from 2026-10-01 --to 2026-11-01T00:00+01:00 --max 5"
    assert command("audit", *words.split()).out == "no changes\n"
    assert command.rpcs.called("list_audit_log") == [
        {"table_name": "checks", "actor": "ann", "row_key": "anvil/p2p", "from_time": "2026-10-01T00:00:00+00:00",
         "to_time": "2026-11-01T00:00:00+01:00", "before_seq": None, "max_rows": 5}
    ]  # fmt: skip


def test_a_time_that_is_none_is_a_mistake(command: Command) -> None:
    ran = command("audit", "--from", "yesterday")
    assert ran.code == 2
    assert "--from: 'yesterday' is no time such as 2026-10-01" in ran.err


def test_the_list_as_json_is_what_the_database_said(command: Command) -> None:
    line = entry()
    command.rpcs.answers["list_audit_log"] = lambda _: [line]
    assert json.loads(command("audit", "list", "--json").out) == [line]


def verdict(rows: int, next_seq: int | None = None, broken: Json | None = None) -> Json:
    head = {"seq": 70_000, "hash": "ab" * 32, "at": None}
    return {
        "ok": broken is None,
        "rows": rows,
        "head": head,
        "first_broken": broken,
        "next_seq": next_seq,
    }


def test_the_log_is_verified_page_by_page_with_its_progress(command: Command) -> None:
    pages = [verdict(50_000, 50_001), verdict(20_000)]
    command.rpcs.answers["verify_audit_log"] = lambda _: pages.pop(0)
    ran = command("audit", "verify")
    assert (ran.code, ran.out) == (0, f"whole: 70,000 rows, the last one's hash is {'ab' * 32}\n")
    assert "50,000 of 70,000 rows verified" in ran.err
    assert [call["from_seq"] for call in command.rpcs.called("verify_audit_log")] == [1, 50_001]


def test_a_broken_log_is_a_problem_and_named(command: Command) -> None:
    command.rpcs.answers["verify_audit_log"] = lambda _: verdict(5, 6, {"seq": 3, "reason": "it is missing"})
    ran = command("audit", "verify")
    assert (ran.code, ran.out) == (1, "BROKEN at row 3: it is missing\n")


def test_heads_that_were_kept_are_expected(command: Command, tmp_path: Path) -> None:
    # as close_books writes it
    kept = {"seq": 3, "hash": "ab" * 32, "at": None, "written_at": "2026-10-31T01:00:00+00:00"}
    one, many = tmp_path / "one.json", tmp_path / "many.json"
    one.write_text(json.dumps(kept))
    many.write_text(json.dumps([kept, {**kept, "seq": 4}]))
    command.rpcs.answers["verify_audit_log"] = lambda _: verdict(5)
    assert command("audit", "verify", "--expected", str(one), "--expected", str(many)).code == 0
    (call,) = command.rpcs.called("verify_audit_log")
    assert call["expected"] == [{"seq": seq, "hash": "ab" * 32} for seq in (3, 3, 4)]


@pytest.mark.parametrize("text", [None, "no json", "[1]", '{"seq": 1}'])
def test_a_head_that_cannot_be_read_is_a_mistake(command: Command, tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "head.json"
    if text is not None:
        file.write_text(text)
    ran = command("audit", "verify", "--expected", str(file))
    assert (ran.code, "head.json" in ran.err) == (2, True)


def pages(command: Command, *rows: Json) -> None:
    """One row a page."""

    def page(args: Json) -> Json:
        left = [row for row in rows if row["seq"] > args["after_seq"]]
        return {"rows": left[:1], "next_seq": left[0]["seq"] if len(left) > 1 else None}

    command.rpcs.answers["export_audit_log"] = page


def test_an_export_holds_each_row_once_and_in_order(command: Command, tmp_path: Path) -> None:
    rows = [entry(seq, row_key="ünïcode ✓") for seq in (1, 2, 3)]
    pages(command, *rows)
    file = tmp_path / "audit.jsonl"
    ran = command("audit", "export", "--from", "2026-10-01", "--format", "jsonl", "-o", str(file))
    assert (ran.code, ran.out) == (0, f"3 rows in {file}\n")
    assert [json.loads(line) for line in file.read_text().splitlines()] == rows
    assert "\r2 rows" in ran.err
    assert {call["from_time"] for call in command.rpcs.called("export_audit_log")} == {
        "2026-10-01T00:00:00+00:00"
    }


def test_a_csv_has_no_formulas(command: Command, tmp_path: Path) -> None:
    names = ["=1+1", "+1", "-1", "@x", "\t=1", 'a,"b"\nc', "plain"]
    pages(command, *(entry(n, row_key=name, after=None) for n, name in enumerate(names, 1)))
    file = tmp_path / "audit.csv"
    assert command("audit", "export", "-o", str(file)).code == 0
    with file.open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["row_key"] for line in lines] == ["'=1+1", "'+1", "'-1", "'@x", "'\t=1", *names[5:]]
    assert json.loads(lines[0]["before"]) == {"interval_s": 60, "kind": "blockchain"}
    assert lines[0]["after"] == ""


def test_an_empty_log_gives_a_file_with_its_columns(command: Command, tmp_path: Path) -> None:
    command.rpcs.answers["export_audit_log"] = lambda _: {"rows": [], "next_seq": None}
    file = tmp_path / "audit.csv"
    assert command("audit", "export", "-o", str(file)).out == f"0 rows in {file}\n"
    assert file.read_text().startswith("seq,at,actor")


def test_half_an_export_is_no_file(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "audit.csv"
    file.write_text("the one before")
    answers = [{"rows": [entry()], "next_seq": 1}, {"nonsense": True}]
    command.rpcs.answers["export_audit_log"] = lambda _: answers.pop(0)
    with pytest.raises(KeyError):
        command("audit", "export", "-o", str(file))
    assert [each.read_text() for each in tmp_path.iterdir()] == ["the one before"]


def test_a_file_that_cannot_be_written_is_a_mistake(command: Command, tmp_path: Path) -> None:
    command.rpcs.answers["export_audit_log"] = lambda _: {"rows": [], "next_seq": None}
    ran = command("audit", "export", "-o", str(tmp_path / "no" / "audit.csv"))
    assert (ran.code, "No such file" in ran.err) == (2, True)


def test_a_pipe_is_written_to_and_stays_one(command: Command, tmp_path: Path) -> None:
    """A file is put in place of what was there; in place of /dev/null, that would harm the whole machine."""
    pages(command, entry())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        ran = command("audit", "export", "--format", "jsonl", "-o", str(pipe))
        assert (ran.code, json.loads(os.read(reader, 10_000))["seq"]) == (0, 1)
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
