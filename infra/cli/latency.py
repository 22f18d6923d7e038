"""`watchkeeper latency`: how long alerts took, from the check to the channel."""

import argparse
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.lists import show_json
from infra.cli.render import Screen

Json = dict[str, Any]

HEAD = [
    "kind",
    "alerts",
    "delivered",
    "in 30 s",
    "acked in 5 min",
    "detected to delivered",
    "due to delivered",
]


def add_commands(commands: Any) -> None:
    """Add `latency`."""
    command = commands.add_parser("latency", help="how long alerts took, from the check to the channel")
    command.add_argument("--days", type=float, default=7, metavar="N", help="of the last N days (default: 7)")
    command.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    command.set_defaults(run=run)


def run(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    found = store.get_alert_latency(round(args.days * 86_400))
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line(f"no alert in the last {args.days:g} days")
    else:
        screen.table([HEAD, *(row(line) for line in found)])
    return 0


def row(line: Json) -> list[str]:
    counts = ("alerts", "delivered", "delivered_within_30_s", "acknowledged_within_5_min")
    spans = ("detected_to_delivered_s", "due_to_delivered_s")
    return [line["kind"], *(str(line[key]) for key in counts), *(spread(line[key]) for key in spans)]


def spread(percentiles: Json | None) -> str:
    """p50, p95 and p99; what was never delivered took an unknown time."""
    if percentiles is None:
        return "unknown"
    return " ".join(f"{name} {seconds:g} s" for name, seconds in percentiles.items())
