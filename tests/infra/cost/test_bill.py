"""The bill, against small cases counted by hand."""

import re

import pytest

from infra.cost.bill import bill, read_prices
from infra.cost.usage import Plan, Template, read_figures, usage

PRICES = {
    "requests": {"usd": 0.40, "per": 1_000_000, "free": 1_000_000},
    "alarms": {"usd": 0.10, "per": 1, "free": 10},
}


def test_what_is_free_is_taken_once_by_the_first_lines() -> None:
    lines = bill(
        [("requests", "sent", 750_000), ("requests", "received", 1_250_000), ("alarms", "alarms", 12)], PRICES
    )
    assert [(line.what, round(line.usd, 6), round(line.free_usd, 6)) for line in lines] == [
        ("sent", 0.0, 0.3),
        ("received", 0.4, 0.1),
        ("alarms", 0.2, 1.0),
    ]


def test_every_price_has_its_page_and_its_date() -> None:
    for price in read_prices().values():
        assert price["page"].startswith("https://")
        assert re.match(r"20\d\d", str(price["of"]))


@pytest.mark.parametrize(("plan", "most"), [(Plan(), 5), (Plan(targets=0), 5), (Plan(checks=4), 10)])
def test_a_month_costs_no_more_than_was_promised(plan: Plan, most: float) -> None:
    lines = bill(usage(plan, Template.own(), read_figures()), read_prices())
    assert sum(line.usd for line in lines) < most
