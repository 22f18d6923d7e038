from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from pydantic import ValidationError

from tests.watchkeeper.reports import samples
from watchkeeper.reports import sla
from watchkeeper.reports.charts import BudgetLine, DayBars, ResponseTimes
from watchkeeper.reports.document import Chart, Command, Document, Facts, Heading, Paragraph, Table, Verdict
from watchkeeper.reports.figures import NEAR

B = TypeVar("B")


def made(**changes: Any) -> Document:
    return sla.document(samples.sla(**changes))


def every(document: Document, kind: type[B]) -> list[B]:
    return [block for block in document.blocks if isinstance(block, kind)]


def facts(document: Document) -> dict[str, tuple[str, str]]:
    (found,) = every(document, Facts)
    return {fact.label: (said(fact.value), said(fact.note)) for fact in found.facts}


def under(document: Document, heading: str) -> list[Any]:
    """The blocks between this heading and the next."""
    start = document.blocks.index(Heading(heading)) + 1
    ends = [n for n, block in enumerate(document.blocks) if n >= start and isinstance(block, Heading)]
    return list(document.blocks[start : ends[0] if ends else None])


def rows(document: Document, heading: str) -> list[tuple[str, ...]]:
    (found,) = [block for block in under(document, heading) if isinstance(block, Table)]
    return [tuple(said(text) for text in row) for row in found.rows]


def said(text: str) -> str:
    return text.replace(NEAR, " ")


def test_page_one_answers_what_a_customer_asks() -> None:
    document = made()
    assert (document.title, document.subject, document.period) == (
        "Service level report",
        "Ledger Hosting AG",
        "October 2026",
    )
    (verdict,) = every(document, Verdict)
    assert (verdict.word, said(verdict.text), verdict.tone) == (
        "Objective met",
        "99.9812 % available, 99.9 % promised. Of the time watched, 99.64 % was measured.",
        "good",
    )
    assert facts(document) == {
        "Availability": ("99.9812 %", "objective 99.9 %: met"),
        "Downtime": ("50 min 12 s", "3 downtimes of 3 targets"),
        "Error budget left": ("3 h 36 min 41 s", "81.18 % left of 4 h 26 min 53 s, 50 min 12 s spent"),
        "Incidents": ("2", "1 critical, 1 medium, 1 still open"),
        "Time to acknowledge": ("3 min 4 s", "mean (MTTA) of 8 alerts"),
        "Time to resolve": ("25 min 10 s", "mean (MTTR) of 8 alerts"),
        "Acknowledged within 5 min": ("75 %", "6 of 8 alerts"),
        "Delivered within 30 s": ("100 %", "8 of 8 alerts"),
    }
    assert [label for label, _ in document.about] == ["Covers", "From, to", "Objective", "Made"]


def test_an_objective_that_was_missed_says_by_how_much() -> None:
    totals = {**samples.sla()["totals"], "met": False, "budget_s": 600, "spent_s": 660}
    document = made(totals=totals)
    assert every(document, Verdict)[0].word == "Objective not met"
    assert facts(document)["Error budget left"] == (
        "none",
        "11 min spent, 1 min more than the 10 min there were",
    )


def test_what_is_not_known_is_neither_good_nor_bad() -> None:
    document = made(totals=dict.fromkeys(samples.sla()["totals"]))
    (verdict,) = every(document, Verdict)
    assert (verdict.word, verdict.tone) == ("Not measured", "unknown")
    found = facts(document)
    assert {found[label][0] for label in ("Availability", "Downtime", "Error budget left")} == {
        "not measured"
    }


def test_time_in_which_nothing_was_measured_has_no_downtime_to_tell_of() -> None:
    nothing = {
        "watched_s": 60,
        "up_s": 0,
        "down_s": 0,
        "unknown_s": 60,
        "availability_percent": None,
        "met": None,
    }
    totals = {**nothing, "budget_s": 0, "spent_s": 0}
    document = made(totals=totals, targets=[samples.target("silent", 3, **nothing)])
    assert facts(document)["Downtime"] == ("not measured", "")
    assert facts(document)["Error budget left"] == ("not measured", "")
    assert rows(document, "Targets") == [
        ("silent", "mainnet", "not measured", "not measured", "1 min", "0 s", "not measured")
    ]
    assert [block.empty for block in under(document, "Downtimes")] == ["Not measured."]


def test_without_an_objective_nothing_was_met() -> None:
    document = made(objective=None)
    (verdict,) = every(document, Verdict)
    assert (verdict.word, said(verdict.text)) == (
        "No objective",
        "Availability: 99.9812 %. Of the time watched, 99.64 % was measured.",
    )
    assert facts(document)["Availability"] == ("99.9812 %", "no objective")


