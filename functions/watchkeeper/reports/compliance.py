"""The compliance report: what get_compliance_report found, told to an auditor. Pure.

Who had access, what was changed, what happened and how fast people answered, and which controls hold. Lists of
records are shown with the columns that they come with.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from watchkeeper.errors import clean
from watchkeeper.reports.csv import Row, Value, lines
from watchkeeper.reports.data import TEXT_CHARS, Alerts, Incidents, Name, Part, Period, Text
from watchkeeper.reports.document import (
    Block,
    Column,
    Document,
    Fact,
    Facts,
    Heading,
    Paragraph,
    Verdict,
    table,
)
from watchkeeper.reports.figures import NOT_MEASURED, bounds, count, duration, moment, period, several
from watchkeeper.reports.happened import alert_facts, happened_rows, incident_blocks, severities

MOST_ROWS = 1000
MOST_COLUMNS = 7

HOLDS: dict[bool | None, str] = {True: "holds", False: "does not hold", None: "not known"}

HEADINGS = {
    "members": "Who has access",
    "had_access": "Who had access",
    "api_tokens": "Tools that had access",
    "access": "Changes of access",
    "changes": "Changes",
    "changes.by_table": "Changes by table",
    "changes.by_actor": "Changes by person",
}

# What it means that a record does not have it.
ABSENT = {
    "since": "before the log",
    "until": "still",
    "revoked_at": "no",
    # A token that only reads is in use where nothing may be written down.
    "last_used_at": "no use noted",
}

Record = dict[str, Any]


def _ok(status: Any) -> Any:
    """`ok` and `failed` as the database says it; anything else is not known."""
    return {"ok": True, "failed": False}.get(status) if isinstance(status, str) else status


class Control(Part):
    """A line of the checklist, filled from live facts. `ok` None: it is not known."""

    name: Name = Field(default="(no name)", alias="control")
    ok: Annotated[bool | None, BeforeValidator(_ok)] = Field(default=None, alias="status")
    detail: Text = Field(default="", alias="evidence")


class Compliance(Period):
    """What is not named here is shown as it comes: the database may tell of more than this file knows."""

    model_config = ConfigDict(extra="allow")

    incidents: Incidents = Incidents()
    alerts: Alerts = Alerts()
    controls: tuple[Control, ...] = ()

    def sections(self) -> Iterator[tuple[str, list[Record]]]:
        """Every other part as records under its name: changes.by_table, members."""
        for name, part in (self.model_extra or {}).items():
            yield from _sections(name, part)


def _sections(name: str, part: object) -> Iterator[tuple[str, list[Record]]]:
    if not isinstance(part, dict):
        values = part if isinstance(part, list) else [part]
        yield name, [value if isinstance(value, dict) else {"value": value} for value in values]
        return
    nested = {key: value for key, value in part.items() if isinstance(value, list | dict)}
    plain = {key: value for key, value in part.items() if key not in nested}
    if plain:
        yield name, [plain]
    for key, value in nested.items():
        yield from _sections(f"{name}.{key}", value)


def document(data: Mapping[str, Any]) -> Document:
    report = Compliance.model_validate(data)
    return Document(
        title="Compliance report",
        subject=report.title or "Access, changes, incidents and controls",
        period=period(report.from_at, report.to_at),
        about=tuple(_about(report)),
        made_at=report.made_at,
        blocks=tuple(_blocks(report)),
    )


def _about(report: Compliance) -> Iterator[tuple[str, str]]:
    yield "From, to", bounds(report.from_at, report.to_at)
    if report.generated_at:
        yield "Made", f"{moment(report.generated_at)} UTC, by Watchkeeper"


def _blocks(report: Compliance) -> Iterator[Block]:
    yield _verdict(report)
    incidents, controls = report.incidents, report.controls
    holding = sum(1 for control in controls if control.ok)
    members = dict(report.sections()).get("members")
    yield Facts(
        (
            Fact("Controls that hold", f"{holding:,} of {len(controls):,}" if controls else NOT_MEASURED),
            Fact("People with access", count(None if members is None else len(members))),
            Fact("Incidents", count(incidents.count), severities(incidents.by_severity, incidents.open)),
            Fact("Time to resolve an incident", duration(incidents.mttr_s), "mean (MTTR)"),
            *alert_facts(report.alerts),
        )
    )
    yield Heading("Controls")
    yield Paragraph("As found when the report was made, not at the end of its period.", small=True)
    yield table(
        [Column("Control", 3), Column("Found", 1.6), Column("Detail", 5)],
        [(control.name, HOLDS[control.ok], control.detail) for control in report.controls],
        "No control was examined.",
    )
    for name, records in report.sections():
        yield from _records(HEADINGS.get(name) or _label(name.replace(".", ": ")), records)
    yield from incident_blocks(report.incidents)


def _verdict(report: Compliance) -> Verdict:
    found = [control.ok for control in report.controls]
    broken, unclear = found.count(False), found.count(None)
    examined = f"{several(len(found), 'control', 'controls')} examined"
    if not found:
        return Verdict("Not measured", "No control was examined.", "unknown")
    if broken:
        word = "1 control does not hold" if broken == 1 else f"{broken:,} controls do not hold"
        return Verdict(word, f"{examined}, {unclear:,} of them not known.", "bad")
    if unclear:
        return Verdict(
            f"Not known of {several(unclear, 'control', 'controls')}",
            f"{examined}; the others hold.",
            "unknown",
        )
    return Verdict("All controls hold", f"{examined}.", "good")


def _records(heading: str, records: Sequence[Record]) -> Iterator[Block]:
    """A table with the columns that the records have."""
    yield Heading(heading)
    if len(records) > MOST_ROWS:
        yield Paragraph(f"The first {MOST_ROWS:,} of {len(records):,} lines.", small=True)
    names = list(dict.fromkeys(key for record in records for key in record))[:MOST_COLUMNS]
    yield table(
        [
            _column(name, [record.get(name) for record in records] if n else [])
            for n, name in enumerate(names)
        ],
        [[_cell(name, record.get(name)) for name in names] for record in records[:MOST_ROWS]],
    )


def _column(name: str, values: Sequence[object]) -> Column:
    """Numbers to the right, but never at the far end of an empty line: not in the first column."""
    if values and all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return Column(_label(name), 1, "right")
    return Column(_label(name), 2)


def _label(name: str) -> str:
    words = clean(name, 60).removesuffix("_at").replace("_", " ").capitalize()
    return f"{words} (UTC)" if name.endswith("_at") or name in ("at", "since", "until") else words


def _cell(name: str, value: object) -> str:
    return ABSENT.get(name, NOT_MEASURED) if value is None else shown(value)


def shown(value: object) -> str:
    """Any value of a record, in words."""
    match value:
        case None:
            return NOT_MEASURED
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case str():
            return clean(_time(value), TEXT_CHARS)
        case list() | dict():
            return clean(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str), TEXT_CHARS)
    return clean(str(value), TEXT_CHARS)


def _time(text: str) -> str:
    """A time as everywhere else in the report; other text as it is."""
    if len(text) < len("2026-10-01T00:00:00Z") or text[4:5] != "-":
        return text
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment(at) if at.tzinfo else text


def rows(data: Mapping[str, Any]) -> Iterator[Row]:
    """Everything that has a number or a time."""
    report = Compliance.model_validate(data)
    whole = (report.from_at, report.to_at)
    yield from lines("report", "", report.title or "compliance", whole, {"generated_at": report.generated_at})
    for control in report.controls:
        yield from lines("control", "", control.name, whole, {"ok": control.ok, "detail": control.detail})
    for section, records in report.sections():
        for n, record in enumerate(records, 1):
            values = {clean(key, 60): _value(value) for key, value in record.items()}
            yield from lines(clean(section, 60), str(n), "", whole, values)
    yield from happened_rows(report.incidents, report.alerts, whole)


def _value(value: object) -> Value:
    if value is None or isinstance(value, str | bool | int):
        return value
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
