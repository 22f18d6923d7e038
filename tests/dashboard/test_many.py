"""5,000 alerts and 500 targets: the page asks for, and draws, a part of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.dashboard.conftest import Visitors, count_calls, look_again
from tests.dashboard.site import INTERVAL_S, Site


@pytest.fixture(scope="module")
def crowded(running_site: Site) -> Iterator[Site]:
    checks = {"uptime": {"interval_s": INTERVAL_S}}
    running_site.store.apply_targets(
        [{"name": f"node {n:03}", "endpoint": "http://127.0.0.1:9", "checks": checks} for n in range(500)]
    )
    running_site.db.execute(
        "insert into public.system_alerts (alert_type, severity, message, source, fingerprint, status, metadata, "
        "  created_at, first_seen_at, last_seen_at) "
        "select 'service_down', 'critical', 'it is down', name, name, 'firing', '{}', moment, moment, moment "
        "from generate_series(0, 4999) as n, lateral (select 'source ' || to_char(n, 'FM0000') as name, "
        "  now() - interval '1 hour' + n * interval '1 millisecond' as moment)"
    )
    yield running_site
    running_site.db.execute("delete from public.system_alerts where source like 'source %'")
    running_site.forget()


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


def test_five_hundred_targets_come_a_page_at_a_time(visit: Visitors, crowded: Site) -> None:  # noqa: ARG001
    page = visit("viewer", "/targets")
    rows = page.locator(".rows > li")
    expect(page.get_by_text("500 targets")).to_be_visible()
    expect(rows).to_have_count(200)
    page.get_by_label("Find").fill("node 49")
    expect(rows).to_have_count(10)


def test_the_overview_stays_short(visit: Visitors, crowded: Site) -> None:  # noqa: ARG001
    page = visit("viewer")
    expect(page.get_by_role("heading", name="Firing now")).to_be_visible()
    assert page.locator("#app *").count() < 3000
