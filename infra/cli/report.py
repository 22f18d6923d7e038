"""`watchkeeper report` makes a report here and now. Those that are kept are in `watchkeeper reports`."""

import argparse
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.names import NotThere, need_watched
from infra.cli.render import Screen, clean
from infra.cli.scope import about, chosen_match, chosen_span
from watchkeeper.report_names import MEDIA_TYPES, file_name, period

Json = dict[str, Any]

FORMATS = sorted(MEDIA_TYPES)
TITLES = {"sla": "Service levels", "compliance": "Compliance"}
LONG_S = 1.0  # what takes longer is told


def add_commands(commands: Any) -> None:
    """Add `report`."""
    command = commands.add_parser(
        "report",
        help="make a report here: service levels or compliance",
        description="Make a report of the last full month, or of another time, and write it to a file.",
    )
    about(command)
    command.add_argument("--format", choices=FORMATS, default="html", help="default: html")
    command.add_argument("-o", "--output", metavar="FILE", help="where to; - is standard output")
    command.set_defaults(run=run_report)


def run_report(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """The same code as the function's, on the same figures."""
    span = chosen_span(args)
    title = args.title or TITLES[args.kind]
    with telling("reading the figures"):
        figures = read_figures(args, store, span)
    with telling(f"making the {args.format} file"):
        body = rendered(args, {**figures, "title": title})
    if args.output == "-":
        sys.stdout.buffer.write(body)
        return 0
    path = Path(args.output or file_name(title, *span, args.format))
    try:
        path.write_bytes(body)
    except OSError as error:
        raise NotThere(f"{path}: cannot be written: {error.strerror}") from None
    screen.line(f"wrote {clean(path)} ({size(len(body))}): {clean(title)}, {period(*span)}")
    return 0


def rendered(args: argparse.Namespace, figures: Json) -> bytes:
    render: Any = import_module("watchkeeper.reports").render
    try:
        body: bytes = render(args.kind, figures, args.format)
    except ValueError as error:
        raise NotThere(f"the figures make no sense: {clean(error)}") from None
    return body


def read_figures(args: argparse.Namespace, store: OperatorStore, span: tuple[datetime, datetime]) -> Json:
    times = span[0].isoformat(), span[1].isoformat()
    if args.kind == "sla":
        figures = store.get_sla_report(*times, chosen_match(args), args.objective)
        need_watched(store, chosen_match(args), figures.get("targets", []))
        return figures
    if chosen_match(args) or args.objective:
        raise NotThere(
            "a compliance report is about the whole installation: no --label, --objective and the like"
        )
    return store.get_compliance_report(*times)


def size(count: int) -> str:
    return f"{count} bytes" if count < 10_000 else f"{count // 1000:,} kB"


@contextmanager
def telling(words: str) -> Iterator[None]:
    """Says on standard error what takes so long, if it does."""
    timer = threading.Timer(LONG_S, lambda: print(f"{words} ...", file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
