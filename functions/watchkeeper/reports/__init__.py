"""Reports as files. Pure: what to tell comes in, bytes go out.

Whoever needs it imports it when needed: the PDF library takes half a second that no check should pay.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from watchkeeper.reports import compliance, csv, html, json, pdf, sla
from watchkeeper.reports.document import Document

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """What a report says, for readers and for spreadsheets."""

    document: Callable[[Data], Document]
    rows: Callable[[Data], Iterator[csv.Row]]


KINDS = {
    "compliance": Kind(compliance.document, compliance.rows),
    "sla": Kind(sla.document, sla.rows),
}
FORMATS: dict[str, Callable[[Kind, Data], bytes]] = {
    "csv": lambda kind, data: csv.render(kind.rows(data)),
    "html": lambda kind, data: html.render(kind.document(data)),
    "json": lambda _, data: json.render(data),
    "pdf": lambda kind, data: pdf.render(kind.document(data)),
}


def render(kind: str, data: Data, form: str) -> bytes:
    """The same bytes for the same data. Data that make no sense are refused with a ValueError."""
    return FORMATS[form](KINDS[kind], data)
