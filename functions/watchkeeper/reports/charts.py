"""Charts as SVG text, from a few plain shapes that a browser and the PDF draw alike. Pure.

Kinds are told apart by shade and pattern, so that they survive a grey printer and colour blindness. Classes
let a page choose other colours for the dark.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from html import escape
from itertools import groupby

from watchkeeper.reports.data import Day, Measured, Target
from watchkeeper.reports.figures import duration, milliseconds

WIDE, NARROW = 680, 330
"""Widths to draw at: a sheet's and a telephone's. The text's size stays the same."""

INK, SOFT, LINE = "#1f2933", "#52606d", "#cbd2d9"
FILLS = {"up": "#8cc5a2", "down": "#8f1d1d", "unknown": "#ffffff", "maintenance": "#dbe7f5"}
STROKES = {"unknown": "#7b8794", "maintenance": "#4a6fa5"}
SPENT = f'fill="{FILLS["down"]}" fill-opacity="0.25" stroke="none"'
KINDS = ("up", "maintenance", "unknown", "down")
"""From the bottom of a bar to its top."""
NAMES = {"up": "up", "down": "down", "unknown": "unknown", "maintenance": "maintenance"}

WIDEST_BAR = 60.0
CHAR = 6.1  # the usual width of a character at SIZE, a little more than it needs
SIZE = 11
MOST_DAYS, MOST_MONTHS = 93, 48
MOST_TARGETS = 20
LEAST_HEIGHT = 3.0
"""A bar's smallest part: ten minutes of a day would be a hair."""


@dataclass(frozen=True)
class DayBars:
    days: tuple[Day, ...]


@dataclass(frozen=True)
class BudgetLine:
    """How the error budget was spent: `spent` by the end of each day."""

    days: tuple[date, ...]
    spent: tuple[Decimal, ...]
    budget: Decimal


@dataclass(frozen=True)
class ResponseTimes:
    targets: tuple[Target, ...]


Drawing = DayBars | BudgetLine | ResponseTimes


def draw(drawing: Drawing, width: int, text: str) -> str:
    """One `svg` element; `text` is its description."""
    match drawing:
        case DayBars():
            shapes, height = _day_bars(drawing, width)
        case BudgetLine():
            shapes, height = _budget_line(drawing, width)
        case ResponseTimes():
            shapes, height = _response_times(drawing, width)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_n(height)}" width="{width}" '
        f'height="{_n(height)}" role="img" aria-label="{escape(text)}">{"".join(shapes)}</svg>'
    )


# Days -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    label: str
    seconds: dict[str, float]


def bars(days: Sequence[Day]) -> tuple[str, list[Bar]]:
    """A bar for each day; of long periods one for each month or year."""
    months = {(day.day.year, day.day.month) for day in days}
    if len(days) <= MOST_DAYS:
        unit, form = "day", "%Y-%m-%d"
    elif len(months) <= MOST_MONTHS:
        unit, form = "month", "%Y-%m"
    else:
        unit, form = "year", "%Y"
    in_order = sorted(days, key=lambda day: day.day)
    return unit, [
        Bar(label, _sum(group)) for label, group in groupby(in_order, lambda day: f"{day.day:{form}}")
    ]


def _sum(days: Iterable[Measured]) -> dict[str, float]:
    every = list(days)
    return {kind: float(sum((getattr(day, f"{kind}_s") or 0 for day in every), Decimal(0))) for kind in KINDS}


def _day_bars(drawing: DayBars, width: int) -> tuple[Iterator[str], float]:
    legend, top = _legend([(NAMES[kind], _swatch(kind)) for kind in reversed(KINDS)], width)
    high = 96.0

    def shapes() -> Iterator[str]:
        yield from legend
        _, each = bars(drawing.days)
        left, step = 44.0, (width - 46.0) / max(1, len(each))
        yield from _y_axis(left, top, high, width, ("0 %", "50 %", "100 %"))
        for n, bar in enumerate(each):
            gap = max(min(3.0, step * 0.2), step - WIDEST_BAR)
            yield from _stack(bar, left + n * step + min(gap, 3.0) / 2, top, step - gap, high)
        yield from _x_axis([bar.label for bar in each], left, step, top + high, width)

    return shapes(), top + high + 20


