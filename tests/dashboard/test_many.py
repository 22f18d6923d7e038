"""5,000 alerts and 500 targets: the page asks for, and draws, a part of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from infra.local.stack import Stack
from tests.dashboard.conftest import Visitors, count_calls, look_again, new_site
from tests.dashboard.site import Site, crowd
from tests.support.parts import Cluster


@pytest.fixture(scope="module")
def crowded(stack: Stack, cluster: Cluster, session_folder: Path) -> Iterator[Site]:
    with new_site(stack, cluster, session_folder / "crowded") as site:
        crowd(site)
        yield site


@pytest.fixture
def visit(browser: Browser, crowded: Site) -> Iterator[Visitors]:
    visitors = Visitors(browser, crowded)
    yield visitors
    visitors.close()
    assert visitors.complaints == []


def test_five_thousand_alerts_come_a_page_at_a_time(visit: Visitors, crowded: Site) -> None:
    page = visit("responder", "/alerts")
    rows = page.locator(".rows.alerts > li")
    expect(rows).to_have_count(100)
    expect(rows.first).to_contain_text("source 4999")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.rows.alerts > li')).contentVisibility")
        == "auto"
    )
    for pages in (2, 3):
        page.get_by_role("button", name="Show more").click()
        expect(rows).to_have_count(100 * pages)
    sources = page.locator(".rows.alerts a").all_text_contents()
    assert sources == [f"source {n:04}: service_down" for n in range(4999, 4699, -1)], (
        "none twice, none left out"
    )

    calls = count_calls(page)
    crowded.fire("the newest")
    look_again(page)
    expect(rows.first).to_contain_text("the newest")
    expect(rows).to_have_count(301)
    assert calls.count("list_alerts") == 1, "what was loaded before is kept, not asked for again"


def test_five_hundred_targets_come_a_page_at_a_time(visit: Visitors) -> None:
    page = visit("viewer", "/targets")
    rows = page.locator(".rows > li")
    expect(page.get_by_text("500 targets")).to_be_visible()
    expect(rows).to_have_count(200)
    page.get_by_label("Find").fill("node 49")
    expect(rows).to_have_count(10)


def test_the_overview_stays_short(visit: Visitors) -> None:
    page = visit("viewer")
    expect(page.get_by_role("heading", name="Firing now")).to_be_visible()
    shown = page.locator(".rows").last.get_by_role("listitem")
    expect(shown).to_have_count(50)
    expect(page.get_by_role("link", name="All 500 targets")).to_be_visible()
