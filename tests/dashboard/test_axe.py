"""axe finds nothing to complain about in any view, with data, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from infra.local.paths import TESTS
from tests.dashboard.conftest import Visitors
from tests.dashboard.site import Site

AXE = TESTS / "node_modules" / "axe-core" / "axe.min.js"
# Plain dicts: Playwright's own type for a size is not exported, so each use says so to mypy.
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 375, "height": 800}
RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  const told = (each) => each.nodes.map((node) => `${each.id}: ${node.target} ${node.failureSummary}`);
  return found.violations.flatMap(told);
}"""
OVERFLOWING = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  return [...document.querySelectorAll("#app *")].filter((each) => each.getBoundingClientRect().right > wide + 1)
    .slice(0, 5).map((each) => each.outerHTML.slice(0, 120));
}"""


@pytest.fixture(scope="module")
def furnished(running_site: Site) -> Iterator[dict[str, str]]:
    """Something in every list; returns the addresses that name one of it."""
    site = running_site
    node = site.target(
        "a node with a rather long name", "uptime", "blockchain", chain="evm", labels={"env": "prod"}
    )
    site.look(node, "ok", height=1_000_000, avg_block_time=12.1)
    site.dies(node, "connect: connection refused")
    site.target("well")
    site.store.save_channel({"name": "team chat", "kind": "webhook", "secrets": {"url": "env:CHANNEL_TEAM"}})
    site.store.save_route({"name": "all", "channels": ["team chat"], "match": {}})
    alert = site.fire("other node", "warning")
    incident = site.store.create_incident("Node lost", "high", alert_ids=[alert])
    site.store.add_incident_note(incident["id"], "looking into it")
    operations = [{"benchmark_name": "ci", "operation_type": "sign", "duration_ms": n} for n in range(1, 40)]
    site.store.record_benchmarks(operations)
    site.store.create_api_token("a tool of axe", "watchkeeper_ingest", 90)
    yield {"target": node["id"], "alert": alert, "incident": incident["id"]}
    site.store.revoke_api_token("a tool of axe")
    site.store.delete_route("all")
    site.store.delete_channel("team chat")
    site.forget()


# `furnished` has to be there before anybody looks.
@pytest.fixture(scope="module")
def admin(browser: Browser, running_site: Site, furnished: dict[str, str]) -> Iterator[Page]:  # noqa: ARG001
    visitors = Visitors(browser, running_site)
    page = visitors("admin", "/", viewport=WIDE, reduced_motion="reduce")
    yield page
    visitors.close()
    assert visitors.complaints == []


VIEWS = [
    "/", "/alerts", "/alerts?show=resolved", "/alerts/{alert}", "/incidents", "/incidents/new", "/incidents/{incident}",
    "/performance", "/uptime", "/reports", "/targets", "/targets/{target}", "/targets/new", "/targets/{target}/edit",
    "/channels", "/channels/routes", "/channels/oncall",
    "/channels/silences", "/channels/heartbeats", "/audit", "/members", "/members/tokens", "/system", "/account",
    "/settings", "/channels/routes?new=route", "/reports?new=report_plan", "/uptime?new=objective", "/nowhere-at-all",
]  # fmt: skip


@pytest.mark.parametrize("path", VIEWS)
def test_a_view(admin: Page, furnished: dict[str, str], path: str) -> None:
    admin.set_viewport_size(WIDE)  # type: ignore[arg-type]
    admin.emulate_media(color_scheme="light")
    admin.goto(path.format(**furnished))
    expect(admin.locator("h1").first).to_be_attached()
    expect(admin.locator(".loading")).to_have_count(0)
    judge(admin)


def test_what_opens_above_a_view(admin: Page, furnished: dict[str, str]) -> None:
    admin.goto(f"/alerts/{furnished['alert']}")
    admin.get_by_role("button", name="Resolve by hand").click()
    expect(admin.get_by_role("dialog")).to_be_visible()
    judge(admin)
    admin.keyboard.press("Escape")
    admin.keyboard.press("?")
    expect(admin.get_by_role("dialog")).to_be_visible()
    judge(admin)
    admin.keyboard.press("Escape")
    admin.set_viewport_size(NARROW)  # type: ignore[arg-type]
    admin.get_by_role("button", name="Menu").click()
    admin.locator(".account summary").click()
    judge(admin)


def test_the_way_in(browser: Browser, running_site: Site) -> None:
    visitors = Visitors(browser, running_site)
    page = visitors.stranger("/")
    expect(page.get_by_label("E-mail")).to_be_visible()
    judge(page)
    visitors.close()


def judge(page: Page) -> None:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = []
    for scheme, size in (("light", WIDE), ("dark", WIDE), ("light", NARROW), ("dark", NARROW)):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found += [f"{scheme} {size['width']}: {line}" for line in page.evaluate(RUN)]
        found += [f"{size['width']}, too wide: {line}" for line in page.evaluate(OVERFLOWING)]
    assert found == []
