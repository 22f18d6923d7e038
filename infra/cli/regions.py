"""`watchkeeper regions`: where the stack runs, and who is still there."""

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.render import Screen, ago


def add_commands(commands: Any) -> None:
    """Add `regions` with its own commands."""
    group = commands.add_parser("regions", help="where the stack runs; forget a region that is gone")
    verbs = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    verb = verbs.add_parser(
        "list", help="every region that ever ticked", description="Exit code 0 only if all do."
    )
    verb.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    verb.set_defaults(run=run_list)

    verb = verbs.add_parser("forget", help="of a region whose stack is deleted: nobody waits for it any more")
    verb.add_argument("region", metavar="REGION")
    verb.set_defaults(run=run_forget)


def run_list(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    found = store.list_regions()
    now = datetime.now(UTC).isoformat()
    if args.json:
        screen.line(json.dumps(found, indent=2))
    elif not found:
        screen.line("no region has ticked yet")
    else:
        rows = [
            [each["name"], each["status"], f"last tick {ago(each['last_tick_at'], now)}"] for each in found
        ]
        screen.table(rows, status_column=1)
    return 0 if all(each["status"] == "ok" for each in found) else 1


def run_forget(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    store.forget_region(args.region)
    screen.line(f"{args.region}  forgotten")
    return 0