def _stack(bar: Bar, x: float, top: float, wide: float, high: float) -> Iterator[str]:
    whole = sum(bar.seconds.values())
    if not whole:
        return
    heights = {kind: max(LEAST_HEIGHT, high * s / whole) for kind, s in bar.seconds.items() if s}
    largest = max(heights, key=lambda kind: heights[kind])
    heights[largest] -= sum(heights.values()) - high
    y = top + high
    for kind in KINDS:
        if kind in heights:
            y -= heights[kind]
            yield from _patterned(kind, x, y, wide, heights[kind])


# Error budget ---------------------------------------------------------------------------------------------------


def _budget_line(drawing: BudgetLine, width: int) -> tuple[Iterator[str], float]:
    spent = drawing.spent[-1] if drawing.spent else None
    names = f"budget: {duration(drawing.budget)}", f"spent so far: {duration(spent)}"
    legend, top = _legend([(names[0], _budget_swatch), (names[1], _spent_swatch)], width)
    high = 96.0

    def shapes() -> Iterator[str]:
        yield from legend
        most = max(drawing.budget, *drawing.spent, Decimal("0.001")) * Decimal("1.08")
        step, left = (width - 46.0) / max(1, len(drawing.days)), 44.0

        def y(value: Decimal) -> float:
            return top + high - high * float(value / most)

        points = [(left, y(Decimal(0)))]
        for n, value in enumerate(drawing.spent):
            if y(value) != points[-1][1]:
                points += [(left + n * step, points[-1][1]), (left + n * step, y(value))]
        at = left + len(drawing.spent) * step
        points.append((at, points[-1][1]))
        path = " ".join(f"L{_n(px)} {_n(py)}" for px, py in points)
        floor = _n(top + high)
        yield from _y_axis(left, top, high, width, ("0", "", ""))
        yield f'<path class="spent" d="M{_n(left)} {floor} {path} L{_n(at)} {floor} Z" {SPENT}/>'
        yield f'<path class="spent-line" d="M{path[1:]}" fill="none" stroke="{FILLS["down"]}" stroke-width="1.5"/>'
        edge = y(drawing.budget)
        yield _line(left, edge, width - 2.0, edge, "budget", INK, 1.5, dash="5 3")
        yield from _x_axis([f"{day:%Y-%m-%d}" for day in drawing.days], left, step, top + high, width)

    return shapes(), top + high + 20


def _budget_swatch(x: float, y: float) -> Iterator[str]:
    yield _line(x, y + 5, x + 14, y + 5, "budget", INK, 1.5, dash="5 3")


def _spent_swatch(x: float, y: float) -> Iterator[str]:
    yield f'<rect class="spent" x="{_n(x)}" y="{_n(y)}" width="14" height="10" {SPENT}/>'
    yield _line(x, y, x + 14, y, "spent-line", FILLS["down"], 1.5)


# Response times -------------------------------------------------------------------------------------------------


def _response_times(drawing: ResponseTimes, width: int) -> tuple[Iterator[str], float]:
    marks = [("half within", _circle), ("95 % within", _square), ("99 % within", _triangle)]
    legend, top = _legend([(name, _centred(mark)) for name, mark in marks], width)
    rows = drawing.targets[:MOST_TARGETS]
    row = 18.0 if width == WIDE else 32.0
    bottom = top + row * len(rows)

    def shapes() -> Iterator[str]:
        yield from legend
        names = 210.0 if width == WIDE else 4.0
        right = width - 22.0
        most = max((float(ms) for target in rows for ms in _latencies(target) if ms), default=1.0) or 1.0

        def x(ms: Decimal) -> float:
            return names + 8 + (right - names - 8) * float(ms) / most

        for n, target in enumerate(rows):
            beside = width == WIDE
            middle = top + n * row + (row / 2 if beside else row - 8)
            yield _text(
                0,
                middle + 4 if beside else middle - 10,
                _cut(target.name, 33 if beside else 50),
            )
            yield _line(names + 8, middle, right, middle, "grid", LINE, 0.7)
            for ms, (_, mark) in zip(_latencies(target), marks, strict=True):
                if ms is not None:
                    yield mark(x(ms), middle)
        yield _text(names + 8, bottom + 14, "0 ms")
        yield _text(right, bottom + 14, milliseconds(Decimal(str(most))), anchor="end")

    return shapes(), bottom + 20


def _latencies(target: Target) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    return target.latency.p50_ms, target.latency.p95_ms, target.latency.p99_ms


def _circle(x: float, y: float) -> str:
    return f'<circle class="p50" cx="{_n(x)}" cy="{_n(y)}" r="4" fill="#ffffff" stroke="{INK}" stroke-width="1.4"/>'


