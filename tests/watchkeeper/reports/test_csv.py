import csv as parser
import io
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from tests.watchkeeper.reports import hostile, samples
from watchkeeper.reports import csv, render
from watchkeeper.reports.csv import Row, Value

COLUMNS = ["section", "id", "name", "from", "to", "measure", "value"]


def table(content: bytes) -> list[dict[str, str]]:
    reader = parser.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    assert reader.fieldnames == COLUMNS
    return list(reader)


def test_its_columns_are_explained_where_it_is_made() -> None:
    assert [line.split()[0] for line in (csv.__doc__ or "").splitlines()[2:] if line] == [
        "section",
        "id",
        "name",
        "from,",
        "measure",
        "value",
    ]
    assert list(csv.HEAD) == COLUMNS


def test_spreadsheets_are_told_that_it_is_utf8() -> None:
    content = render("sla", samples.sla(), "csv")
    assert content.startswith(b"\xef\xbb\xbfsection,id,name,")
    assert any(row["name"] == "Узел Тест" for row in table(content))


def test_every_figure_is_there_unrounded() -> None:
    rows = table(render("sla", samples.sla(), "csv"))
    found = {(row["section"], row["name"], row["measure"]): row for row in rows}
    assert found["total", "all", "down_s"]["value"] == "3012"
    assert found["incident", "all", "mttr_s"]["value"] == "3125.5"
    assert found["target", "bitcoin-core", "watched_until"]["value"] == ""
    assert found["target", "bitcoin-core", "met"]["value"] == "true"
    downtime = found["downtime", "eth-node-1", "down_s"]
    assert (downtime["from"], downtime["to"]) == ("2026-10-03T04:17:05Z", "2026-10-03T04:27:05Z")
    day = [row for row in rows if row["section"] == "day" and row["from"] == "2026-10-04"]
    assert {row["measure"]: row["value"] for row in day}["down_s"] == "2400"
    assert {row["to"] for row in day} == {"2026-10-05"}


@pytest.mark.parametrize(("kind", "data"), [("sla", hostile.sla()), ("compliance", hostile.compliance())])
def test_no_text_is_a_formula(kind: str, data: dict[str, object]) -> None:
    cells = [cell for row in table(render(kind, data, "csv")) for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "|", "%"))]
    assert "'=cmd|' /C calc'!A0" in cells


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-3, "-3"),
        (Decimal("1E+3"), "1000"),
        (Decimal("99.99960"), "99.99960"),
        ("-3", "'-3"),
        ("\uff1d1", "'\uff1d1"),
        ('say "so", twice', 'say "so", twice'),
        (date(2026, 10, 1), "2026-10-01"),
        (datetime(2026, 10, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2026-10-01T00:00:00Z"),
        (datetime(2026, 10, 1, 0, 0, 0, 5, tzinfo=UTC), "2026-10-01T00:00:00.000005Z"),
    ],
)
def test_values_are_written_for_programs(value: Value, cell: str) -> None:
    (row,) = table(csv.render(iter([Row("s", "", "n", None, None, "m", value)])))
    assert row["value"] == cell
