"""A report as PDF: A4, bookmarks, page numbers, the charts as vectors. The same bytes for the same document. Pure."""

import unicodedata
import warnings
from collections.abc import Callable, Container, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal

with (
    warnings.catch_warnings()
):  # it says that it cannot place photographs without Pillow, which is not in the zip
    warnings.simplefilter("ignore", UserWarning)
    from fpdf import FPDF
    from fpdf.fonts import TTFFont

from watchkeeper.reports.charts import WIDE, draw
from watchkeeper.reports.document import (
    Block,
    Chart,
    Column,
    Command,
    Document,
    Facts,
    Heading,
    Paragraph,
    Table,
    Tone,
    Verdict,
)

FONTS = Path(__file__).parent / "fonts"
FILES = {"": "NotoSans-Regular.ttf", "B": "NotoSans-SemiBold.ttf"}

MARGIN, TOP, BOTTOM = 18.0, 24.0, 20.0  # millimetres, as everything here; sizes of letters are in points
WIDTH = 210 - 2 * MARGIN
END = 297 - BOTTOM
ACROSS, GAP, PAD = 4, 5.0, 4.0
INK, SOFT, LINE, BAND = (31, 41, 51), (82, 96, 109), (203, 210, 217), (245, 247, 250)
TONES: dict[Tone, tuple[int, int, int]] = {
    "good": (27, 107, 58),
    "bad": (143, 29, 29),
    "unknown": SOFT,
    "plain": INK,
}
LEADING = 1.42
BREAKS = "-_./:,;@"
MOST_LINES = 40
"""In a cell; a row higher than the page could never be placed."""
NOTE = "Characters that this file's letters do not include are written as their number, like [U+1F680]."


def render(document: Document) -> bytes:
    sheet = Sheet(document)
    sheet.head()
    for n, block in enumerate(document.blocks):
        sheet.block(block, document.blocks[n + 1] if n + 1 < len(document.blocks) else None)
    sheet.foot()
    return bytes(sheet.pdf.output())


