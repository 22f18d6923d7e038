"""Finding a target by the name that people use."""

import difflib
from typing import Any

from watchkeeper.store import Store

Json = dict[str, Any]


class NotThere(Exception):  # noqa: N818
    """What was named does not exist."""


def find_target(store: Store, name: str) -> Json:
    """The target of that name or id."""
    found = store.list_targets()
    for target in found:
        if name in (target["name"], target["id"]):
            return target
    close = difflib.get_close_matches(name, [target["name"] for target in found], n=1)
    hint = f'did you mean "{close[0]}"?' if close else "see `watchkeeper targets list`"
    raise NotThere(f'no target is called "{name}"; {hint}')
