"""How things look on a terminal: words first, colour only as a help."""

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TextIO

COLOURS = {
    "ok": "32",
    "warning": "33",
    "critical": "31;1",
    "error": "31",
    "fail": "31",
    "unknown": "35",
    "paused": "2",
    "firing": "31",
    "resolved": "32",
    "made": "32",
    "failed": "31",
    "breach": "31",
    "clear": "32",
    "open": "31",
    "investigating": "33",
    "closed": "2",
}
LABELS = {"p2p_network": "p2p network", "quantum_security": "quantum security"}


class Screen:
    """Prints to one stream; colours only if it is a terminal and nobody said NO_COLOR."""

    def __init__(self, stream: TextIO | None = None, *, colour: bool | None = None) -> None:
        self._stream = stream or sys.stdout
        wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._colour = self._stream.isatty() and wanted if colour is None else colour

    def line(self, text: str = "") -> None:
        """One line as it stands; what came from elsewhere goes through `clean` first."""
        print(text, file=self._stream)

    def status(self, word: str, width: int = 0) -> str:
        """The status word itself, coloured where that is possible, padded as if it had no colour."""
        code = COLOURS.get(word.lower())
        painted = f"\033[{code}m{word}\033[0m" if self._colour and code else word
        return painted + " " * (width - len(word))

    def table(self, rows: Sequence[Sequence[str]], status_column: int | None = None) -> None:
        """Rows in columns as wide as they need to be; the last column runs free."""
        rows = [[clean(cell) for cell in row] for row in rows]
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))] if rows else []
        for row in rows:
            cells = [
                self.status(cell, width) if n == status_column else cell.ljust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            self.line("  " + "  ".join(cells).rstrip())


def clean(text: object) -> str:
    """One printable line: a name or a reason must not move the cursor."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def label(name: str) -> str:
    """avg_block_time as `avg block time`."""
    return LABELS.get(name, name.replace("_", " "))


def number(value: object, unit: str | None = None) -> str:
    """A value with its unit; `unknown` if there is none, never 0."""
    if value is None:
        return "unknown"
    text = f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else text
    return f"{text} {unit}" if unit else text


def moment(text: object) -> datetime | None:
    """A time of the database, or None."""
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def age(then: object, now: object) -> str | None:
    """How long ago, in the largest unit that says enough: `40 s`, `3 min`, `5 h`, `2 days`."""
    a, b = moment(then), moment(now)
    if a is None or b is None:
        return None
    seconds = max(0, int((b - a).total_seconds()))
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86_400} days"


def ago(then: object, now: object) -> str:
    """`40 s ago`, or `never`."""
    found = age(then, now)
    return f"{found} ago" if found else "never"


def unknown_since(then: object, now: object) -> str:
    """`unknown (since 3 min)`, or `unknown (never seen)`."""
    found = age(then, now)
    return f"unknown (since {found})" if found else "unknown (never seen)"
