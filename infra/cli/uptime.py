"""`watchkeeper uptime`: how much of the time each target was up, and a bar for each day."""

import argparse
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.lists import show_json
from infra.cli.names import find_target
from infra.cli.render import Screen, age, clean

Json = dict[str, Any]

WINDOWS = ("24h", "7d", "30d", "90d")
LEGEND = "| up   ! down for a part   X down for the most part   ? unknown   m maintenance   . not watched"
HEAD = ["", "uptime", "down", "unknown", "maintenance", "failures", "p50 p95 p99"]


def add_commands(commands: Any) -> None:
    """Add `uptime`."""
    command = commands.add_parser("uptime", help="how much of the time each target was up, day by day")
    command.add_argument("target", nargs="?", metavar="TARGET", help="only this one (default: all)")
    command.add_argument(
        "--days", type=int, default=30, metavar="N", help="bars of the last N days (default: 30)"
    )
    command.add_argument(
        "--time-zone", default="UTC", metavar="ZONE", help="whose days, such as Europe/Berlin (default: UTC)"
    )
    command.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    command.set_defaults(run=run)


def run(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """Exit code 1 if one is down now."""
    target_id = find_target(store, args.target)["id"] if args.target else None
    page = store.get_uptime_summary(target_id, days=args.days, time_zone=args.time_zone)
    if args.json:
        show_json(page, screen)
    elif not page["targets"]:
        screen.line("no targets; `watchkeeper apply FILE` adds some")
    else:
        screen.line(LEGEND)
        for target in page["targets"]:
            show(target, page["generated_at"], screen)
    return int(any(target["state"] == "down" for target in page["targets"]))


def show(target: Json, now: str, screen: Screen) -> None:
    """Name and state, a line for each window, and the bars."""
    since = age(target["since"], now)
    maintenance = ", in maintenance" if target["in_maintenance"] else ""
    screen.line()
    screen.line(f"{clean(target['name'])}  {screen.status(target['state'])} for {since}{maintenance}")
    screen.table([HEAD, *(row(name, target["windows"][name]) for name in WINDOWS)])
    days = target["days"]
    screen.line(f"  {days[0]['day']} {''.join(map(bar, days))} {days[-1]['day']}")


def row(name: str, window: Json) -> list[str]:
    latency = [window[key] for key in ("p50_ms", "p95_ms", "p99_ms")]
    return [
        name,
        percent(window["uptime_percent"]),
        *(span(window[f"{state}_s"]) for state in ("down", "unknown", "maintenance")),
        str(window["failures"]),
        "unknown" if latency[0] is None else " ".join(f"{ms:.0f} ms" for ms in latency),
    ]


def percent(value: float | None) -> str:
    """What was not measured is neither 100 nor 0."""
    return "not measured" if value is None else f"{value:.4f}".rstrip("0").rstrip(".") + " %"


def span(seconds: float) -> str:
    """The two largest units: `1 d 4 h`, `10 min`, `3.5 s`."""
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"
    parts = []
    left = int(seconds)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        parts.append(f"{count} {unit}" if count else "")
    first = next(n for n, part in enumerate(parts) if part)
    return " ".join(part for part in parts[first : first + 2] if part)


def bar(day: Json) -> str:
    """One character, told apart without colour; any downtime shows."""
    up, down, unknown, maintenance = (day[f"{state}_s"] for state in ("up", "down", "unknown", "maintenance"))
    if down > 0:
        return "X" if down >= up else "!"
    most = max(up, unknown, maintenance)
    if most == 0:
        return "."
    return "|" if most == up else "m" if most == maintenance else "?"
