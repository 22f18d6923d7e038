"""Several regions: the page says which sees what, and that a quiet one sees nothing."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.dashboard.conftest import Visitors
from tests.dashboard.site import Site, result


def test_who_sees_what_and_who_went_quiet(visit: Visitors, site: Site) -> None:
    site.db.execute("select watchkeeper.claim_due_checks(now() - interval '10 minutes', 1, 'us-east-1')")
    target = site.store.save_target(
        {
            "name": "node", "endpoint": "http://127.0.0.1:9", "checks": {"uptime": {"interval_s": 3600}},
            "regions": {"agree": 1, "names": ["eu-central-1", "us-east-1"]},
        }
    )  # fmt: skip
    (task,) = site.store.claim_due_checks(1, "eu-central-1")
    look = {"service_name": "node", "endpoint": "x", "is_up": True, "response_time_ms": 12.5}
    site.store.record_check_results(
        [{**result(task, "ok", (), {}), "region": task["region"], "uptime": look}]
    )

    page = visit("admin", f"/targets/{target['id']}")
    rows = (
        page.get_by_role("table")
        .filter(has=page.get_by_role("columnheader", name="Sees"))
        .locator("tbody tr")
    )
    expect(rows.nth(0)).to_have_text(re.compile(r"eu-central-1\s+ok\s+12\.5 ms"))
    expect(rows.nth(1)).to_have_text(re.compile(r"us-east-1\s+unknown\s.*no tick: 10 min ago", re.DOTALL))
    page.get_by_role("link", name="Edit").click()
    page.get_by_text("Regions that must agree").click()
    expect(page.get_by_label("How many must agree")).to_have_value("1")

    page.goto("/system")
    expect(page.get_by_text("eu-central-1")).to_have_class("badge ok")
    expect(page.get_by_text("us-east-1")).to_have_class("badge unknown")
