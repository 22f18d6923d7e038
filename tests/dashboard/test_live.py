"""The page follows what happens, and keeps what its reader does meanwhile."""

from __future__ import annotations

import time

from playwright.sync_api import APIResponse, Page, Route, expect

from tests.dashboard.conftest import Visitors, count_calls, hide, look_again, until
from tests.dashboard.site import Site


def test_a_node_that_dies_is_shown_within_a_refresh_and_so_is_its_recovery(
    visit: Visitors, site: Site
) -> None:
    node = site.target("our node")
    page = visit("viewer")
    verdict = page.locator(".verdict-panel")
    row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="our node", exact=True))
    expect(verdict).to_contain_text("ok")
    expect(row).to_contain_text("ok")
    expect(page).to_have_title("✓ Overview · Watchkeeper")

    calls = count_calls(page)
    site.dies(node)
    expect(verdict).to_contain_text("critical")
    assert calls.count("get_system_health_summary") <= 2, "one may have been under way"
    expect(row).to_contain_text("connection refused")
    expect(page.get_by_role("link", name="our node: service_down")).to_be_visible()
    expect(page).to_have_title("✕ (1) Overview · Watchkeeper")
    assert "%E2%9C%95" in (page.locator("link[rel=icon]").get_attribute("href") or "")

    site.recovers(node)
    expect(verdict).to_contain_text("ok")
    expect(page.get_by_text("No alert is firing.")).to_be_visible()
    expect(page).to_have_title("✓ Overview · Watchkeeper")


def test_a_hidden_tab_rests_and_catches_up_when_it_is_shown(visit: Visitors, site: Site) -> None:
    page = visit("viewer", "/alerts")
    expect(page.get_by_text("Nothing fires")).to_be_visible()
    page.clock.install()
    page.reload()
    expect(page.get_by_text("Nothing fires")).to_be_visible()
    expect(page.locator("a.verdict")).to_be_visible()  # both have their answers, so both have their timers
    calls = count_calls(page)
    began = time.monotonic()
    page.clock.run_for("00:12")
    until(page, lambda: sorted(set(calls)) == ["get_system_health_summary", "list_alerts"])
    looked_s = 12 + time.monotonic() - began  # the page's clock goes on by itself, too
    assert len(calls) <= 2 * (1 + looked_s / 5), "one request for each of both, every five seconds"

    hide(page, True)
    page.clock.run_for("00:01")  # what was asked for before it was hidden has left
    calls.clear()
    page.clock.run_for("10:00")
    assert calls == []
    site.fire("meanwhile")
    hide(page, False)
    expect(page.get_by_role("link", name="meanwhile: service_down")).to_be_visible()
    until(page, lambda: len(calls) >= 2)
    assert sorted(calls[:2]) == ["get_system_health_summary", "list_alerts"]


def test_a_slow_old_reply_never_overwrites_a_newer_one(visit: Visitors, site: Site) -> None:
    page = visit("viewer", "/alerts")
    expect(page.get_by_text("Nothing fires")).to_be_visible()
    held: list[tuple[Route, APIResponse]] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append((route, route.fetch()))

    page.route("**/rpc/list_alerts", hold_the_first)
    with page.expect_request("**/rpc/list_alerts"):
        look_again(page)
    until(page, lambda: bool(held))  # the old reply is there
    site.fire("newer")
    look_again(page)
    row = page.get_by_role("link", name="newer: service_down")
    expect(row).to_be_visible()

    route, old = held[0]
    with page.expect_response("**/rpc/list_alerts"):
        route.fulfill(response=old)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(row).to_be_visible()


def test_a_refresh_keeps_scroll_focus_typed_text_and_what_is_open(visit: Visitors, site: Site) -> None:
    incident = site.store.create_incident("Node lost", "high")
    for n in range(40):
        site.store.add_incident_note(incident["id"], f"note {n}")
    page = visit("responder", f"/incidents/{incident['id']}", viewport={"width": 800, "height": 500})
    note = page.get_by_label("Note")
    page.locator(".account summary").click()
    note.fill("half a thou")
    page.mouse.wheel(0, 300)
    seen = [0]

    def rests() -> bool:
        seen.append(page.evaluate("scrollY"))
        return seen[-1] > 200 and seen[-1] == seen[-2]

    until(page, rests)
    before = seen[-1]

    site.store.add_incident_note(incident["id"], "somebody else's")
    look_again(page)
    expect(page.get_by_text("somebody else's")).to_be_visible()
    assert page.evaluate("document.activeElement.name") == "note"
    page.keyboard.type("ght")
    expect(note).to_have_value("half a thought")
    expect(page.locator("details.account")).to_have_attribute("open", "")
    assert abs(page.evaluate("scrollY") - before) < 60  # the new row above may have moved what is read


def test_the_focused_row_keeps_the_focus_when_others_come_and_go(visit: Visitors, site: Site) -> None:
    site.fire("first")
    site.fire("second")
    page = visit("responder", "/alerts")
    page.get_by_role("link", name="first: service_down").focus()
    site.fire("third")
    look_again(page)
    expect(page.get_by_role("link", name="third: service_down")).to_be_visible()
    expect(page.get_by_role("link", name="first: service_down")).to_be_focused()


def test_the_alerts_are_worked_by_keyboard_alone(visit: Visitors, site: Site) -> None:
    for name in ("one", "two", "three"):
        site.fire(name)
    page = visit("responder")
    keys = page.keyboard
    keys.press("2")
    expect(page.get_by_role("heading", name="Alerts", exact=True)).to_be_visible()
    newest, second = (page.get_by_role("link", name=f"{name}: service_down") for name in ("three", "two"))
    expect(newest).to_be_visible()
    for key in ("j", "j", "j", "k"):
        keys.press(key)
    expect(second).to_be_focused()
    assert outline(page) != "none", "the focus is seen"
    keys.press("a")
    expect(
        page.get_by_text("Acknowledged one alert.").or_(page.get_by_text("Acknowledged 1 alert."))
    ).to_be_visible()
    expect(second).to_have_count(0)

    keys.press("?")
    help_ = page.get_by_role("dialog", name="Keyboard")
    expect(help_.get_by_role("button", name="Close")).to_be_focused()
    keys.press("Escape")
    expect(help_).to_have_count(0)
    keys.press("?")
    expect(help_).to_be_visible()
    type_without_a_pause(page, "Escape", "j")
    expect(newest).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_role("heading", name="three: service_down")).to_be_visible()


def type_without_a_pause(page: Page, *keys: str) -> None:
    """Faster than the browser tells of anything else."""
    page.evaluate(
        "keys => keys.forEach((key) => "
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true})))",
        list(keys),
    )


def outline(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))
