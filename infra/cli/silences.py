"""`watchkeeper silences`: what is held back, until when, and what would be."""

import argparse
from pathlib import Path
from typing import Any

from infra.cli import config_file
from infra.cli.alerts import row as alert_row
from infra.cli.api import OperatorStore
from infra.cli.lists import add_group, find_id, short, show_json
from infra.cli.names import NotThere
from infra.cli.render import Screen, clean
from watchkeeper.catalog import catalog

Json = dict[str, Any]


def add_commands(commands: Any) -> None:
    """Add `silences` with its own commands."""
    verbs = add_group(commands, "silences", "silences and maintenance windows", run_list)

    verb = verbs.add_parser(
        "preview", help="what the silences of a file would hold back now; changes nothing"
    )
    verb.add_argument("file", type=Path, metavar="FILE")
    verb.set_defaults(run=run_preview)

    verb = verbs.add_parser("end", help="end a silence now")
    verb.add_argument("id", metavar="ID", help="its id or the start of it")
    verb.set_defaults(run=run_end)


def run_list(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    found = store.list_silences()
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("no silences")
    else:
        screen.table([row(silence) for silence in found])
    return 0


def row(silence: Json) -> list[str]:
    """Its id, whether it is active, its window, what it matches and why it is there."""
    until = silence.get("until")
    state = f"active until {str(until)[:16]}" if silence.get("active") else "not active"
    window = f"{silence['starts_at']} to {silence['ends_at']} {silence['time_zone']}"
    again = silence.get("rrule") or "once"
    return [short(silence["id"]), silence["kind"], state, window, again, matcher(silence), silence["comment"]]


def matcher(silence: Json) -> str:
    """What it is for, in words; nothing given is everything."""
    parts = []
    for key, value in (silence.get("match") or {}).items():
        names = [f"{k}={v}" for k, v in value.items()] if isinstance(value, dict) else value
        parts.append(f"{key} {', '.join(names) if isinstance(names, list) else names}")
    return "; ".join(parts) or "everything"


def run_preview(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    document = config_file.load(args.file, catalog("all"))
    silences = document.data.get("silences") or []
    if not silences:
        raise NotThere(f"{args.file.name} has no silences")
    for silence in silences:
        show_preview(silence, store.preview_silence(silence), screen)
    return 0


def show_preview(silence: Json, found: Json, screen: Screen) -> None:
    active = "active now" if found["active"] else "not active now"
    count, recent = len(found["alerts"]), found["fired_in_30_days"]
    screen.line(
        f"{clean(silence['comment'])}: {active}; matches {count} firing, {recent} in the last 30 days"
    )
    screen.table([alert_row(alert) for alert in found["alerts"]], status_column=0)


def run_end(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    silence = find_id(store.list_silences(), args.id, "silences")
    store.end_silence(silence["id"])
    screen.line(f"ended: {clean(silence['comment'])}; what still fires is delivered within 15 s")
    return 0
