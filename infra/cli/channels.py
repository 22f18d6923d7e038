"""`watchkeeper channels`: where messages go, and whether they get there."""

import argparse
import time
from datetime import UTC, datetime
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.lists import add_group, short, show_json
from infra.cli.render import Screen, ago, clean

Json = dict[str, Any]

LOOK_EVERY_S = 1.0


def add_commands(commands: Any) -> None:
    """Add `channels` with its own commands."""
    verbs = add_group(commands, "channels", "where messages go, and whether they get there", run_list)
    verb = verbs.add_parser(
        "test", help="send a test message", description="Exit code 0 only if the channel took it."
    )
    verb.add_argument("name", metavar="NAME")
    verb.add_argument(
        "--wait", type=float, default=45, metavar="S", help="how long to wait for the answer (default: 45)"
    )
    verb.set_defaults(run=run_test)


def run_list(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """Exit code 1 if messages do not get through one of them."""
    found = store.list_channels()
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("no channels: alerts reach nobody; `watchkeeper apply FILE` adds some")
    else:
        screen.table([row(channel) for channel in found], status_column=1)
    return int(any(channel["status"] in ("warning", "critical") for channel in found))


def row(channel: Json) -> list[str]:
    """Name, status, service, person, what waits or died, when it last took one, and its last error."""
    now = datetime.now(UTC).isoformat()
    person = f"for {channel['person']}" if channel.get("person") else ""
    counts = f"{channel['pending']} pending, {channel['dead']} dead"
    sent = f"last sent {ago(channel.get('last_sent_at'), now)}"
    error = (channel.get("last_error") or "") if channel["status"] != "ok" else ""
    return [channel["name"], channel["status"], channel["kind"], person, counts, sent, error]


def run_test(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    sent = store.send_test(args.name)
    settled = wait_for(store, args.name, sent, args.wait)
    name = clean(args.name)
    if settled["status"] == "sent":
        receipt = f" ({clean(settled['provider_id'])})" if settled.get("provider_id") else ""
        screen.line(f"{name} took it{receipt}")
        return 0
    why = clean(settled.get("last_error") or "nobody has tried yet")
    verdict = "refused it" if settled["status"] == "dead" else "has not taken it yet"
    screen.line(f"{name} {verdict}: {why}   (watchkeeper deliveries; this one is {short(sent['id'])})")
    return 1


def wait_for(store: OperatorStore, channel: str, delivery: Json, wait_s: float) -> Json:
    """The line of the ledger when it is settled or was tried in vain, or as it stands when the time is over."""
    give_up_at = time.monotonic() + wait_s
    while True:
        lines = store.list_deliveries(channel=channel, max_rows=50)
        delivery = next((line for line in lines if line["id"] == delivery["id"]), delivery)
        settled = delivery["status"] != "pending" or delivery.get("last_error")
        if settled or time.monotonic() + LOOK_EVERY_S > give_up_at:
            return delivery
        time.sleep(LOOK_EVERY_S)
