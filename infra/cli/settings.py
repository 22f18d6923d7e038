"""`watchkeeper settings`: the numbers that hold for all channels, when incidents open by themselves, who gets in."""

import argparse
import json
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.config_schema import SINGLES
from infra.cli.lists import add_group, show_json
from infra.cli.render import Screen
from infra.cli.schema import unknown

Json = dict[str, Any]

SECTION_OF = {name: section for section, schema in SINGLES.items() for name in schema["properties"]}
WORDS = {
    "storm_alerts": "when more wait for a channel, they go out as one message",
    "flapping_changes": "more changes than this within flapping_window_s are one alert",
    "flapping_window_s": "the time in which changes are counted",
    "dead_after_s": "a delivery that fails for this long is given up, and another channel told",
    "enabled": "incidents open by themselves",
    "match": "which alerts count for that; {} is all",
    "critical_unacknowledged_s": "a critical alert that nobody acknowledges for this long opens one; none: never",
    "network_targets": "so many failing targets of one network open one; none: never",
    "resolves_itself": "an incident is resolved with its last alert",
    "require_mfa": "people's roles count only when they signed in with a second factor",
}


def add_commands(commands: Any) -> None:
    """Add `settings` and `settings set`."""
    verbs = add_group(commands, "settings", "settings of deliveries, incidents and access", run_list)
    command = verbs.add_parser("set", help="change some of them, all or none")
    command.add_argument(
        "settings",
        nargs="+",
        type=setting,
        metavar="NAME=VALUE",
        help="such as storm_alerts=20 or network_targets=none",
    )
    command.set_defaults(run=run_set)


def setting(text: str) -> tuple[str, object]:
    """The name of a setting, and its value: JSON, a plain word, or none."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f'"{text}" must be NAME=VALUE')
    if name not in SECTION_OF:
        raise argparse.ArgumentTypeError(f"{name} {unknown(name, list(SECTION_OF))}")
    try:
        return name, None if value == "none" else json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def run_list(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    found = {
        **store.get_delivery_settings(),
        **store.get_incident_settings(),
        **store.get_access_settings(),
    }
    if args.json:
        show_json(found, screen)
    else:
        screen.table([[name, shown(found[name]), WORDS[name]] for name in WORDS])
    return 0


def run_set(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    wanted: dict[str, Json] = {}
    for name, value in args.settings:
        wanted.setdefault(SECTION_OF[name], {})[name] = value
    plan = store.apply_config(wanted)["plan"]
    for name, value in args.settings:
        verdict = "changed" if name in plan[SECTION_OF[name]]["changed"] else "unchanged"
        screen.line(f"{name} is {shown(value)} ({verdict})")
    return 0


def shown(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
