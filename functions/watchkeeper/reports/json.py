"""A report as JSON: the data as they were given. Pure."""

import json
from collections.abc import Mapping
from typing import Any


def render(data: Mapping[str, Any]) -> bytes:
    text = json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False, default=str)
    return (text + "\n").encode("utf-8", "backslashreplace")  # half a character is \\ud800, as JSON writes it
