"""`watchkeeper alerts`: what fired."""

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.lists import short
from infra.cli.render import Screen, ago

STATUSES = ["firing", "resolved", "all"]


def add_commands(commands: Any) -> None:
    """Add `alerts`."""
    command = commands.add_parser(
        "alerts", help="what fires now, or what did", description="Exit code 1 if one fires."
    )
    command.add_argument("--status", choices=STATUSES, default="firing", help="default: firing")
    command.add_argument("--max", type=int, default=50, metavar="N", help="the newest N (default: 50)")
    command.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    command.set_defaults(run=run)


def run(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    found = store.list_alerts(status=None if args.status == "all" else args.status, max_rows=args.max)
    if args.json:
        screen.line(json.dumps(found, indent=2))
    elif not found:
        screen.line("no alert fires" if args.status == "firing" else "no alerts")
    else:
        screen.table([row(alert) for alert in found], status_column=1)
    return int(any(alert["status"] == "firing" for alert in found))


def row(alert: dict[str, Any]) -> list[str]:
    """Id, status, severity, where, what, since when, who is on it, and the message."""
    now = datetime.now(UTC).isoformat()
    who = alert.get("acknowledged_by_email") or "somebody" if alert.get("acknowledged") else "nobody"
    where = alert.get("target") or alert.get("source") or "-"
    since = ago(alert.get("first_seen_at"), now)
    what = [short(alert["id"]), alert["status"], alert["severity"], where, alert["alert_type"]]
    return [*what, since, f"on it: {who}", alert["message"]]
