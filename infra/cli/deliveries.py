"""`watchkeeper deliveries`: the ledger of what was told to whom."""

import argparse
from datetime import UTC, datetime
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.lists import add_group, find_id, full_id, short, show_json
from infra.cli.render import Screen, age, ago

Json = dict[str, Any]

STATUSES = ["pending", "sent", "dead", "cancelled"]
LOOKED_THROUGH = 200  # as many as one call gives


def add_commands(commands: Any) -> None:
    """Add `deliveries` with its own commands."""
    verbs = add_group(commands, "deliveries", "what was told to whom, and what waits", run_list, options)
    verb = verbs.add_parser("show", help="all of one delivery, and what to look for in the logs")
    verb.add_argument("id", metavar="ID", help="its id or the start of it")
    verb.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    verb.set_defaults(run=run_show)
    verb = verbs.add_parser("retry", help="try a dead one once more, or a waiting one at once")
    verb.add_argument("id", metavar="ID", help="its id or the start of it")
    verb.set_defaults(run=run_retry)


def options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--channel", metavar="NAME", help="only this channel's")
    command.add_argument("--status", choices=STATUSES, help="only these")
    command.add_argument("--alert", metavar="ID", help="only those of this alert")
    command.add_argument("--max", type=int, default=50, metavar="N", help="the newest N (default: 50)")


def run_list(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """Exit code 1 if one of them failed and has not arrived since."""
    found = store.list_deliveries(args.alert, args.channel, args.status, max_rows=args.max)
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("no deliveries")
    else:
        screen.table([row(delivery) for delivery in found], status_column=1)
    return int(any(is_trouble(delivery) for delivery in found))


def run_show(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """Exit code 1 if it failed and has not arrived since."""
    delivery = find_id(store.list_deliveries(max_rows=LOOKED_THROUGH), args.id, "deliveries")
    if args.json:
        show_json(delivery, screen)
        return int(is_trouble(delivery))
    walk = delivery.get("correlation_id")
    told = {
        "id": delivery["id"],
        "status": delivery["status"],
        "what": f"{what(delivery)} {to_whom(delivery)}",
        "why": delivery["why"],
        "created": delivery["created_at"],
        "settled": delivery["settled_at"],
        "attempts": delivery["attempts"],
        "outcome": outcome(delivery, datetime.now(UTC).isoformat()),
        "alert": delivery.get("alert_id"),
        # Without one no check led to it: a test, a report, what a person or a tool did.
        "correlation id": walk and f"{walk}: in CloudWatch, every line of its way from the tick to here",
    }
    screen.table([[name, str(value)] for name, value in told.items() if value not in (None, "")])
    return int(is_trouble(delivery))


def run_retry(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    found = full_id(lambda: store.list_deliveries(max_rows=LOOKED_THROUGH), args.id, "deliveries")
    again = store.retry_delivery(found)
    screen.line(f"{short(again['id'])} waits to be sent; the sweep takes it within 15 s")
    return 0


def is_trouble(delivery: Json) -> bool:
    return delivery["status"] == "dead" or (delivery["status"] == "pending" and bool(delivery["last_error"]))


def row(delivery: Json) -> list[str]:
    """Its id, how it stands, when, what, to whom, how often it was tried, and what came of it."""
    now = datetime.now(UTC).isoformat()
    tries = f"{delivery['attempts']} attempt{'' if delivery['attempts'] == 1 else 's'}"
    when = ago(delivery["created_at"], now)
    return [
        short(delivery["id"]),
        delivery["status"],
        when,
        what(delivery),
        to_whom(delivery),
        tries,
        outcome(delivery, now),
    ]


def what(delivery: Json) -> str:
    """`trigger service_down of website`; a test is about nothing."""
    if not delivery.get("alert_type"):
        return ": ".join(part for part in (delivery["event"], delivery.get("source")) if part)
    return f"{delivery['event']} {delivery['alert_type']} of {delivery.get('source') or '-'}"


def to_whom(delivery: Json) -> str:
    return f"to {delivery['channel']} ({delivery['kind']})"


def outcome(delivery: Json, now: str) -> str:
    """The receipt, or the last error and when it is tried next."""
    if delivery["status"] == "sent":
        took = age(delivery["created_at"], delivery["settled_at"])
        return f"after {took}{f', {receipt}' if (receipt := delivery.get('provider_id')) else ''}"
    said = delivery.get("last_error") or ""
    if delivery["status"] != "pending":
        return said
    wait = age(now, delivery["next_attempt_at"])
    next_try = "next try now" if wait in (None, "0 s") else f"next try in {wait}"
    return f"{next_try}: {said}" if said else next_try
