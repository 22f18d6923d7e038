"""Who may see what, in a real browser against the real API."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Visit


def menu(page: Page) -> list[str]:
    return [
        link.inner_text().split()[0]
        for link in page.get_by_role("navigation", name="Views").get_by_role("link").all()
    ]


def test_an_admin_sees_every_view(visit: Visit) -> None:
    page = visit("admin")
    expect(page.get_by_role("navigation", name="Views")).to_be_visible()
    assert {"Overview", "Alerts", "Incidents", "Targets", "Audit", "Members", "System"} <= set(menu(page))


def test_a_viewer_sees_no_audit_log_and_no_members_and_may_change_nothing(visit: Visit) -> None:
    page = visit("viewer", "/targets")
    expect(page.get_by_role("heading", name="Targets", exact=True)).to_be_visible()
    assert {"Audit", "Members"} & set(menu(page)) == set()
    expect(page.get_by_role("link", name="Add a target")).to_have_count(0)
    page.goto("/members")
    expect(page.get_by_text("Your role does not allow this view.")).to_be_visible()


def test_somebody_without_a_role_is_told_whom_to_ask_and_sees_nothing_else(visit: Visit) -> None:
    page = visit(None, "/alerts")
    expect(page.get_by_role("heading", name="You are signed in, and have no role yet")).to_be_visible()
    expect(page.get_by_text("watchkeeper members grant nobody-0@example.org viewer")).to_be_visible()
    assert menu(page) == []
