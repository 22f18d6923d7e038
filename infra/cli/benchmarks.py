"""`watchkeeper benchmarks`: how long operations take, and what has become slower."""

import argparse
import re
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.lists import show_json
from infra.cli.render import Screen, number

Json = dict[str, Any]

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
HEAD = ["benchmark", "operation", "samples", "p50", "p95", "p99", "p95 before", "change", ""]


def add_commands(commands: Any) -> None:
    """Add `benchmarks`."""
    command = commands.add_parser(
        "benchmarks",
        help="how long operations take, against the time before",
        description="How long operations took in the last hour, or another window, against the window before.",
    )
    command.add_argument(
        "--window", type=window, default=3600, metavar="1h", help="30m, 1h (the default), 7d, ..."
    )
    command.add_argument("--name", metavar="NAME", help="only this benchmark; our own is watchkeeper")
    command.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    command.set_defaults(run=run)


def window(text: str) -> int:
    """90s, 30m, 1h or 7d in seconds."""
    given = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if not given:
        raise argparse.ArgumentTypeError(f'"{text}" is no span of time such as 90s, 30m, 1h or 7d')
    return int(given[1]) * SECONDS[given[2]]


def run(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """Exit code 1 if a rule says that something has become slower."""
    found = store.get_benchmarks(args.window, args.name)
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("nothing was measured in this window and the one before")
    else:
        screen.table([HEAD, *(row(line) for line in found)])
    return int(any(line["regression"] for line in found))


def row(line: Json) -> list[str]:
    now, before = line["now"], line["before"] or {}
    return [
        line["benchmark_name"],
        line["operation_type"],
        number(now["n"]),
        *(number(now[key], "ms") for key in ("p50_ms", "p95_ms", "p99_ms")),
        number(before.get("p95_ms"), "ms"),
        change(line["change_percent"]["p95"]),
        "REGRESSION" if line["regression"] else "",
    ]


def change(percent: float | None) -> str:
    return "unknown" if percent is None else f"{percent:+g} %"
