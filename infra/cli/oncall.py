"""`watchkeeper oncall`: who is on call, how they are reached, and who stands in."""

import argparse
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.lists import show_json
from infra.cli.names import NotThere
from infra.cli.render import Screen


def add_commands(commands: Any) -> None:
    """Add `oncall`."""
    command = commands.add_parser(
        "oncall", help="who is on call", description="Exit code 1 if no channel reaches one of them."
    )
    command.add_argument("rotation", nargs="?", metavar="ROTATION", help="only this one")
    command.add_argument("--at", metavar="TIME", help="at this moment, such as 2026-12-24T18:00+01:00")
    command.add_argument("--instead", metavar="EMAIL", help="put this person on call from --from to --to")
    command.add_argument("--from", dest="start", metavar="TIME", help="such as 2026-12-24T18:00+01:00")
    command.add_argument("--to", dest="end", metavar="TIME")
    command.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    command.set_defaults(run=run)


def run(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    if args.instead or args.start or args.end:
        return stand_in(args, store, screen)
    found = store.who_is_on_call(args.rotation, args.at)
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("no rotations; `watchkeeper apply FILE` adds some")
    else:
        reached = [", ".join(one["channels"]) or "NO CHANNEL reaches them" for one in found]
        screen.table(
            [[one["rotation"], one["person"], f"by {by}"] for one, by in zip(found, reached, strict=True)]
        )
    return int(any(not one["channels"] for one in found))


def stand_in(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """Somebody else is on call for a while."""
    if not (args.rotation and args.instead and args.start and args.end):
        raise NotThere("a stand-in needs all of it: oncall ROTATION --instead EMAIL --from TIME --to TIME")
    store.save_override(args.rotation, args.instead, args.start, args.end)
    screen.line(f"{args.instead} is on call for {args.rotation} from {args.start} to {args.end}")
    return 0
