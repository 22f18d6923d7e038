"""Acknowledging one and many: at once to the eye, and taken back when it is refused."""

from __future__ import annotations

from playwright.sync_api import Route, expect

from tests.dashboard.conftest import Visitors, email_of, look_again, until
from tests.dashboard.site import Site


def test_one_is_acknowledged_at_once_and_for_everybody(visit: Visitors, site: Site) -> None:
    alert = site.fire("our node")
    page = visit("responder", f"/alerts/{alert}")
    waiting: list[Route] = []
    page.route("**/rpc/acknowledge_alert", lambda route: waiting.append(route))  # noqa: PLW0108  (a method cannot be one)
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text(f"{email_of(page)}, now")).to_be_visible()
    assert not site.store.list_alerts(status="firing")[0]["acknowledged"], "shown before the API has answered"
    until(page, lambda: bool(waiting))
    waiting[0].continue_()
    expect(page.get_by_text("Acknowledged the alert.")).to_be_visible()
    assert site.store.list_alerts(status="firing")[0]["acknowledged_by_email"] == email_of(page)


def test_one_that_somebody_else_took_meanwhile_is_theirs(visit: Visitors, site: Site) -> None:
    alert = site.fire("our node")
    page = visit("responder", f"/alerts/{alert}")
    other = site.api.person("responder")
    button = page.get_by_role("button", name="Acknowledge")
    expect(button).to_be_visible()
    assert site.api.call("acknowledge_alert", person=other, alert_id=alert).is_success
    button.click()
    expect(page.locator(".messages .problem")).to_contain_text("acknowledged")
    expect(page.get_by_text(other.email).first).to_be_visible()
    visit.refused = True


def test_many_are_acknowledged_together(visit: Visitors, site: Site) -> None:
    for name in ("one", "two", "three"):
        site.fire(name)
    page = visit("responder", "/alerts")
    page.get_by_role("button", name="Pick all").click()
    expect(page.get_by_role("button", name="Acknowledge 3 alerts")).to_be_enabled()
    page.get_by_role("checkbox", name="two").uncheck()
    page.get_by_role("button", name="Acknowledge 2 alerts").click()
    expect(page.get_by_text("Acknowledged 2 alerts.")).to_be_visible()
    expect(page.get_by_role("link", name="service_down")).to_have_text(["two: service_down"])
    page.get_by_role("link", name="Acknowledged", exact=True).click()
    expect(page.get_by_role("link", name="service_down")).to_have_count(2)
    assert [each["acknowledged"] for each in site.store.list_alerts(status="firing")] == [True, False, True]


def test_those_of_many_that_somebody_else_took_meanwhile_are_not_claimed(visit: Visitors, site: Site) -> None:
    site.fire("mine")
    theirs = site.fire("theirs")
    page = visit("responder", "/alerts")
    page.get_by_role("button", name="Pick all").click()
    other = site.api.person("responder")
    assert site.api.call("acknowledge_alert", person=other, alert_id=theirs).is_success
    page.get_by_role("button", name="Acknowledge 2 alerts").click()
    expect(page.locator(".messages")).to_contain_text("1 alert")
    expect(page.locator(".messages")).to_contain_text("Somebody else")
    page.get_by_role("link", name="Acknowledged", exact=True).click()
    expect(page.get_by_role("listitem").filter(has_text="theirs")).to_contain_text(other.email)


def test_what_is_refused_is_taken_back_with_the_reason(visit: Visitors, site: Site) -> None:
    site.fire("our node")
    page = visit("responder", "/alerts")
    page.get_by_role("checkbox", name="our node").check()
    site.store.revoke_role(email_of(page))
    page.get_by_role("button", name="Acknowledge 1 alert").click()
    expect(page.locator(".messages .problem")).to_contain_text("responder")
    expect(page.get_by_role("link", name="our node: service_down")).to_be_visible()
    assert not site.store.list_alerts(status="firing")[0]["acknowledged"]
    visit.refused = True


def test_an_alert_nobody_took_is_found_behind_a_hundred_that_were(visit: Visitors, site: Site) -> None:
    site.fire("overlooked")
    site.fire_many(f"known {n}" for n in range(120))
    known = [each["id"] for each in site.store.list_alerts(max_rows=120)]
    someone = site.api.person("responder")
    assert site.api.call("acknowledge_alerts", person=someone, alert_ids=known).is_success
    page = visit("viewer", "/alerts")
    expect(page.get_by_role("link", name="overlooked: service_down")).to_be_visible()
    look_again(page)
    expect(page.get_by_role("link", name="overlooked: service_down")).to_be_visible()


def test_filters_are_part_of_the_address(visit: Visitors, site: Site) -> None:
    site.fire("quiet", severity="warning")
    site.fire("loud")
    page = visit("viewer", "/alerts")
    page.get_by_label("Severity").select_option("warning")
    expect(page.get_by_role("link", name="service_down")).to_have_text(["quiet: service_down"])
    page.get_by_label("Find").fill("nothing like it")
    expect(page.get_by_text("No alert fits the filter.")).to_be_visible()
    assert page.url.endswith("/alerts?severity=warning&q=nothing+like+it")
    page.reload()
    expect(page.get_by_label("Find")).to_have_value("nothing like it")
