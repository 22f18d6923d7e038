"""Finding a target, or a group of them, by the names that people use."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra.cli.api import OperatorStore

Json = dict[str, Any]


class NotThere(Exception):  # noqa: N818
    """What was named does not exist."""


def find_target(store: OperatorStore, name: str) -> Json:
    """The target of that name or id."""
    found = store.list_targets()
    for target in found:
        if name in (target["name"], target["id"]):
            return target
    hint = near(name, (target["name"] for target in found))
    raise NotThere(f'no target is called "{name}"; {hint}')


def near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f'did you mean "{close[0]}"?' if close else "see `watchkeeper targets list`"


def need_watched(store: OperatorStore, match: Mapping[str, Any], watched: Sequence[Json]) -> None:
    """Refuses a group of which a part was not watched, so that a typing error does not become an empty report."""
    for what, key in (("target", "name"), ("network", "network")):
        there = {target[key] for target in watched}
        for name in match.get(f"{what}s", []):
            if name not in there:
                known = {str(target[key]) for target in store.list_targets() if target[key]} - {name}
                raise NotThere(f'no {what} named "{name}" was watched in this time; {near(name, known)}')
    if match and not watched:
        raise NotThere("no target that fits was watched in this time; see `watchkeeper targets list`")
