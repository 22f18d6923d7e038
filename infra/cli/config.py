"""`watchkeeper apply` and `export`: everything in one file."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli import config_file, config_schema
from infra.cli.api import OperatorStore
from infra.cli.render import Screen, clean
from infra.cli.yaml_file import Document, FileError, place_of
from watchkeeper.catalog import catalog
from watchkeeper.errors import StoreError

Plan = dict[str, dict[str, list[str]]]
SIGNS = {"created": "+", "changed": "~", "deleted": "-", "unchanged": "="}


@dataclass(frozen=True)
class Applied:
    """What was done to each section, and the tokens of new heartbeats, which are told this once."""

    plan: Plan
    tokens: dict[str, str]

    def count(self, verb: str) -> int:
        return sum(len(section[verb]) for section in self.plan.values())


def add_commands(commands: Any) -> None:
    """Add `apply` and `export`."""
    command = commands.add_parser(
        "apply",
        help="make targets, channels, routes and all else as a YAML file says",
        description="All or nothing: one error changes nothing. Sections that the file does not have are left alone: "
        + ", ".join(config_schema.SECTIONS)
        + ".",
    )
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument(
        "--prune", action="store_true", help="in the sections of the file, delete what is not in it"
    )
    command.add_argument("--dry-run", action="store_true", help="only show what would change")
    command.set_defaults(run=run_apply)

    command = commands.add_parser("export", help="print everything as YAML that `apply` takes")
    command.set_defaults(run=run_export)


def apply_file(store: OperatorStore, path: Path, *, prune: bool = False, dry_run: bool = False) -> Applied:
    """Make everything as the file says.

    Raises FileError with every problem and its line; then nothing was changed.
    """
    document = config_file.load(path, catalog("all"))
    try:
        done = store.apply_config(document.data, prune=prune, dry_run=dry_run)
    except StoreError as error:
        raise at_its_line(document, error) from None
    return Applied(done["plan"], done.get("tokens") or {})


def at_its_line(document: Document, error: StoreError) -> Exception:
    """The database's refusal of `routes[1].channels`, said where that stands in the file."""
    if config_file.section_of(error.argument) is None:
        return error
    document.problem(place_of(error.argument or ""), error.message.partition(": ")[2])
    return FileError(document.name, document.problems)


def run_apply(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    applied = apply_file(store, args.file, prune=args.prune, dry_run=args.dry_run)
    for section, lists in applied.plan.items():
        for verb in ("created", "changed", "deleted"):
            for name in lists[verb]:
                screen.line(f"{SIGNS[verb]} {section}/{clean(name)}  {verb}")
    for name, token in applied.tokens.items():
        screen.line(f"heartbeat {clean(name)}: its token is {token}   (told this once; keep it)")
    counts = ", ".join(f"{applied.count(verb)} {verb}" for verb in SIGNS)
    screen.line(f"{counts}{' (dry run: nothing was changed)' if args.dry_run else ''}")
    return 0


def run_export(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:  # noqa: ARG001
    sys.stdout.write(config_file.dump(store.export_config()))
    return 0
