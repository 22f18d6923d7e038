"""Who may see what, and what is left when they go."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from infra.local.people import sign_in as token_of
from infra.local.people import sign_up
from tests.dashboard.conftest import PASSWORD, Visitors, email_of, look_again, sign_in, until
from tests.dashboard.site import Site


def menu(page: Page) -> set[str]:
    links = page.get_by_role("navigation", name="Views").get_by_role("link")
    return {text.split()[0] for text in links.all_inner_texts()}


def test_an_admin_sees_every_view(visit: Visitors) -> None:
    page = visit.by_form("admin")
    expect(page.get_by_role("navigation", name="Views")).to_be_visible()
    assert {"Overview", "Alerts", "Incidents", "Targets", "Audit", "Members", "System"} <= menu(page)


def test_somebody_without_a_role_is_told_whom_to_ask_and_sees_nothing_else(visit: Visitors) -> None:
    page = visit.by_form(None, "/alerts")
    expect(page.get_by_role("heading", name="You are signed in, and have no role yet")).to_be_visible()
    expect(page.get_by_text(f"watchkeeper members grant {email_of(page)} viewer")).to_be_visible()
    assert menu(page) == set()
    assert page.get_by_role("button", name="Acknowledge").count() == 0


def test_a_wrong_password_is_told_and_what_was_typed_stays(visit: Visitors) -> None:
    page = visit.stranger()
    page.get_by_label("E-mail").fill("somebody@example.org")
    page.get_by_label("Password").fill("wrong horse")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("credentials")
    expect(page.get_by_label("E-mail")).to_have_value("somebody@example.org")
    visit.complaints.clear()


def test_a_link_to_an_alert_opens_it_after_the_sign_in(visit: Visitors, site: Site) -> None:
    alert = site.fire("lost node", message="no route to host")
    page = visit.by_form("viewer", f"/alerts/{alert}")
    expect(page.get_by_role("heading", name="lost node: service_down")).to_be_visible()
    expect(page.get_by_text("no route to host")).to_be_visible()


@pytest.mark.parametrize("role", ["viewer", None])
def test_who_may_not_act_finds_no_button_and_the_api_refuses(
    visit: Visitors, site: Site, role: str | None
) -> None:
    alert = site.fire("guarded")
    page = visit(role, "/alerts")
    if role:
        row = page.get_by_role("link", name="guarded: service_down")
        row.focus()
        page.keyboard.press("a")  # what acknowledges, for whom it may
        expect(page.get_by_role("checkbox")).to_have_count(0)
        for path in (f"/alerts/{alert}", "/incidents", "/targets"):
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            for name in ("Acknowledge", "Resolve by hand", "Open an incident", "Add a target"):
                expect(
                    page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name))
                ).to_have_count(0)
        for path in ("/members", "/members/tokens", "/audit", "/incidents/new"):
            page.goto(path)
            expect(page.get_by_text("Your role does not allow this view.")).to_be_visible()
    person = token_of(site.api.url, site.api.publishable_key, email_of(page), PASSWORD)
    refused: dict[str, dict[str, object]] = {
        "acknowledge_alerts": {"alert_ids": [alert]},
        "resolve_alert": {"alert_id": alert},
        "create_incident": {"title": "mine", "severity": "high"},
        "save_target": {"target": {"name": "mine"}},
        "grant_role": {"email": person.email, "role": "admin"},
        "list_audit_log": {},
    }
    if not role:
        refused |= {"get_system_health_summary": {}, "list_alerts": {}}
    answers = {name: site.api.call(name, person=person, **args).status_code for name, args in refused.items()}
    assert answers == dict.fromkeys(refused, 403)
    assert site.store.list_alerts(status="firing")[0]["acknowledged"] is False


def test_signing_out_removes_what_was_shown(visit: Visitors, site: Site) -> None:
    site.fire("private node", message="in the vault")
    page = visit.by_form("viewer", "/alerts")
    expect(page.get_by_text("in the vault")).to_be_visible()
    page.locator(".account summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_label("E-mail")).to_be_visible()
    assert "private node" not in page.content()
    assert page.title() == "Watchkeeper"
    assert page.evaluate("JSON.stringify(localStorage).includes('access_token')") is False
    page.go_back()
    page.go_forward()
    page.reload()
    expect(page.get_by_label("E-mail")).to_be_visible()
    assert "private node" not in page.content()


def test_a_session_is_renewed_by_itself_and_its_end_is_the_end_of_what_is_shown(
    visit: Visitors, site: Site
) -> None:
    site.fire("private node")
    page = visit.stranger("/alerts")
    page.clock.install()
    page.reload()
    email = "expiring@example.org"
    sign_up(site.api.url, site.api.publishable_key, email, PASSWORD)
    site.store.grant_role(email, "viewer")
    sign_in(page, email)
    row = page.get_by_role("link", name="private node: service_down")
    expect(row).to_be_visible()
    stored = "JSON.parse(Object.entries(localStorage).find(([name]) => name.endsWith('auth-token'))[1]).access_token"
    first = page.evaluate(stored)
    with page.expect_response(lambda response: "grant_type=refresh_token" in response.url):
        page.clock.fast_forward("03:00:00")
    until(page, lambda: page.evaluate(stored) != first)
    expect(row).to_be_visible()

    # Revoked elsewhere, and over here: the API renews it no more.
    page.evaluate(
        "const [name, text] = Object.entries(localStorage).find(([name]) => name.endsWith('auth-token'));"
        "localStorage[name] = JSON.stringify({...JSON.parse(text), refresh_token: 'revoked', expires_at: 1});"
    )
    look_again(page)
    expect(page.get_by_label("E-mail")).to_be_visible()
    assert "private node" not in page.content()
    visit.refused = True
