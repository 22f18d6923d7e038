"""A report as PDF: A4, bookmarks, page numbers, the charts as vectors. The same bytes for the same document. Pure."""

import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path

with warnings.catch_warnings():  # it says that it cannot place photographs without Pillow, which is not in the zip
    warnings.simplefilter("ignore", UserWarning)
    from fpdf import FPDF

from fontTools.ttLib import TTFont

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
REGULAR, BOLD = FONTS / "NotoSans-Regular.ttf", FONTS / "NotoSans-SemiBold.ttf"

MARGIN, TOP, BOTTOM = 18.0, 24.0, 20.0  # millimetres, as everything here; sizes of letters are in points
WIDTH = 210 - 2 * MARGIN
END = 297 - BOTTOM
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
        self.pdf.set_title(self.shown(document.name))
        self.pdf.set_lang("en")
        self.pdf.set_creator("Watchkeeper")
        self.pdf.set_producer("Watchkeeper")
        self.pdf.set_creation_date(document.made_at)
        self.pdf.add_page()

    # Text

    def shown(self, text: str) -> str:
        shown = showable(text)
        self.lacking |= shown != unicodedata.normalize("NFC", text)
        return shown

    def wrapped(self, text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
        return wrap(self.shown(text), width, lambda part: self.width(part, size, bold=bold))

    def width(self, text: str, size: float, *, bold: bool = False) -> float:
        return sum(_advance(c, bold) for c in text) * size * 25.4 / 72

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

    def rule(self, colour: tuple[int, int, int], width: float, x: float = MARGIN, length: float = WIDTH) -> None:
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
        across, gap = 4, 5.0
        wide = (WIDTH - gap * (across - 1)) / across
        for start in range(0, len(block.facts), across):
            cells = [
                (
                    fact,
                    self.wrapped(fact.label, wide, 8),
                    self.wrapped(fact.value, wide, 13, bold=True),
                    self.wrapped(fact.note, wide, 8),
                )
                for fact in block.facts[start : start + across]
            ]
            labels, values, notes = (max(len(cell[n]) for cell in cells) for n in (1, 2, 3))
            self.room(labels * _line(8) + values * _line(13) + notes * _line(8) + 6)
            top = self.y
            for n, (fact, label, value, note) in enumerate(cells):
                x = MARGIN + n * (wide + gap)
                self.y = top
                self.rule(LINE, 0.3, x, wide)
                self.y = top + 1.5
                self.lines(label, x, 8, SOFT)
                self.y = top + 1.5 + labels * _line(8)
                self.lines(value, x, 13, TONES[fact.tone], bold=True)
                self.y = top + 2 + labels * _line(8) + values * _line(13)
                self.lines(note, x, 8, SOFT)
            self.y = top + 6 + labels * _line(8) + values * _line(13) + notes * _line(8)

    def lines(
        self, lines: Sequence[str], x: float, size: float, colour: tuple[int, int, int], *, bold: bool = False
    ) -> None:
        for line in lines:
            self.write(x, self.y, line, size, colour, bold=bold)
            self.y += _line(size)

    def chart(self, block: Chart) -> None:
        self.room(_chart_height(block))
        svg = draw(block.drawing, WIDE, block.text)
        self.pdf.image(BytesIO(self.shown(svg).encode()), x=MARGIN, y=self.y, w=WIDTH, alt_text=self.shown(block.text))
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
        widths = [WIDTH * column.weight / sum(c.weight for c in block.columns) for column in block.columns]
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
        cells = [self.wrapped(text, width - 3, 8.5, bold=bold) for width, text in zip(widths, row, strict=True)]
        return [lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], "…"] for lines in cells]

    def row(self, columns: Sequence[Column], widths: Sequence[float], row: Sequence[str], *, head: bool = False) -> None:
        cells = self.cells(widths, row, bold=head)
        x, top = MARGIN, self.y + 0.8
        for column, width, lines in zip(columns, widths, cells, strict=True):
            for n, line in enumerate(lines):
                indent = width - 3 - self.width(line, 8.5, bold=head) if column.align == "right" else 0
                self.write(x + indent, top + n * _line(8.5), line, 8.5, bold=head)
            x += width
        self.y = top + _line(8.5) * max(len(lines) for lines in cells) + 1
        self.rule(INK if head else LINE, 0.3 if head else 0.15)


class Pages(FPDF):
    """Empty pages with a head and a foot."""

    def __init__(self, sheet: Sheet) -> None:
        super().__init__(format="A4", unit="mm")
        self.sheet = sheet
        self.add_font("report", "", REGULAR)
        self.add_font("report", "B", BOLD)
        self.set_margins(MARGIN, TOP, MARGIN)
        self.set_auto_page_break(auto=False)
        self.set_font("report", "", 9)

    def header(self) -> None:
        sheet = self.sheet
        if self.page_no() > 1:
            (line, *_) = sheet.wrapped(sheet.document.name, WIDTH, 8)
            sheet.write(MARGIN, 12, line, 8, SOFT)
            self.set_draw_color(*LINE)
            self.set_line_width(0.2)
            self.line(MARGIN, 17.5, MARGIN + WIDTH, 17.5)
        self.set_xy(MARGIN, TOP if self.page_no() > 1 else MARGIN)

    def footer(self) -> None:
        self.set_font("report", "", 8)
        self.set_text_color(*SOFT)
        self.set_xy(MARGIN, 297 - 13)
        self.cell(WIDTH / 2, 4, "Made by Watchkeeper. All times are UTC.")
        self.cell(WIDTH / 2, 4, f"Page {self.page_no()} of {{nb}}", align="R")


# Letters --------------------------------------------------------------------------------------------------------


def showable(text: str) -> str:
    """`text` in characters that the font has; each other one as its number, so that names stay told apart."""
    normal = unicodedata.normalize("NFC", text)
    have = _letters(bold=False)
    return "".join(c if ord(c) in have or c == "\n" else _numbered(c) for c in normal)


def _numbered(c: str) -> str:
    """Selectors of a variant have no shape of their own."""
    return "" if unicodedata.category(c) in {"Cf", "Cc"} or 0xFE00 <= ord(c) <= 0xFE0F else f"[U+{ord(c):04X}]"


@cache
def _letters(*, bold: bool) -> dict[int, float]:
    """How wide each character is, as a share of the size."""
    font = TTFont(BOLD if bold else REGULAR, lazy=True)
    widths, em = font["hmtx"], font["head"].unitsPerEm
    return {code: widths[glyph][0] / em for code, glyph in font.getBestCmap().items()}


def _advance(c: str, bold: bool) -> float:  # noqa: FBT001
    return _letters(bold=bold).get(ord(c), 0.0)


def _mm(points: float) -> float:
    return points * 25.4 / 72


def _line(size: float) -> float:
    return _mm(size) * LEADING


def wrap(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """In lines of at most `width`; a word that is longer is broken, after a sign if there is one."""
    lines: list[str] = []
    line = ""
    for word in text.split():
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
