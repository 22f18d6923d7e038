"""What is watched may call itself anything, and the page stays what it is."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from infra.local.paths import DASHBOARD
from tests.dashboard.conftest import Visitors
from tests.dashboard.site import Site

DIST = DASHBOARD / "dist"
SRC = DASHBOARD / "src"
HOSTILE = "<img src=x onerror=\"document.title='taken'\">"
TROUBLES = [
    HOSTILE,
    "<script>document.title='taken'</script>",
    "${document.title='taken'}",
    "\u202egnitrats ton si edon\u202c",
    "🔥" * 50 + " e\u0301 \u200b",
    "x" * 10_000,
]


def test_hostile_names_are_text(visit: Visitors, site: Site) -> None:
    name = "<b onmouseover=alert(1)>node</b>"
    node = site.target(name, labels={"env": HOSTILE[:60]})
    for n, message in enumerate(TROUBLES):
        site.fire(f"source {n}", message=message)
    site.dies(node, HOSTILE)
    incident = site.store.create_incident(HOSTILE, "high", HOSTILE, [HOSTILE])
    site.store.add_incident_note(incident["id"], HOSTILE)
    page = visit("admin", "/alerts")
    rows = page.locator(".rows.alerts > li")
    expect(rows).to_have_count(len(TROUBLES) + 1)
    for n, message in enumerate(TROUBLES):
        expect(rows.filter(has_text=f"source {n}:")).to_contain_text(message[:1000])
    for path in ("/", "/targets", f"/targets/{node['id']}", "/incidents", f"/incidents/{incident['id']}"):
        page.goto(path)
        expect(page.locator("h1").first).to_be_attached()
        expect(page.locator(".loading")).to_have_count(0)
        assert page.locator("#app :is(img, script, b[onmouseover], iframe)").count() == 0
        assert page.title() != "taken"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            f"{path}: it does not burst"
        )


def test_links_lead_to_http_only(visit: Visitors, site: Site) -> None:
    node = site.target("sly")
    for endpoint in ("javascript:document.title='taken'", "data:text/html,x", "JaVaScRiPt://%0aalert(1)"):
        site.db.execute("update watchkeeper.targets set endpoint = %s where id = %s", [endpoint, node["id"]])
        page = visit("viewer", f"/targets/{node['id']}")
        expect(page.get_by_text(endpoint)).to_be_visible()
        addresses = page.evaluate("[...document.links].map((each) => each.protocol)")
        assert set(addresses) == {"http:"}


def test_no_token_is_in_an_address(visit: Visitors) -> None:
    addresses: list[str] = []
    page = visit.by_form("viewer")
    page.on("request", lambda request: addresses.append(request.url))
    page.reload()
    expect(page.get_by_role("heading", name="Targets")).to_be_visible()
    assert addresses
    assert not [each for each in addresses if re.search(r"eyJ|token=|access_token|apikey=", each)]


def test_the_pages_own_html_has_no_script_and_no_style_in_it() -> None:
    html = (DIST / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", html) == []
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", html) == [], "nothing comes from elsewhere"


def test_no_html_is_made_of_data_in_the_sources() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|unsafeHTML|unsafeSVG|\beval\(|new Function|javascript:"
    )
    found = [
        f"{file.relative_to(SRC)}: {match[0]}"
        for file in SRC.rglob("*.js")
        if not file.name.endswith(".test.js")
        for match in forbidden.finditer(file.read_text())
    ]
    assert found == []


def test_the_bundle_holds_no_secret(site: Site) -> None:
    text = "\n".join(
        file.read_text() for file in DIST.rglob("*") if file.suffix in {".js", ".css", ".html", ".json"}
    )
    assert site.api.secret_key not in text
    assert re.findall(r"sb_secret_\w+|eyJ[\w-]{20,}\.|service_role['\"]?\s*:\s*['\"]|-----BEGIN", text) == []
