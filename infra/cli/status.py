"""`watchkeeper status`: is everything well, and if not, what."""

import argparse
import json
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.render import Screen, age, ago, clean, label, number, unknown_since

Json = dict[str, Any]

# The numbers of each group in the order they are read, with their units.
GROUPS: dict[str, dict[str, str]] = {
    "blockchain": {"latest_block": "", "total_blocks": "", "avg_block_time": "s"},
    "p2p_network": {"active_peers": "", "total_peers": "", "avg_reputation": ""},
    "mempool": {"pending_transactions": "", "total_fees": ""},
    "quantum_security": {"active_keys": "", "cache_hit_rate": "%"},
    "economics": {"supply": "", "locked": "", "active_accounts": ""},
    "uptime": {"services": "", "up": "", "down": "", "unknown": ""},
}


def add_commands(commands: Any) -> None:
    """Add `status`."""
    command = commands.add_parser(
        "status",
        help="is everything well, and if not, what",
        description="Exit code 0 only if all of it is ok.",
    )
    command.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    command.set_defaults(run=run)


def run(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    summary = store.get_system_health_summary()
    if args.json:
        screen.line(json.dumps(summary, indent=2))
    else:
        show(summary, screen)
    return 0 if summary.get("status") == "ok" else 1


def show(summary: Json, screen: Screen) -> None:
    """The verdict with its reason, then each group, each target, and the monitor itself."""
    now = summary["generated_at"]
    screen.line(
        f"{screen.status(word(summary).upper())}  {clean(summary.get('reason') or 'no reason given')}"
    )
    screen.line(f"{alerts_line(summary.get('alerts') or {})}; {pulse(summary.get('monitoring') or {}, now)}")
    watched = {name: group for name in GROUPS if is_watched(group := summary.get(name) or {})}
    if watched:
        screen.line()
        screen.table([group_row(name, group, now) for name, group in watched.items()], status_column=1)
    if targets := summary.get("targets"):
        screen.line("\nTargets")
        screen.table([[t["name"], word(t), why(t, now)] for t in targets], status_column=1)
    if deliveries := summary.get("deliveries"):
        screen.line(f"\nDeliveries  {screen.status(word(deliveries))}  {deliveries_line(deliveries, now)}")
    if unwatched := [label(name) for name in GROUPS if name not in watched]:
        screen.line(f"\nNot watched: {', '.join(unwatched)}")


def why(target: Json, now: str) -> str:
    """What is wrong, and where regions must agree, what each of them sees."""
    looks = target.get("regions") or {}
    seen = ", ".join(
        f"{name} {look['outcome']} {ago(look['at'], now)}" for name, look in sorted(looks.items())
    )
    return "  ".join(part for part in (target.get("reason"), seen and f"[{seen}]") if part)


def word(thing: Json) -> str:
    """The status; what has none is unknown, never ok."""
    return str(thing.get("status") or "unknown")


def is_watched(group: Json) -> bool:
    return bool(group.get("targets") or group.get("services"))


def group_row(name: str, group: Json, now: str) -> list[str]:
    """One group: its status, its numbers, how old they are, and what is wrong."""
    seen = f"seen {ago(group.get('observed_at'), now)}"
    return [label(name), word(group), numbers(name, group, now), seen, group.get("reason") or ""]


def numbers(name: str, group: Json, now: str) -> str:
    """The numbers with their units. What is not known is unknown, with its age if nothing is: never 0."""
    values = {key: group.get(key) for key in GROUPS[name]}
    if all(value is None for value in values.values()):
        return unknown_since(group.get("observed_at"), now)
    return ", ".join(f"{label(key)} {number(value, GROUPS[name][key])}" for key, value in values.items())


def alerts_line(alerts: Json) -> str:
    if alerts.get("firing") is None:
        return "alerts unknown"
    if not alerts["firing"]:
        return "no alert fires"
    critical, waiting = alerts.get("critical"), alerts.get("unacknowledged")
    return f"{alerts['firing']} firing ({critical} critical, {waiting} unacknowledged)"


def deliveries_line(deliveries: Json, now: str) -> str:
    """Does anybody hear of it? The warning if there is one, and the counts."""
    oldest = age(deliveries.get("oldest_pending_at"), now)
    waits = f", the oldest for {oldest}" if oldest else ""
    counts = f"{number(deliveries.get('pending'))} pending{waits}, {number(deliveries.get('dead_24h'))} dead in 24 h"
    return f"{clean(deliveries['reason'])} ({counts})" if deliveries.get("reason") else counts


def pulse(monitoring: Json, now: str) -> str:
    """The monitor's own: a dead one must not look like a healthy system."""
    since = age(monitoring.get("blind_since"), now)
    blind = f", BLIND since {since}" if since else ""
    watchdog = monitoring.get("watchdog") or {}
    nobody = f"; no watchdog: {clean(watchdog['reason'])}" if watchdog.get("reason") else ""
    return f"last tick {ago(monitoring.get('last_tick_at'), now)}{blind}{nobody}{regions(monitoring, now)}"


def regions(monitoring: Json, now: str) -> str:
    """Those that went quiet by name; where there is only one and it ticks, the tick says it all."""
    found = monitoring.get("regions") or []
    quiet = [
        f"{each['name']} is quiet, last tick {ago(each['last_tick_at'], now)}"
        for each in found
        if each["status"] != "ok"
    ]
    if quiet:
        return f"; {len(quiet)} of {len(found)} regions: {'; '.join(quiet)}"
    return f"; {len(found)} regions" if len(found) > 1 else ""
