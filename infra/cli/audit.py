"""`watchkeeper audit`: who changed what, whether the log is whole, and a copy of it."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from infra.cli import scope
from infra.cli.api import OperatorStore
from infra.cli.lists import add_group, show_json
from infra.cli.names import NotThere
from infra.cli.render import Screen, ago, clean, number

Json = dict[str, Any]

VERIFIED_AT_ONCE = 50_000
EXPORTED_AT_ONCE = 1_000
FORMATS = ("csv", "jsonl")
COLUMNS = (
    "seq", "at", "actor", "actor_id", "action", "table_name", "row_key", "before", "after", "previous_hash", "hash",
)  # fmt: skip
# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def add_commands(commands: Any) -> None:
    """Add `audit` with its own commands."""
    verbs = add_group(commands, "audit", "who changed what", run_list, options)

    verb = verbs.add_parser(
        "verify", help="is the log whole and unchanged", description="Exit code 1 if not."
    )
    verb.add_argument(
        "--expected", type=Path, action="append", default=[], metavar="FILE",
        help="a head that was noted before, as the daily function keeps it; only so a missing end is found",
    )  # fmt: skip
    verb.set_defaults(run=run_verify)

    verb = verbs.add_parser("export", help="write the log to a file, oldest first")
    span(verb)
    verb.add_argument("--format", choices=FORMATS, default="csv", help="default: csv")
    verb.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    verb.set_defaults(run=run_export)


def options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--table", metavar="NAME", help="only changes of this table, as `targets`")
    command.add_argument("--actor", metavar="WHO", help="only what this person, `operator` or tool changed")
    command.add_argument("--key", metavar="KEY", help="only this row: a name or an id")
    span(command)
    command.add_argument("--max", type=int, default=50, metavar="N", help="the newest N (default: 50)")


def span(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--from", dest="from_time", type=moment, metavar="TIME", help="as 2026-10-01 or 2026-10-01T12:00"
    )
    command.add_argument(
        "--to", dest="to_time", type=moment, metavar="TIME", help="this moment is not in it any more"
    )


def moment(text: str) -> str:
    """A time as the database takes it; without a zone it is UTC."""
    return scope.moment(text).isoformat()


def run_list(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    found = store.list_audit_log(
        args.table, args.actor, args.key, args.from_time, args.to_time, max_rows=args.max
    )
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("no changes")
    else:
        screen.table([row(entry) for entry in found])
    return 0


def row(entry: Json) -> list[str]:
    """Its number, when, who, what, and what is different."""
    when = ago(entry["at"], datetime.now(UTC).isoformat())
    what = f"{entry['action']} {entry['table_name']} {entry['row_key']}"
    return [f"{entry['seq']}", when, entry["actor"], what, difference(entry)]


def difference(entry: Json) -> str:
    """`interval_s 60 -> 30`; what is new or gone needs no list of its columns."""
    before, after = entry["before"], entry["after"]
    if before is None or after is None:
        return ""
    changed = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    return ", ".join(f"{key} {brief(before.get(key))} -> {brief(after.get(key))}" for key in changed)


def brief(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def run_verify(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    expected = [head for file in args.expected for head in heads(file)]
    seq, rows = 1, 0
    while True:
        told = store.verify_audit_log(seq, expected or None, max_rows=VERIFIED_AT_ONCE)
        rows += told["rows"]
        if not told["ok"] or told["next_seq"] is None:
            break
        seq = told["next_seq"]
        progress(f"{number(rows)} of {number(told['head']['seq'])} rows verified")
    if not told["ok"]:
        broken = told["first_broken"]
        screen.line(f"BROKEN at row {broken['seq']}: {clean(broken['reason'])}")
        return 1
    screen.line(f"whole: {number(rows)} rows, the last one's hash is {told['head']['hash']}")
    return 0


def heads(file: Path) -> list[Json]:
    """The head, or the list of heads, that somebody kept; what else they noted beside it is not asked about."""
    try:
        kept = json.loads(file.read_text())
        return [
            {"seq": head["seq"], "hash": head["hash"]}
            for head in (kept if isinstance(kept, list) else [kept])
        ]
    except (OSError, ValueError) as error:
        raise NotThere(f"{file}: {error}") from None
    except (KeyError, TypeError):
        raise NotThere(f"{file}: is no head of the audit log, which has a seq and a hash") from None


def run_export(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """The file is there when all of it is; what is there and no file, as a pipe, is written to."""
    special = args.output.exists() and not args.output.is_file()
    part = args.output if special else args.output.with_name(f"{args.output.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            rows = write(args.format, entries(store, args.from_time, args.to_time), stream)
        if not special:
            part.replace(args.output)
    except OSError as error:
        raise NotThere(f"{args.output}: {error.strerror}") from None
    finally:
        if not special:
            part.unlink(missing_ok=True)
    screen.line(f"{number(rows)} rows in {args.output}")
    return 0


def entries(store: OperatorStore, from_time: str | None, to_time: str | None) -> Iterator[Json]:
    """All rows of the span, page by page."""
    after: int | None = 0
    rows = 0
    while after is not None:
        page = store.export_audit_log(from_time, to_time, after, max_rows=EXPORTED_AT_ONCE)
        yield from page["rows"]
        rows += len(page["rows"])
        after = page["next_seq"]
        progress(f"{number(rows)} rows")


def write(format_: str, rows: Iterator[Json], stream: TextIO) -> int:
    """Write them; returns how many there were."""
    count = 0
    lines = csv.writer(stream) if format_ == "csv" else None
    if lines:
        lines.writerow(COLUMNS)
    for entry in rows:
        count += 1
        if lines:
            lines.writerow([cell(entry[column]) for column in COLUMNS])
        else:
            stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
    return count


def cell(value: object) -> str:
    """Never a formula: what people typed stands in here."""
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def progress(text: str) -> None:
    """On standard error, over the line before."""
    print(f"\r{text}", end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)
