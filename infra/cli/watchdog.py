"""`watchkeeper watchdog`: where the database itself says that nobody checks any more."""

import argparse
import sys
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.lists import add_group, show_json
from infra.cli.render import Screen, clean

Json = dict[str, Any]


def add_commands(commands: Any) -> None:
    """Add `watchdog` with its own commands."""
    verbs = add_group(commands, "watchdog", "does the database notice when nobody checks any more", run_show)
    verb = verbs.add_parser(
        "set", help="a webhook that it calls when the monitor goes silent, and when it is back"
    )
    verb.add_argument(
        "url", metavar="URL", help="of Slack, Discord or anything that takes JSON; - reads it from stdin"
    )
    verb.add_argument(
        "--silent-s",
        type=int,
        default=300,
        metavar="S",
        help="after so many seconds of silence (default: 300)",
    )
    verb.set_defaults(run=run_set)
    verb = verbs.add_parser("off", help="it calls nobody any more")
    verb.set_defaults(run=run_off)


def run_show(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """Exit code 1 if nobody would notice."""
    state = store.get_system_health_summary()["monitoring"]["watchdog"]
    if args.json:
        show_json(state, screen)
    else:
        tell(state, screen)
    return int(state["status"] != "on")


def run_set(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """Exit code 1 if it is saved and still cannot bark."""
    url = sys.stdin.readline().strip() if args.url == "-" else args.url
    state = store.save_watchdog(url, args.silent_s)
    tell(state, screen)
    return int(state["status"] != "on")


def run_off(_args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    tell(store.save_watchdog(None), screen)
    return 0


def tell(state: Json, screen: Screen) -> None:
    """The address is a secret: it is never shown."""
    after = f"it speaks after {state['silent_s']} s of silence" if "silent_s" in state else "it listens"
    word = screen.status("ok" if state["status"] == "on" else "unknown")
    screen.line(f"{word}  the watchdog is {state['status']}: {clean(state['reason'] or after)}")