def test_nothing_but_a_period_is_a_report_of_nothing() -> None:
    month = samples.sla()
    for data in ({}, dict.fromkeys(month)):
        document = sla.document({**data, "from": month["from"], "to": month["to"]})
        assert document.subject == "No targets"
        assert {value for value, _ in facts(document).values()} == {"not measured"}
        assert rows(document, "Targets") == rows(document, "Downtimes") == rows(document, "Incidents") == []
        assert not every(document, Chart)


@pytest.mark.parametrize(
    ("match", "covers"),
    [
        (None, "6 targets"),
        ({}, "all targets (6 targets)"),
        (
            {"targets": ["a", "b"], "labels": {"team": "x"}, "kinds": []},
            "labels team = x; targets a, b (6 targets)",
        ),
    ],
)
def test_it_says_which_targets_it_covers_as_far_as_it_knows(
    match: dict[str, Any] | None, covers: str
) -> None:
    assert dict(made(match=match).about)["Covers"] == covers


def test_nothing_to_average_is_not_zero() -> None:
    nothing = {"within_5_min": 0, "of": 0, "percent": None}
    document = made(alerts={"count": 0, "mtta_s": None, "mttr_s": None, "acknowledged": nothing})
    assert facts(document)["Time to acknowledge"] == ("not measured", "mean (MTTA) of 0 alerts")
    assert facts(document)["Acknowledged within 5 min"] == ("not measured", "no alerts")


def test_targets_come_worst_first_and_unmeasured_ones_last() -> None:
    unmeasured = {"name": "never seen", "availability_percent": None, "met": None}
    document = made(targets=[unmeasured, *samples.sla()["targets"]])
    found = rows(document, "Targets")
    assert found[0] == (
        "eth-node-2.eu-central-1.example.org",
        "mainnet",
        "99.9102 %",
        "40 min",
        "0 s",
        "2 h",
        "met",
    )
    assert found[-1] == ("never seen", "", *["not measured"] * 5)


def test_targets_that_came_or_went_say_so() -> None:
    came = samples.target("came", 2, watched_from="2026-10-12T08:00:00+00:00")
    went = samples.target("went", 3, watched_until="2026-10-15T08:00:00+00:00")
    document = made(targets=[came, went, samples.target("stayed", 4)])
    (_, said_so, listed) = under(document, "Targets")
    assert said_so == Paragraph("Watched for a part of the period only:")
    assert listed.rows == (
        ("came", "2026-10-12 08:00:00", "still watched"),
        ("went", "2026-08-01 00:00:00", "2026-10-15 08:00:00"),
    )


def test_downtimes_are_listed_by_time_to_the_second() -> None:
    assert rows(made(), "Downtimes") == [
        ("eth-node-1", "2026-10-03 04:17:05", "2026-10-03 04:27:05", "10 min"),
        ("eth-node-2.eu-central-1.example.org", "2026-10-04 04:17:05", "2026-10-04 04:57:05", "40 min"),
        ("rpc gateway", "2026-10-07 04:17:05", "2026-10-07 04:17:17", "12 s"),
    ]
    going_on = samples.target("down now", 0)
    going_on["downtimes"][0]["to"] = None
    assert rows(made(targets=[going_on]), "Downtimes")[0][2] == "not over"


def test_of_very_many_downtimes_the_longest_are_listed_and_the_rest_counted() -> None:
    moments = [f"2026-10-{1 + n % 28:02}T00:{n % 60:02}:00Z" for n in range(1200)]
    downtimes = [{"from": at, "to": at, "seconds": n} for n, at in enumerate(moments)]
    document = made(targets=[samples.target("unstable", 0, downtimes=downtimes, downtimes_count=5000)])
    (explained, listed) = under(document, "Downtimes")
    assert explained.text == "The longest 1,000 of 5,000 downtimes, by time."
    assert len(listed.rows) == 1000
    assert "50 s" not in {row[3] for row in listed.rows}
    assert facts(document)["Downtime"][1] == "5,000 downtimes of 1 target"


def test_no_downtime_is_something_else_than_nothing_measured() -> None:
    well = samples.target("well", 3)
    assert [block.empty for block in under(made(targets=[well]), "Downtimes")] == ["No target was seen down."]
    nobody_knows = samples.target("unknown", 3, down_s=None)
    assert [block.empty for block in under(made(targets=[nobody_knows]), "Downtimes")] == ["Not measured."]


