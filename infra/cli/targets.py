"""`watchkeeper targets`: what is watched."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from infra.cli import targets_file
from infra.cli.api import OperatorStore
from infra.cli.names import find_target
from infra.cli.render import Screen
from infra.cli.yaml_file import Document, FileError, place_of
from watchkeeper.catalog import catalog
from watchkeeper.errors import StoreError

Plan = dict[str, list[str]]
SIGNS = {"created": "+", "changed": "~", "deleted": "-", "unchanged": "="}


def add_commands(commands: Any) -> None:
    """Add `targets` with its own commands."""
    group = commands.add_parser("targets", help="list, apply from a file, export, pause and resume targets")
    verbs = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    verb = verbs.add_parser("list", help="every target with its status")
    verb.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    verb.set_defaults(run=run_list)

    verb = verbs.add_parser(
        "apply",
        help="make the targets as a YAML file says",
        description="All or nothing: one error changes nothing.",
    )
    verb.add_argument("file", type=Path, metavar="FILE")
    verb.add_argument("--prune", action="store_true", help="delete the targets that are not in the file")
    verb.add_argument("--dry-run", action="store_true", help="only show what would change")
    verb.set_defaults(run=run_apply)

    verb = verbs.add_parser("export", help="print all targets as YAML that `apply` takes")
    verb.set_defaults(run=run_export)

    for name, paused in (("pause", True), ("resume", False)):
        verb = verbs.add_parser(name, help=f"{name} checking a target")
        verb.add_argument("target", metavar="TARGET")
        verb.set_defaults(run=run_pause, paused=paused)


def apply_file(store: OperatorStore, path: Path, *, prune: bool = False, dry_run: bool = False) -> Plan:
    """Make the targets as the file says; returns the names created, changed, unchanged and deleted.

    Raises FileError with every problem and its line; then nothing was changed.
    """
    document = targets_file.load(path, catalog("all"))
    try:
        return store.apply_targets(document.data, prune=prune, dry_run=dry_run)
    except StoreError as error:
        raise at_its_line(document, error) from None


def at_its_line(document: Document, error: StoreError) -> Exception:
    """The database's refusal of `targets[1].name`, said where that stands in the file."""
    if not (error.argument or "").startswith("targets["):
        return error
    document.problem(place_of(error.argument or ""), error.message.partition(": ")[2])
    return FileError(document.name, document.problems)


def run_apply(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    plan = apply_file(store, args.file, prune=args.prune, dry_run=args.dry_run)
    for verb in ("created", "changed", "deleted"):
        for name in plan[verb]:
            screen.line(f"{SIGNS[verb]} {name}  {verb}")
    counts = ", ".join(f"{len(plan[verb])} {verb}" for verb in SIGNS)
    screen.line(f"{counts}{' (dry run: nothing was changed)' if args.dry_run else ''}")
    return 0


def run_export(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:  # noqa: ARG001
    sys.stdout.write(targets_file.dump(store.list_targets()))
    return 0


def run_pause(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    target = find_target(store, args.target)
    store.pause_target(target["id"], paused=args.paused)
    screen.line(f"{target['name']}  {'paused' if args.paused else 'resumed'}")
    return 0


def run_list(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    found = store.list_targets()
    if args.json:
        screen.line(json.dumps(found, indent=2))
    elif not found:
        screen.line("no targets yet; `watchkeeper targets apply FILE` adds some")
    else:
        screen.table([row(target) for target in found], status_column=1)
    return 0


def row(target: dict[str, Any]) -> list[str]:
    """Name, status, what it is, what is checked, and why it is not well."""
    chain = "/".join(part for part in (target.get("chain") or "service", target.get("network")) if part)
    checks = " ".join(sorted(target["checks"]))
    return [target["name"], target["status"], chain, checks, target.get("reason") or ""]
