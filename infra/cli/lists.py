"""Commands that list something unless told otherwise, and finding one of a list by the start of its id."""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from infra.cli.api import OperatorStore
from infra.cli.names import NotThere
from infra.cli.render import Screen

Json = dict[str, Any]
Run = Callable[[argparse.Namespace, OperatorStore, Screen], int]
Options = Callable[[argparse.ArgumentParser], None]


def no_options(command: argparse.ArgumentParser) -> None:
    """For a list that takes none but --json."""


def add_group(commands: Any, name: str, words: str, run_list: Run, options: Options = no_options) -> Any:
    """A command that lists, alone or as `name list`; returns where its other verbs are added."""
    group = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
    verbs = group.add_subparsers(title="commands", metavar="COMMAND")
    for command in (group, verbs.add_parser("list", help=f"{words} (also without `list`)")):
        options(command)
        command.add_argument("--json", action="store_true", help="print what the database says, as JSON")
        command.set_defaults(run=run_list)
    return verbs


def show_json(found: object, screen: Screen) -> None:
    screen.line(json.dumps(found, indent=2))


def short(id_: object) -> str:
    """Enough of an id to name it by."""
    return str(id_)[:8]


def full_id(look: Callable[[], Sequence[Json]], given: str, what: str) -> str:
    """Only a full id finds what is further back than `look` reaches."""
    try:
        return str(UUID(given))
    except ValueError:
        return str(find_id(look(), given, what)["id"])


def find_id(found: Sequence[Json], given: str, what: str) -> Json:
    """The one whose id is, or starts with, what was given."""
    close = [one for one in found if str(one["id"]).startswith(given.lower())]
    if len(close) == 1:
        return close[0]
    if close:
        raise NotThere(f'"{given}" is the start of {len(close)} ids of {what}; give more of it')
    raise NotThere(f'no id of {what} starts with "{given}"; see `watchkeeper {what}`')
