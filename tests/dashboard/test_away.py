"""The API is gone: the page says since when, and nothing on it looks well."""

from __future__ import annotations

from functools import partial
from io import BytesIO

from PIL import Image
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Visitors, look_again, until
from tests.dashboard.site import Site

VIEWS = ["/", "/alerts?show=resolved", "/incidents", "/targets", "/system"]


def green_share(page: Page) -> float:
    """The share of pixels that an eye would call green."""
    image = Image.open(BytesIO(page.screenshot(full_page=True))).convert("RGB")
    pixels = image.tobytes()
    green = sum(
        g > r + 24 and g > b + 24
        for r, g, b in zip(pixels[::3], pixels[1::3], pixels[2::3], strict=True)
    )  # fmt: skip
    return green / (image.width * image.height)


def something_is_well(page: Page) -> bool:
    return green_share(page) > 0


def test_the_api_killed_and_started_again(visit: Visitors, site: Site) -> None:
    node = site.target("our node", "uptime", "blockchain", chain="evm")
    site.dies(node)
    site.recovers(node)
    incident = site.store.create_incident("Over", "low")
    site.store.update_incident_status(incident["id"], "resolved", 1, "it was nothing")
    first = visit("admin")
    pages = [first]
    for path in [*VIEWS[1:], f"/targets/{node['id']}"]:
        page = first.context.new_page()
        page.goto(path)
        pages.append(page)
    for page in pages:
        page.locator("h1").first.wait_for(state="attached")
        expect(page.locator(".loading")).to_have_count(0)
        until(page, partial(something_is_well, page))

    site.kill_api()
    try:
        for page in pages:
            look_again(page)
        for page in pages:
            banner = page.get_by_role("alert").filter(has_text="The API cannot be reached since 20")
            expect(banner).to_be_visible()
            assert green_share(page) == 0, page.url
            assert page.title().startswith("? "), page.url
            icon = page.locator("link[rel=icon]").get_attribute("href") or ""
            assert "%236e7781" in icon, f"{page.url}: a grey icon"
            assert "ok" not in page.locator(".verdict").inner_text()
        # What is opened now has nothing to show, and says so.
        first.get_by_role("link", name="Reports").or_(
            first.get_by_role("link", name="Performance")
        ).first.click()
        expect(first.get_by_text("This could not be loaded.")).to_be_visible()
    finally:
        site.gateway.start()
    for page in pages:
        expect(page.get_by_role("alert")).to_have_count(0)
    visit.refused = True


def test_a_page_opened_while_the_api_is_away_waits_for_it(visit: Visitors, site: Site) -> None:
    site.target("our node")
    page = visit("viewer", "/targets")
    expect(page.get_by_role("link", name="our node")).to_be_visible()
    site.kill_api()
    try:
        page.reload()
        expect(page.get_by_role("alert")).to_contain_text("The API cannot be reached")
    finally:
        site.gateway.start()
    expect(page.get_by_role("link", name="our node")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    visit.refused = True
