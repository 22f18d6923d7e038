"""`watchkeeper members`: who may see and do what."""

import argparse
import json
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.render import Screen

ROLES = {
    "admin": "everything",
    "responder": "acknowledge and resolve alerts, work on incidents",
    "viewer": "look",
    "auditor": "look, and export the audit trail",
}


def add_commands(commands: Any) -> None:
    """Add `members` with its own commands."""
    group = commands.add_parser("members", help="give, take and list roles")
    verbs = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    verb = verbs.add_parser("list", help="who has which role")
    verb.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    verb.set_defaults(run=run_list)

    words = "; ".join(f"{role}: {may}" for role, may in ROLES.items())
    verb = verbs.add_parser(
        "grant", help="give somebody a role, in place of the one they have", description=words
    )
    verb.add_argument("email", metavar="EMAIL", help="of somebody who has signed up")
    verb.add_argument("role", metavar="ROLE", choices=ROLES, help=" | ".join(ROLES))
    verb.set_defaults(run=run_grant)

    verb = verbs.add_parser("revoke", help="take somebody's role away")
    verb.add_argument("email", metavar="EMAIL")
    verb.set_defaults(run=run_revoke)


def run_list(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    found = store.list_members()
    if args.json:
        screen.line(json.dumps(found, indent=2))
    elif not found:
        screen.line("nobody has a role yet; `watchkeeper members grant EMAIL admin` gives one")
    else:
        screen.table([[m["email"], m["role"], f"since {m['granted_at'][:10]}"] for m in found])
    return 0


def run_grant(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    store.grant_role(args.email, args.role)
    screen.line(f"{args.email} is {args.role} now: {ROLES[args.role]}")
    return 0


def run_revoke(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    store.revoke_role(args.email)
    screen.line(f"{args.email} has no role any more")
    return 0
