"""An incident from its opening to its postmortem, as the one who is on call works it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.dashboard.conftest import Visitors, email_of
from tests.dashboard.site import Site


def test_an_incident_is_opened_from_an_alert_worked_and_closed(visit: Visitors, site: Site) -> None:
    alert = site.fire("main node", message="connection refused")
    page = visit("responder", f"/alerts/{alert}")
    page.get_by_role("link", name="Open an incident").click()
    expect(page.get_by_label("Title")).to_have_value("main node: service_down")
    page.get_by_label("Title").fill("Main node lost")
    page.get_by_role("button", name="Open an incident").click()
    expect(page.get_by_role("heading", name="Main node lost")).to_be_visible()
    expect(page.get_by_role("link", name="main node: service_down")).to_be_visible()

    timeline = page.locator(".timeline")
    page.get_by_label("Note").fill("The provider <b>reports</b> an outage")
    page.get_by_role("button", name="Add").click()
    expect(timeline).to_contain_text("The provider <b>reports</b> an outage")
    expect(page.get_by_label("Note")).to_have_value("")
    page.get_by_role("button", name="Take it").click()
    expect(page.locator(".facts")).to_contain_text(email_of(page))
    page.get_by_role("button", name="Investigate").click()
    expect(page.locator(".verdict-line")).to_contain_text("investigating")
    expect(timeline).to_contain_text("open → investigating")

    for step, note in (("Resolve", "moved to another provider"), ("Close", "reviewed with the team")):
        page.get_by_role("button", name=step).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("What was found and done, or why").fill(note)
        dialog.get_by_role("button", name=step).click()
        expect(dialog).to_have_count(0)
        expect(timeline).to_contain_text(note)
    expect(page.locator(".verdict-line")).to_contain_text("closed")

    page.get_by_role("button", name="Write it, from the timeline").click()
    draft = page.get_by_role("textbox", name="Postmortem")
    assert "# " in draft.input_value()
    assert "moved to another provider" in draft.input_value()
    draft.fill("# Main node lost\n\nAll of it.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The postmortem is saved.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.path().read_text() == "# Main node lost\n\nAll of it."
    found = site.store.list_incidents()[0]
    assert (found["status"], found["assigned_to_email"]) == ("closed", email_of(page))


def test_a_change_of_what_somebody_else_changed_meanwhile_is_refused_with_their_name(
    visit: Visitors, site: Site
) -> None:
    incident = site.store.create_incident("Slow blocks", "medium")
    page = visit("responder", f"/incidents/{incident['id']}")
    expect(page.get_by_role("button", name="Take it")).to_be_visible()
    other = site.api.person("responder")
    site.api.call(
        "assign_incident", person=other, incident_id=incident["id"], email=other.email, version=1
    ).raise_for_status()
    page.get_by_role("button", name="Take it").click()
    expect(page.locator(".messages .problem")).to_contain_text(other.email)
    expect(page.locator(".facts").get_by_text(other.email)).to_be_visible()
    visit.refused = True