def _square(x: float, y: float) -> str:
    return f'<rect class="p95" x="{_n(x - 3.5)}" y="{_n(y - 3.5)}" width="7" height="7" fill="#4a6fa5" stroke="none"/>'


def _triangle(x: float, y: float) -> str:
    path = f"M{_n(x)} {_n(y - 4.5)} L{_n(x + 4.5)} {_n(y + 3.5)} L{_n(x - 4.5)} {_n(y + 3.5)} Z"
    return f'<path class="p99" d="{path}" fill="{FILLS["down"]}" stroke="none"/>'


# Parts ----------------------------------------------------------------------------------------------------------

Swatch = Callable[[float, float], Iterable[str]]


def _legend(entries: Sequence[tuple[str, Swatch]], width: int) -> tuple[list[str], float]:
    """Its shapes, in as many lines as it needs, and where the chart may begin."""
    shapes: list[str] = []
    x, y = 0.0, 2.0
    for name, swatch in entries:
        wide = 20 + len(name) * CHAR + 14
        if x and x + wide > width:
            x, y = 0.0, y + 17
        shapes += [*swatch(x, y), _text(x + 20, y + 9, name, INK)]
        x += wide
    return shapes, y + 26


def _swatch(kind: str) -> Swatch:
    return lambda x, y: _patterned(kind, x, y, 14, 10)


def _centred(mark: Callable[[float, float], str]) -> Swatch:
    return lambda x, y: [mark(x + 7, y + 5)]


def _patterned(kind: str, x: float, y: float, wide: float, high: float) -> Iterator[str]:
    yield (
        f'<rect class="{kind}" x="{_n(x)}" y="{_n(y)}" width="{_n(wide)}" height="{_n(high)}" '
        f'fill="{FILLS[kind]}" stroke="none"/>'
    )
    lines = {"unknown": _slanted, "maintenance": _level}.get(kind)
    if path := lines and " ".join(lines(x, y, wide, high)):
        yield f'<path class="{kind}-lines" d="{path}" fill="none" stroke="{STROKES[kind]}" stroke-width="0.8"/>'


def _slanted(x: float, y: float, wide: float, high: float) -> Iterator[str]:
    """Lines that rise to the right, cut off at the edges; they go on from one bar to the next."""
    for n in range(int((x + y) // 4) + 1, int((x + wide + y + high) // 4) + 1):
        total = n * 4  # where x + y is this
        from_x, to_x = max(x, total - y - high), min(x + wide, total - y)
        if to_x > from_x:
            yield f"M{_n(from_x)} {_n(total - from_x)} L{_n(to_x)} {_n(total - to_x)}"


def _level(x: float, y: float, wide: float, high: float) -> Iterator[str]:
    for n in range(int(y // 3) + 1, int((y + high) // 3) + 1):
        yield f"M{_n(x)} {_n(n * 3)} L{_n(x + wide)} {_n(n * 3)}"


def _y_axis(left: float, top: float, high: float, width: int, labels: tuple[str, str, str]) -> Iterator[str]:
    for share, label in zip((1.0, 0.5, 0.0), labels, strict=True):
        y = top + high * share
        yield _line(left, y, width - 2.0, y, "grid", LINE, 0.7)
        if label:
            yield _text(left - 6, y + 4, label, anchor="end")


def _x_axis(labels: Sequence[str], left: float, step: float, bottom: float, width: int) -> Iterator[str]:
    """The first label, the last, and as many between as there is room for."""
    if not labels:
        return
    room = max(1, int((width - left) // (len(labels[0]) * CHAR + 30)))
    every = -(-len(labels) // room)
    for n in range(0, len(labels), every):
        x = left + n * step
        yield _line(x, bottom, x, bottom + 4, "tick", SOFT, 0.7)
        if x + len(labels[n]) * CHAR <= width:
            yield _text(x, bottom + 15, labels[n])


def _text(x: float, y: float, text: str, colour: str = SOFT, *, anchor: str = "start") -> str:
    kind = "ink" if colour == INK else "soft"
    return (
        f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}" font-size="{SIZE}" font-family="report" '
        f'fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _line(
    x1: float, y1: float, x2: float, y2: float, name: str, colour: str, wide: float, dash: str = ""
) -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    ends = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
    return f'<line class="{name}" {ends} stroke="{colour}" stroke-width="{_n(wide)}"{dashed}/>'


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - 1] + "…"


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
