"""Members and the tokens of tools: who has access, seen and taken away in the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.dashboard.conftest import Visitors, email_of
from tests.dashboard.site import Site


@pytest.fixture
def tooled(site: Site) -> Iterator[Site]:
    """No token but those of the test."""
    site.db.execute("delete from watchkeeper.api_tokens")
    yield site
    site.db.execute("delete from watchkeeper.api_tokens")


def test_an_admin_sees_who_has_a_token_and_revokes_it(visit: Visitors, tooled: Site) -> None:
    visit.refused = True
    page = visit("admin", "/members")
    page.get_by_role("link", name="Tokens of tools").click()
    expect(page.get_by_text("No tool has a token.")).to_be_visible()
    expect(page.get_by_text("watchkeeper tokens create NAME --role ingest")).to_be_visible()
    for name, role, days in (("ci", "ingest", 30), ("grafana", "metrics", 9), ("old", "ingest", 30)):
        tooled.store.create_api_token(name, f"watchkeeper_{role}", days)
    tooled.db.execute("update watchkeeper.api_tokens set last_used_at = now() where name = 'ci'")
    tooled.db.execute(
        "update watchkeeper.api_tokens set expires_at = now() - interval '2 d' where name = 'old'"
    )
    page.reload()
    rows = {name: page.get_by_role("listitem").filter(has_text=name) for name in ("ci", "grafana", "old")}
    for name, said in (
        ("ci", ("active", "ingest", "made by operator", "used", "expires in 29 d")),
        ("grafana", ("ends soon", "metrics", "use is not noted", "expires in 8 d")),
        ("old", ("expired", "not used yet", "expired 2 d ago")),
    ):
        for words in said:
            expect(rows[name]).to_contain_text(words)
    expect(page.get_by_text("watchkeeper tokens create NAME --role ingest")).to_be_visible()

    page.get_by_role("button", name="Revoke ci").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(rows["ci"]).to_contain_text("active")
    page.get_by_role("button", name="Revoke ci").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("ci is revoked.")).to_be_visible()
    expect(rows["ci"]).to_contain_text("revoked")
    expect(page.get_by_role("button", name="Revoke ci")).to_have_count(0)
    told = {each["name"]: each["status"] for each in tooled.store.list_api_tokens()}
    assert told == {"ci": "revoked", "grafana": "active", "old": "expired"}

    # What somebody else has ended meanwhile is told, and shown as it is.
    tooled.store.revoke_api_token("grafana")
    page.get_by_role("button", name="Revoke grafana").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("there is no such token, or it is revoked already")).to_be_visible()
    expect(rows["grafana"]).to_contain_text("revoked")


def test_a_role_that_somebody_changed_meanwhile_is_not_overruled(visit: Visitors, site: Site) -> None:
    visit.refused = True
    somebody = email_of(visit("viewer"))
    page = visit("admin", "/members")
    role = page.get_by_label(f"Role {somebody}")
    expect(role).to_have_value("viewer")
    site.store.grant_role(somebody, "auditor")
    role.select_option("responder")
    expect(page.get_by_text("role: operator made it auditor at 20")).to_be_visible()
    expect(role).to_have_value("auditor")
    role.select_option("responder")
    expect(page.get_by_text(f"{somebody} is responder now.")).to_be_visible()
    page.reload()
    expect(role).to_have_value("responder")
    site.store.grant_role(somebody, "viewer")
    row = page.get_by_role("listitem").filter(has_text=somebody)
    revoke = row.get_by_role("button", name="Revoke")
    sure = page.get_by_role("dialog").get_by_role("button", name="Revoke")
    revoke.click()
    sure.click()
    expect(page.get_by_text("role: operator made it viewer at 20")).to_be_visible()
    expect(role).to_have_value("viewer")
    revoke.click()
    sure.click()
    expect(page.get_by_text(f"{somebody} has no role any more.")).to_be_visible()
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Give a role").click()
    page.get_by_label("E-mail").fill(somebody)
    page.get_by_role("dialog").get_by_role("button", name="Give a role").click()
    expect(role).to_have_value("viewer")
