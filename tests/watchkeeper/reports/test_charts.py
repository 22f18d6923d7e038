from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from watchkeeper.reports.charts import (
    MOST_TARGETS,
    NARROW,
    WIDE,
    BudgetLine,
    DayBars,
    ResponseTimes,
    bars,
    draw,
)
from watchkeeper.reports.data import Day, Target

SVG = "{http://www.w3.org/2000/svg}"
FIRST = date(2026, 10, 1)


def day(n: int, **seconds: Any) -> Day:
    return Day.model_validate({"day": FIRST + timedelta(days=n), **seconds})


def drawn(drawing: DayBars | BudgetLine | ResponseTimes, width: int = WIDE) -> Element:
    return parsed(draw(drawing, width, "what it shows"))


def parsed(svg: str) -> Element:
    return fromstring(svg)  # noqa: S314 - our own


def of_class(root: Element, name: str) -> list[Element]:
    return [shape for shape in root.iter() if shape.get("class") == name]


def texts(root: Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def number(shape: Element, name: str) -> float:
    return float(shape.get(name) or "nan")


def test_each_kind_has_its_share_of_the_bar() -> None:
    root = drawn(DayBars((day(0, up_s=50, down_s=25, unknown_s=15, maintenance_s=10),)))
    high = {
        kind: number(of_class(root, kind)[-1], "height") for kind in ("up", "down", "unknown", "maintenance")
    }
    assert high == {"up": 48, "down": 24, "unknown": 14.4, "maintenance": 9.6}


def test_kinds_differ_by_pattern_and_have_names() -> None:
    root = drawn(DayBars((day(0, up_s=1, down_s=1, unknown_s=1, maintenance_s=1),)))
    assert texts(root)[:4] == ["down", "unknown", "maintenance", "up"]
    assert (
        len(of_class(root, "unknown-lines")) == len(of_class(root, "maintenance-lines")) == 2
    )  # and in the legend


def test_a_second_of_downtime_is_seen_and_the_bar_keeps_its_height() -> None:
    root = drawn(DayBars((day(0, up_s=86_399, down_s=1),)))
    up, down = (of_class(root, kind)[-1] for kind in ("up", "down"))
    assert number(down, "height") == 3
    assert number(up, "height") + number(down, "height") == 96


def test_a_day_without_figures_has_no_bar() -> None:
    empty, known = (len(of_class(drawn(DayBars((each,))), "up")) for each in (day(0), day(0, up_s=1)))
    assert (empty, known) == (1, 2)  # the legend's only


@pytest.mark.parametrize(
    ("days", "unit", "number_of_bars"),
    [
        (0, "day", 0),
        (1, "day", 1),
        (93, "day", 93),
        (94, "month", 4),
        (1400, "month", 46),
        (3700, "year", 11),
    ],
)
def test_long_periods_have_fewer_bars(days: int, unit: str, number_of_bars: int) -> None:
    each = [day(n, up_s=1, down_s=2) for n in range(days)]
    found, made = bars(each)
    assert (found, len(made)) == (unit, number_of_bars)
    assert sum(bar.seconds["down"] for bar in made) == 2 * days


def test_days_are_drawn_in_order_whatever_order_they_come_in() -> None:
    assert [bar.label for bar in bars([day(2), day(0), day(1)])[1]] == [
        "2026-10-01",
        "2026-10-02",
        "2026-10-03",
    ]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_nothing_is_drawn_outside(width: int) -> None:
    days = tuple(day(n, up_s=80, down_s=5, unknown_s=10, maintenance_s=5) for n in range(93))
    targets = tuple(target(f"a rather long name of target {n}" * 3, 10**n) for n in range(5))
    line = BudgetLine(tuple(each.day for each in days), tuple(Decimal(n) for n in range(93)), Decimal(40))
    for drawing in (DayBars(days), line, ResponseTimes(targets)):
        root = drawn(drawing, width)
        wide, high = (float(size) for size in (root.get("viewBox") or "").split()[2:])
        assert wide == width
        for shape in root.iter():
            points = [
                pair
                for path in (shape.get("d") or "").replace("Z", "").split("M")
                for pair in path.split("L")
            ]
            xs = [number(shape, name) for name in ("x", "x1", "x2", "cx") if shape.get(name)]
            ys = [number(shape, name) for name in ("y", "y1", "y2", "cy") if shape.get(name)]
            xs += [float(point.split()[0]) for point in points if point.strip()]
            ys += [float(point.split()[1]) for point in points if point.strip()]
            assert all(0 <= x <= wide for x in xs), shape.attrib
            assert all(0 <= y <= high for y in ys), shape.attrib


def test_the_budget_is_named_with_what_was_spent() -> None:
    root = drawn(BudgetLine((FIRST, FIRST), (Decimal(0), Decimal(90)), Decimal(60)))
    assert [text.replace("\u00a0", " ") for text in texts(root)[:2]] == [
        "budget: 1 min",
        "spent so far: 1 min 30 s",
    ]
    (line,) = [shape for shape in of_class(root, "budget") if number(shape, "x1") > 0]
    assert number(line, "y1") > 43  # not at the top: more was spent than there was


def target(name: str, p50: int | None) -> Target:
    scaled = None if p50 is None else {"p50_ms": p50, "p95_ms": p50 * 2, "p99_ms": p50 * 4}
    return Target.model_validate({"name": name, "latency": scaled})


def test_response_times_are_told_apart_by_shape() -> None:
    root = drawn(ResponseTimes((target("a", 10), target("b", 20))))
    shapes = Counter(
        shape.tag.removeprefix(SVG) for shape in root.iter() if shape.get("class") in {"p50", "p95", "p99"}
    )
    assert shapes == {"circle": 3, "rect": 3, "path": 3}
    rows = [number(shape, "cx") for shape in of_class(root, "p50")[1:]]
    assert rows[1] - 218 == pytest.approx(2 * (rows[0] - 218), abs=0.02)  # from where the axis begins


def test_a_time_that_is_not_known_has_no_mark() -> None:
    assert len(of_class(drawn(ResponseTimes((target("a", None), target("b", 0)))), "p95")) == 2


def test_only_the_first_targets_are_drawn_and_names_are_cut_and_escaped() -> None:
    root = drawn(ResponseTimes(tuple(target(f"<b>{n}" + "x" * 200, n) for n in range(50))))
    names = [text for text in texts(root) if text.startswith("<b>")]
    assert len(names) == MOST_TARGETS
    assert {len(name) for name in names} == {33}


def test_it_says_what_it_shows() -> None:
    root = parsed(draw(DayBars(()), WIDE, 'a "quoted" <text>'))
    assert (root.get("role"), root.get("aria-label")) == ("img", 'a "quoted" <text>')