class Sheet:
    """Puts blocks on pages, one below the other."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.lacking = False
        self.pdf = Pages(self)
        regular, semibold = (self.pdf.add_letters(style) for style in ("", "B"))
        self.have = regular.cmap.keys() & semibold.cmap.keys()
        self.widths = {False: regular.cw, True: semibold.cw}
        self.pdf.set_title(self.shown(document.name))
        self.pdf.set_lang("en")
        self.pdf.set_creator("Watchkeeper")
        self.pdf.set_producer("Watchkeeper")
        self.pdf.set_creation_date(document.made_at)
        self.pdf.add_page()

    # Text

    def shown(self, text: str) -> str:
        shown = showable(text, self.have)
        self.lacking |= shown != unicodedata.normalize("NFC", text)
        return shown

    def wrapped(self, text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
        return wrap(self.shown(text), width, lambda part: self.width(part, size, bold=bold))

    def width(self, text: str, size: float, *, bold: bool = False) -> float:
        widths = self.widths[bold]
        return sum(widths[ord(c)] for c in text) * _mm(size) / 1000

    def write(
        self, x: float, y: float, text: str, size: float,
        colour: tuple[int, int, int] = INK, *, bold: bool = False,
    ) -> None:  # fmt: skip
        """One line, which is known to fit; `y` is its upper edge."""
        self.pdf.set_font("report", "B" if bold else "", size)
        self.pdf.set_text_color(*colour)
        self.pdf.text(x, y + _mm(size) * 1.06, text)

    def paragraph(
        self, text: str, size: float, colour: tuple[int, int, int] = INK, *,
        bold: bool = False, x: float = MARGIN, width: float = WIDTH,
    ) -> None:  # fmt: skip
        for line in self.wrapped(text, width, size, bold=bold):
            self.room(_line(size))
            self.write(x, self.y, line, size, colour, bold=bold)
            self.y += _line(size)

    # Place

    @property
    def y(self) -> float:
        return float(self.pdf.y)

    @y.setter
    def y(self, value: float) -> None:
        self.pdf.set_y(value)

    def room(self, height: float) -> None:
        """On the next page, if there is not so much left of this one."""
        if self.y + height > END:
            self.pdf.add_page()

    # Blocks

    def head(self) -> None:
        document = self.document
        self.paragraph(document.title, 21, bold=True)
        self.y += 1
        self.paragraph(document.subject, 12)
        self.paragraph(document.period, 12, SOFT)
        self.y += 2.5
        for label, text in document.about:
            lines = self.wrapped(text, WIDTH - 32, 9)
            self.room(_line(9) * len(lines))
            self.write(MARGIN, self.y, label, 9, SOFT)
            for line in lines:
                self.write(MARGIN + 32, self.y, line, 9)
                self.y += _line(9)
        self.y += 2
        self.rule(INK, 0.4)
        self.y += 4

    def foot(self) -> None:
        if self.lacking:
            self.y += 4
            self.paragraph(NOTE, 8, SOFT)
        for n in range(1, self.pdf.pages_count + 1):
            self.pdf.page = n
            self.pdf.set_font("report", "", 9)  # a new one: the library believes the page before's to be set
            number = f"Page {n} of {self.pdf.pages_count}"
            self.write(MARGIN, 297 - 13, "Made by Watchkeeper. All times are UTC.", 8, SOFT)
            self.write(MARGIN + WIDTH - self.width(number, 8), 297 - 13, number, 8, SOFT)

    def rule(
        self, colour: tuple[int, int, int], width: float, x: float = MARGIN, length: float = WIDTH
    ) -> None:
        self.pdf.set_draw_color(*colour)
        self.pdf.set_line_width(width)
        self.pdf.line(x, self.y, x + length, self.y)

    def block(self, block: Block, following: Block | None) -> None:
        match block:
            case Heading():
                self.heading(block, following)
            case Paragraph():
                size = 8 if block.small else 9.5
                self.paragraph(block.text, size, SOFT if block.small else INK)
                self.y += 1.5
            case Verdict():
                self.verdict(block)
            case Facts():
                self.facts(block)
            case Table():
                self.table(block)
            case Chart():
                self.chart(block)
            case Command():
                self.command(block)

    def heading(self, block: Heading, following: Block | None) -> None:
        """Never alone at the foot of a page."""
        self.y += 5 if self.y > TOP + 1 else 0
        self.room(12 + (_chart_height(following) if isinstance(following, Chart) else 22))
        self.pdf.start_section(self.shown(block.text))
        self.paragraph(block.text, 13, bold=True)
        self.y += 1.5

    def verdict(self, block: Verdict) -> None:
        lines = self.wrapped(block.text, WIDTH - 12, 10.5)
        height = 6 + _line(16) + _line(10.5) * len(lines)
        self.room(height)
        self.pdf.set_fill_color(*BAND)
        self.pdf.rect(MARGIN, self.y, WIDTH, height, "F")
        self.pdf.set_fill_color(*TONES[block.tone])
        self.pdf.rect(MARGIN, self.y, 2.4, height, "F")
        self.y += 3
        self.write(MARGIN + 7, self.y, self.shown(block.word), 16, TONES[block.tone], bold=True)
        self.y += _line(16)
        for line in lines:
            self.write(MARGIN + 7, self.y, line, 10.5)
            self.y += _line(10.5)
        self.y += 7

    def facts(self, block: Facts) -> None:
        """Four to a row; each part of a cell begins as high as its neighbours'."""
        for start in range(0, len(block.facts), ACROSS):
            facts = block.facts[start : start + ACROSS]
            parts = [
                (8.0, False, [fact.label for fact in facts], [SOFT] * len(facts)),
                (13.0, True, [fact.value for fact in facts], [TONES[fact.tone] for fact in facts]),
                (8.0, False, [fact.note for fact in facts], [SOFT] * len(facts)),
            ]
            wide = (WIDTH - GAP * (ACROSS - 1)) / ACROSS
            laid = [
                (size, bold, [self.wrapped(text, wide, size, bold=bold) for text in texts], colours)
                for size, bold, texts, colours in parts
            ]
            self.room(sum(_line(size) * max(map(len, cells)) for size, _, cells, _ in laid) + 5)
            for n in range(len(facts)):
                self.rule(LINE, 0.3, MARGIN + n * (wide + GAP), wide)
            self.y += 1.2
            for size, bold, cells, colours in laid:
                top = self.y
                for n, (lines, colour) in enumerate(zip(cells, colours, strict=True)):
                    self.y = top
                    self.lines(lines, MARGIN + n * (wide + GAP), size, colour, bold=bold)
                self.y = top + _line(size) * max(map(len, cells))
            self.y += 3.8

    def lines(
        self, lines: Sequence[str], x: float, size: float, colour: tuple[int, int, int], *, bold: bool = False
    ) -> None:
        for line in lines:
            self.write(x, self.y, line, size, colour, bold=bold)
            self.y += _line(size)

    def chart(self, block: Chart) -> None:
        self.room(_chart_height(block))
        svg = draw(block.drawing, WIDE, block.text)
        self.pdf.image(
            BytesIO(self.shown(svg).encode()), x=MARGIN, y=self.y, w=WIDTH, alt_text=self.shown(block.text)
        )
        self.y += _chart_height(block)

    def command(self, block: Command) -> None:
        lines = self.wrapped(block.text, WIDTH - 8, 9)
        self.room(_line(9) * len(lines) + 4)
        self.pdf.set_fill_color(*BAND)
        self.pdf.rect(MARGIN, self.y, WIDTH, _line(9) * len(lines) + 3, "F")
        self.y += 1.5
        self.lines(lines, MARGIN + 4, 9, INK)
        self.y += 3.5

    # Tables

    def table(self, block: Table) -> None:
        if not block.rows:
            self.paragraph(block.empty, 9.5)
            return
        whole = sum(column.weight for column in block.columns)
        widths = [(WIDTH + PAD) * column.weight / whole for column in block.columns]  # no gap after the last
        self.room(20)
        self.row(block.columns, widths, [column.label for column in block.columns], head=True)
        for row in block.rows:
            if self.y + self.row_height(widths, row) > END:
                self.pdf.add_page()
                self.row(block.columns, widths, [column.label for column in block.columns], head=True)
            self.row(block.columns, widths, row)
        self.y += 2

    def row_height(self, widths: Sequence[float], row: Sequence[str]) -> float:
        return _line(8.5) * max(len(lines) for lines in self.cells(widths, row)) + 1.8

    def cells(self, widths: Sequence[float], row: Sequence[str], *, bold: bool = False) -> list[list[str]]:
        cells = [
            self.wrapped(text, width - PAD, 8.5, bold=bold) for width, text in zip(widths, row, strict=True)
        ]
        return [lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], "…"] for lines in cells]

    def row(
        self, columns: Sequence[Column], widths: Sequence[float], row: Sequence[str], *, head: bool = False
    ) -> None:
        cells = self.cells(widths, row, bold=head)
        x, top = MARGIN, self.y + 0.8
        for column, width, lines in zip(columns, widths, cells, strict=True):
            for n, line in enumerate(lines):
                indent = width - PAD - self.width(line, 8.5, bold=head) if column.align == "right" else 0
                self.write(x + indent, top + n * _line(8.5), line, 8.5, bold=head)
            x += width
        self.y = top + _line(8.5) * max(len(lines) for lines in cells) + 1
        self.rule(INK if head else LINE, 0.3 if head else 0.15)


