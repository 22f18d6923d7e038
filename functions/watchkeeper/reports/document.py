"""What a report says: a list of blocks that every format draws in its own way. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from watchkeeper.reports.charts import Drawing

Tone = Literal["good", "bad", "unknown", "plain"]
"""How to colour something. Its words say the same, for those who do not see the colour."""
Align = Literal["left", "right"]


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Paragraph:
    text: str
    small: bool = False


@dataclass(frozen=True)
class Verdict:
    """The answer that the reader came for, in a word and in a sentence."""

    word: str
    text: str
    tone: Tone


@dataclass(frozen=True)
class Fact:
    label: str
    value: str
    note: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True)
class Facts:
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Column:
    """`weight`: its share of the width where the width is fixed."""

    label: str
    weight: float = 1
    align: Align = "left"


@dataclass(frozen=True)
class Table:
    """`empty`: what to say when there are no rows."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = "None."


@dataclass(frozen=True)
class Chart:
    """`text`: what it shows, for those who do not see it."""

    text: str
    drawing: Drawing


@dataclass(frozen=True)
class Command:
    """Something to type."""

    text: str


Block = Heading | Paragraph | Verdict | Facts | Table | Chart | Command


@dataclass(frozen=True)
class Document:
    title: str
    subject: str
    period: str
    about: tuple[tuple[str, str], ...]
    made_at: datetime
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        """In one line, for a window's or a page's head."""
        return f"{self.title}: {self.subject}, {self.period}"


def table(labels: Sequence[Column], rows: Sequence[Sequence[str]], empty: str = "None.") -> Table:
    return Table(tuple(labels), tuple(tuple(row) for row in rows), empty)
