"""`watchkeeper tokens`: what lets other tools record or read, and how it ends."""

import argparse
from datetime import UTC, datetime
from typing import Any

from infra.cli import env
from infra.cli.api import OperatorStore
from infra.cli.lists import add_group, show_json
from infra.cli.render import Screen, ago
from infra.cli.signing import Signer

Json = dict[str, Any]

ROLES = {
    "ingest": "record metrics and benchmarks",
    "metrics": "read the summary, and nothing else",
}


def add_commands(commands: Any) -> None:
    """Add `tokens` with its own commands."""
    verbs = add_group(commands, "tokens", "the tokens of other tools, and when they were used last", run_list)

    verb = verbs.add_parser(
        "create",
        help="make a token, and print it once",
        description="Signs with the project's key: SUPABASE_SIGNING_KEY names the file of a private JWK, "
        "SUPABASE_JWT_SECRET is the secret of a project without one. The token is kept nowhere.",
    )
    verb.add_argument("name", metavar="NAME", help="of the tool; free again when it is revoked")
    words = "; ".join(f"{role}: {may}" for role, may in ROLES.items())
    verb.add_argument("--role", required=True, choices=ROLES, help=words)
    verb.add_argument("--days", type=int, default=90, metavar="N", help="until it expires (default: 90)")
    verb.set_defaults(run=run_create)

    verb = verbs.add_parser("revoke", help="end a token at once")
    verb.add_argument("name", metavar="NAME")
    verb.set_defaults(run=run_revoke)


def run_list(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    found = store.list_api_tokens()
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("no tool has a token; `watchkeeper tokens create NAME --role ingest` makes one")
    else:
        screen.table([row(token) for token in found])
    return 0


def row(token: Json) -> list[str]:
    """Name, what it may, until when, who made it, and its last use."""
    now = datetime.now(UTC).isoformat()
    ends = token["revoked_at"] or token["expires_at"]
    words = {"active": "until", "expired": "expired", "revoked": "revoked"}[token["status"]]
    used = f"used {ago(token['last_used_at'], now)}" if token["last_used_at"] else "never used"
    role = token["role"].removeprefix("watchkeeper_")
    # The database cannot write down that it was read.
    used = "" if role == "metrics" else used
    return [token["name"], role, f"{words} {ends[:10]}", f"by {token['created_by']}", used]


def run_create(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    signer = Signer(env.values())
    made = store.create_api_token(args.name, f"watchkeeper_{args.role}", args.days)
    token = signer.sign(
        {
            "iss": "watchkeeper",
            "role": made["role"],
            "jti": made["jti"],
            "iat": _seconds(made["created_at"]),
            "exp": _seconds(made["expires_at"]),
        }
    )
    screen.line(token)
    return 0


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())


def run_revoke(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    store.revoke_api_token(args.name)
    screen.line(f"{args.name} is revoked: who still has the token is refused from now on")
    return 0
