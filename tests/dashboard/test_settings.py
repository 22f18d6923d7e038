"""Settings changed in the page: by two at once, judged while typed, put in order; report plans, single settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.dashboard.conftest import Visitors, email_of, until
from tests.dashboard.site import Json, Site

ROUTES = ("loud", "night", "rest")


@pytest.fixture
def routed(site: Site) -> Iterator[Site]:
    """Three routes that lead to one channel."""
    site.store.save_channel(
        {"name": "team chat", "kind": "slack", "secrets": {"webhook_url": "env:CHANNEL_CHAT"}}
    )
    for n, name in enumerate(ROUTES):
        site.store.save_route({"name": name, "position": 10 * (n + 1), "channels": ["team chat"]})
    yield site
    for plan in site.store.list_report_plans():
        site.db.execute("select watchkeeper.drop_report_plan(%s)", [plan["name"]])


def route(site: Site, name: str) -> Json:
    return next(each for each in site.store.list_routes() if each["name"] == name)


def test_of_two_admins_nobody_loses_what_the_other_saved(visit: Visitors, routed: Site) -> None:
    visit.refused = True
    ann, bob = visit("admin", "/channels/routes?route=loud"), visit("admin", "/channels/routes?route=loud")
    for page in (ann, bob):
        page.get_by_label("Wait for more").wait_for()
    bob.get_by_label("Wait for more").fill("60")
    ann.get_by_label("Remind every").fill("600")
    ann.get_by_role("button", name="Save").click()
    expect(ann.get_by_role("link", name="loud")).to_be_visible()

    bob.get_by_role("button", name="Save", exact=True).click()
    conflict = bob.get_by_role("alert")
    expect(conflict).to_contain_text(f"{email_of(ann)} changed it at 20")
    expect(conflict).to_contain_text("Not as in yours: Wait for more (seconds), Remind every (seconds).")
    expect(bob.get_by_label("Wait for more")).to_have_value("60")
    assert (route(routed, "loud")["group_wait_s"], route(routed, "loud")["remind_every_s"]) == (10, 600)
    bob.reload()
    expect(bob.get_by_label("Wait for more")).to_have_value("60")
    bob.get_by_role("button", name="Save").click()
    bob.get_by_role("button", name="Load theirs, without mine").click()
    expect(bob.get_by_label("Wait for more")).to_have_value("10")
    expect(bob.get_by_label("Remind every")).to_have_value("600")

    # And the other way: what was deleted meanwhile is made anew when somebody insists, told of while it is typed.
    routed.store.delete_route("loud")
    bob.get_by_label("Wait for more").fill("30")
    expect(conflict).to_contain_text("deleted it at 20")
    bob.get_by_role("button", name="Save mine anyway").click()
    expect(bob.get_by_role("link", name="loud")).to_be_visible()
    assert (route(routed, "loud")["group_wait_s"], route(routed, "loud")["remind_every_s"]) == (30, 600)

    target = routed.target("node")
    bob.goto(f"/targets/{target['id']}/edit")
    bob.get_by_label("Labels").fill("env=prod")
    routed.store.save_target({**target, "labels": {"env": "test"}})
    bob.get_by_role("button", name="Save", exact=True).click()
    expect(conflict).to_contain_text("Not as in yours: Labels.")
    bob.get_by_role("button", name="Save mine anyway").click()
    expect(bob.get_by_text("node is saved.")).to_be_visible()
    (saved,) = routed.store.list_targets()
    assert saved["labels"] == {"env": "prod"}


def test_nobody_deletes_what_another_changed_without_having_heard_of_it(
    visit: Visitors, routed: Site
) -> None:
    visit.refused = True
    routed.store.save_objective({"name": "core", "percent": 99.95})
    ann, bob = visit("admin", "/uptime?objective=core"), visit("admin", "/uptime?objective=core")
    bob.get_by_label("Window in days").wait_for()
    ann.get_by_label("Goal in percent").fill("99.5")
    ann.get_by_role("button", name="Save").click()
    expect(ann.get_by_role("row").filter(has_text="core")).to_contain_text("99.5 %")

    # A service level is saved as the other settings are ...
    bob.get_by_label("Window in days").fill("7")
    conflict = bob.get_by_role("alert")
    expect(conflict).to_contain_text(f"{email_of(ann)} changed it at 20")
    expect(conflict).to_contain_text("Not as in yours: Goal in percent, Window in days.")
    # ... and deleted by who knows what it is now.
    bob.get_by_role("button", name="Delete").click()
    asked = bob.get_by_role("dialog")
    asked.get_by_role("button", name="Delete").click()
    expect(asked.get_by_role("alert")).to_contain_text(
        f"Somebody was quicker: {email_of(ann)} changed it at 20"
    )
    assert {each["name"] for each in routed.store.list_objectives()} >= {"core"}
    asked.get_by_role("button", name="Cancel").click()
    bob.get_by_role("button", name="Load theirs, without mine").click()
    expect(bob.get_by_label("Goal in percent")).to_have_value("99.5")
    expect(bob.get_by_label("Window in days")).to_have_value("30")

    target = routed.target("node")
    bob.goto(f"/targets/{target['id']}")
    bob.get_by_role("button", name="Delete").click()
    asked.get_by_label("Type its name").fill("node")
    routed.store.save_target({**target, "labels": {"env": "prod"}})
    asked.get_by_role("button", name="Delete").click()
    expect(asked.get_by_role("alert")).to_contain_text("operator changed it at 20")
    asked.get_by_role("button", name="Delete it all the same").click()
    expect(asked).to_have_count(0)
    assert routed.store.list_targets() == []

    bob.goto("/uptime?objective=core")
    bob.get_by_role("button", name="Delete").click()
    routed.store.delete_objective("core")
    asked.get_by_role("button", name="Delete").click()
    expect(asked.get_by_role("alert")).to_contain_text("operator deleted it at 20")
    asked.get_by_role("button", name="Delete it all the same").click()
    expect(bob.get_by_text("core is deleted.")).to_be_visible()


def test_a_wrong_route_is_told_while_it_is_typed(visit: Visitors, routed: Site) -> None:
    page = visit("admin", "/channels/routes?new=route")
    said = page.locator("form [role=status]")
    page.get_by_label("Name").fill("loud")
    page.get_by_label("team chat").check()
    expect(page.locator("#f-name-problem")).to_have_text("another is called loud")
    page.get_by_label("Name").fill("louder")
    expect(said).to_contain_text("Complete: it can be saved.")
    page.locator("summary").filter(has_text="Only at some hours").click()
    zone = page.get_by_label("Time zone")
    zone.fill("Mars")
    expect(page.locator("[id='f-hours.time_zone-problem']")).to_contain_text("must be a time zone")
    zone.fill("Europe/Berlin")
    expect(page.locator("[id='f-hours.time_zone-problem']")).to_have_count(0)
    assert len(routed.store.list_routes()) == len(ROUTES), "nothing is saved before somebody says so"

    page.goto("/channels/heartbeats?new=heartbeat")
    page.get_by_label("Name").fill("backup")
    expect(said).to_contain_text("needs either period_s or cron")
    page.get_by_label("Schedule (cron)").fill("0 0 30 2 *")
    expect(page.locator("#f-cron-problem")).to_contain_text("must be five fields")
    assert routed.store.list_heartbeats() == []


def test_routes_are_put_into_order_by_keyboard(visit: Visitors, routed: Site) -> None:
    page = visit("admin", "/channels/routes")
    up = page.get_by_role("button", name="Move rest up")
    status = page.locator("main > [role=status]")
    up.focus()
    for place in (2, 1):
        page.keyboard.press("Enter")
        expect(status).to_have_text(f"rest is number {place} of 3 now.")
        expect(up).to_be_focused()
    page.keyboard.press("Enter")
    expect(status).to_have_text("rest is the first already.")
    expect(up).to_be_focused()
    until(page, lambda: [each["name"] for each in routed.store.list_routes()] == ["rest", "loud", "night"])
    page.reload()
    expect(page.get_by_role("listitem").first).to_contain_text("rest")
    down = page.get_by_role("button", name="Move rest down")
    down.focus()
    for place in (2, 3):
        page.keyboard.press("Space")
        expect(status).to_have_text(f"rest is number {place} of 3 now.")
        expect(down).to_be_focused()
    expect(page.get_by_role("listitem").last).to_contain_text("rest")
    was = [("loud", 10), ("night", 20), ("rest", 30)]
    until(page, lambda: [(each["name"], each["position"]) for each in routed.store.list_routes()] == was)


def test_a_report_plan_is_made_changed_and_deleted(visit: Visitors, routed: Site) -> None:
    page = visit("admin", "/reports")
    page.get_by_role("link", name="Add a plan").click()
    page.get_by_label("Name").fill("monthly")
    page.get_by_label("csv").uncheck()
    page.get_by_label("team chat").check()
    page.get_by_role("button", name="Save").click()
    row = page.get_by_role("listitem").filter(has_text="monthly")
    expect(row).to_contain_text("service levels, html, pdf, json → team chat")
    row.get_by_role("link", name="monthly").click()
    page.get_by_label("Kind").select_option("compliance")
    expect(page.get_by_label("Objective")).to_have_count(0)
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("compliance, html")
    row.get_by_role("link", name="monthly").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No plan yet.")).to_be_visible()
    assert routed.store.list_report_plans() == []


def test_settings_are_changed_by_admins_and_read_by_others(visit: Visitors, routed: Site) -> None:
    before = routed.store.get_incident_settings()
    page = visit("admin", "/system")
    page.get_by_role("link", name="Settings").click()
    together = page.get_by_label("Failing together (targets)")
    expect(together).to_have_value("3")
    together.fill("1")
    expect(page.locator("#f-network_targets-problem")).to_contain_text("must be at least 2")
    together.fill("none")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("Settings, Incidents is saved.")).to_be_visible()
    assert routed.store.get_incident_settings() == {**before, "network_targets": None}
    together.fill("")
    page.get_by_role("button", name="Save").last.click()
    expect(together).to_have_value("3")
    assert routed.store.get_incident_settings() == before

    reader = visit("viewer", "/settings")
    expect(reader.get_by_text("Failing together (targets)")).to_be_visible()
    expect(reader.locator("main input, main button")).to_have_count(0)


def test_a_filter_of_the_log_that_cannot_be_is_told_and_can_be_mended(visit: Visitors) -> None:
    visit.refused = True
    page = visit("auditor", "/audit?table=target")
    expect(page.get_by_role("alert")).to_contain_text("table_name: must be one of access_settings, ")
    page.get_by_label("Table").fill("members")
    page.get_by_label("Table").press("Enter")
    expect(page.locator(".rows > li").first).to_contain_text("members")
    expect(page.get_by_role("alert")).to_have_count(0)