class Pages(FPDF):
    """Empty pages with a head."""

    def __init__(self, sheet: Sheet) -> None:
        super().__init__(format="A4", unit="mm")
        self.sheet = sheet
        self.set_margins(MARGIN, TOP, MARGIN)
        self.set_auto_page_break(auto=False)

    def add_letters(self, style: Literal["", "B"]) -> TTFFont:
        self.add_font("report", style, FONTS / FILES[style])
        font = self.fonts[f"report{style}"]
        assert isinstance(font, TTFFont)  # noqa: S101 - for mypy: the file is one
        return font

    def header(self) -> None:
        sheet = self.sheet
        if self.page_no() > 1:
            (line, *_) = sheet.wrapped(sheet.document.name, WIDTH, 8)
            sheet.write(MARGIN, 12, line, 8, SOFT)
            self.set_draw_color(*LINE)
            self.set_line_width(0.2)
            self.line(MARGIN, 17.5, MARGIN + WIDTH, 17.5)
        self.set_xy(MARGIN, TOP if self.page_no() > 1 else MARGIN)


# Letters --------------------------------------------------------------------------------------------------------


def showable(text: str, have: Container[int]) -> str:
    """`text` in characters that the font has; each other one as its number, so that names stay told apart."""
    normal = unicodedata.normalize("NFC", text)
    return "".join(c if ord(c) in have else _numbered(c) for c in normal)


def _numbered(c: str) -> str:
    """Selectors of a variant have no shape of their own."""
    return (
        "" if unicodedata.category(c) in {"Cf", "Cc"} or 0xFE00 <= ord(c) <= 0xFE0F else f"[U+{ord(c):04X}]"
    )


def _mm(points: float) -> float:
    return points * 25.4 / 72


def _line(size: float) -> float:
    return _mm(size) * LEADING


def wrap(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """In lines of at most `width`; a word that is longer is broken, after a sign if there is one."""
    lines: list[str] = []
    line = ""
    for word in filter(None, text.split(" ")):  # not at spaces that hold things together
        longer = f"{line} {word}" if line else word
        if measure(longer) <= width:
            line = longer
            continue
        lines += [line] if line else []
        *full, line = _broken(word, width, measure)
        lines += full
    return [*lines, line] if line else lines


def _broken(word: str, width: float, measure: Callable[[str], float]) -> Iterator[str]:
    while measure(word) > width:
        fits = max(1, _fitting(word, width, measure))
        sign = max(word.rfind(sign, 1, fits) for sign in BREAKS) + 1
        cut = sign if sign > fits // 3 else fits
        yield word[:cut]
        word = word[cut:]
    yield word


def _fitting(word: str, width: float, measure: Callable[[str], float]) -> int:
    """How many characters of it fit."""
    used = 0.0
    for n, c in enumerate(word):
        used += measure(c)
        if used > width:
            return n
    return len(word)


def _chart_height(block: Chart) -> float:
    """What the drawing itself says of its height, in the width of the page, and a little air."""
    svg = draw(block.drawing, WIDE, "")
    return float(svg.split('height="', 1)[1].split('"', 1)[0]) * WIDTH / WIDE + 2