def test_incidents_are_listed_and_those_left_out_counted() -> None:
    document = made()
    assert rows(document, "Incidents") == [
        ("eth-node-2 answers nothing", "critical", "closed", "2026-10-04 04:18:00", "2026-10-04 05:10:05"),
        ("Certificates end soon", "medium", "investigating", "2026-10-20 09:00:00", "not yet"),
    ]
    many = {**samples.sla()["incidents"], "count": 10_000}
    assert Paragraph("2 of 10,000 incidents are listed.", small=True) in under(
        made(incidents=many), "Incidents"
    )


def test_charts_get_the_figures_of_the_days() -> None:
    charts = [chart.drawing for chart in every(made(), Chart)]
    assert [type(drawing) for drawing in charts] == [DayBars, BudgetLine, ResponseTimes]
    budget = charts[1]
    assert isinstance(budget, BudgetLine)
    assert budget.days[0] == date(2026, 10, 1)
    assert budget.spent[2:7] == tuple(map(Decimal, (600, 3000, 3000, 3000, 3012)))


def test_unknown_time_is_spent_where_it_counts_as_down() -> None:
    strict = {"name": "strict", "percent": 99, "counts_unknown": "down"}
    (_, chart, _) = every(made(objective=strict), Chart)
    assert isinstance(chart.drawing, BudgetLine)
    assert chart.drawing.spent[-1] == Decimal(3012 + 43_293)


def test_a_chart_says_what_it_shows() -> None:
    days, budget, times = (said(chart.text) for chart in every(made(), Chart))
    assert days == "Availability by day: 31 days, 3 of them with downtime."
    assert budget == "Error budget: 50 min 12 s of 4 h 26 min 53 s spent."
    assert times.startswith("Response times of each target")


def test_the_close_is_named_with_the_way_to_verify_it() -> None:
    hash_, command = every(made(), Command)
    assert hash_.text == samples.sla()["close"]["hash"]
    assert command.text == "watchkeeper closes verify 2026-10"
    assert every(made(close={"month": "2026-10", "hash": "\\x" + "ab" * 32}), Command)[0].text == "ab" * 32


def test_an_open_period_says_that_it_can_still_change() -> None:
    document = made(close=None, as_of="2026-10-20T12:00:00Z")
    assert not every(document, Command)
    assert ("Figures as of", "2026-10-20 12:00:00 UTC; the period was not over") in document.about
    (paragraph,) = under(document, "How to verify this report")
    assert "can still change" in paragraph.text


def test_the_rules_of_counting_are_part_of_it() -> None:
    assert [row[0] for row in rows(made(), "How time is counted")] == [
        "Observations",
        "Unknown time",
        "Maintenance",
        "Paused and unwatched time",
        "Availability",
    ]
    assert rows(made(rules={"new_rule": "x", "observation": 3}), "How time is counted") == [
        ("Observations", "3"),
        ("New rule", "x"),
    ]


def test_objectives_of_their_own_have_a_table() -> None:
    goals = [
        {
            "name": "gold",
            "percent": 99.9,
            "availability_percent": "99.99996",
            "budget_s": 100,
            "spent_s": 1,
            "met": True,
        },
        {"name": "new", "percent": None},
    ]
    assert rows(made(objectives=goals), "Objectives") == [
        ("gold", "99.9 %", "99.9999 %", "1 min 40 s", "1 s", "met"),
        ("new", "not set", "not measured", "not measured", "not measured", "not measured"),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "2026-10-01T00:00:00Z"},
        {"from": "2026-10-01T00:00:00"},
        {"from": None},
        {"totals": {"down_s": -1}},
        {"totals": {"down_s": "NaN"}},
        {"totals": {"availability_percent": 101}},
        {"close": {"month": "October", "hash": "ab" * 32}},
    ],
)
def test_data_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made(**wrong)


def test_every_number_is_a_row_for_a_spreadsheet() -> None:
    found = {(row.section, row.name, row.from_at, row.measure): row.value for row in sla.rows(samples.sla())}
    whole = datetime(2026, 10, 1, tzinfo=UTC)
    assert found["total", "all", whole, "down_s"] == 3012
    assert found["target", "rpc gateway", whole, "p95_ms"] == 244
    assert found["day", "all", date(2026, 10, 4), "down_s"] == 2400
    assert found["alert", "all", whole, "acknowledged_5_min_within"] == 6
    assert found["incident", "all", whole, "count_critical"] == 1
    assert found["target", "bitcoin-core", whole, "watched_until"] is None
    assert {row.section for row in sla.rows(samples.sla())} == {
        "report",
        "total",
        "target",
        "downtime",
        "day",
        "incident",
        "alert",
        "close",
    }
