"""A report as one long table for spreadsheets and programs: a line for each number. Pure.

section   what it is about: report, total, target, day, downtime, incident, alert, objective, rule, close, ...
id        of the target, incident or account, where it has one
name      of it
from, to  the time it is about, ISO 8601 in UTC; `to` is the first moment that does not belong to it
measure   what was measured or noted, with the unit in its name: down_s, availability_percent, p95_ms, status
value     the number as it was computed, not rounded; nothing where it was not measured
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO

from pydantic import BaseModel

from watchkeeper.errors import clean

Value = str | bool | int | Decimal | date | None
Span = tuple[date | None, date | None]

FORMULAS = ("=", "+", "-", "@", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # and their wide twins
MOST_CHARS = 30_000  # a cell of a spreadsheet takes 32,767


@dataclass(frozen=True)
class Row:
    section: str
    id: str
    name: str
    from_at: date | None
    to_at: date | None
    measure: str
    value: Value


HEAD = tuple(field.name.removesuffix("_at") for field in fields(Row))


def values(part: BaseModel, names: Iterable[str]) -> dict[str, Value]:
    return {name: getattr(part, name) for name in names}


def lines(section: str, key: str, name: str, when: Span, measures: Mapping[str, Value]) -> Iterator[Row]:
    for measure, value in measures.items():
        yield Row(section, key, name, *when, measure, value)


def render(rows: Iterator[Row]) -> bytes:
    """With a byte order mark, without which spreadsheets take UTF-8 for something else."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(HEAD)
    for row in rows:
        values = (row.section, row.id, row.name, row.from_at, row.to_at, row.measure, row.value)
        writer.writerow([_cell(value) for value in values])
    return text.getvalue().encode("utf-8-sig", "replace")


def _cell(value: Value) -> str:
    match value:
        case str():
            return _harmless(clean(value, MOST_CHARS))
        case bool():
            return str(value).lower()
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Decimal():
            return f"{value:f}"
    return "" if value is None else str(value)


def _harmless(text: str) -> str:
    """Text that a spreadsheet would take for a formula is marked as text."""
    return f"'{text}" if text.startswith(FORMULAS) else text
