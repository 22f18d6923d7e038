"""Channels and what leads to them, made and tried out on the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.dashboard.conftest import Visitors, email_of
from tests.dashboard.site import Site

NOTHING: dict[str, list[object]] = {
    kind: [] for kind in ("channels", "routes", "escalations", "rotations", "heartbeats", "silences")
}
SECRET = "env:CHANNEL_CHAT"


@pytest.fixture
def bare(site: Site) -> Iterator[Site]:
    """Nothing is set up, before and after."""
    site.store.apply_config(NOTHING, prune=True)
    yield site
    site.store.apply_config(NOTHING, prune=True)


def a_channel(site: Site, name: str = "team chat") -> None:
    site.store.save_channel({"name": name, "kind": "slack", "secrets": {"webhook_url": SECRET}})


def test_a_channel_is_made_from_what_its_kind_needs(visit: Visitors, bare: Site) -> None:
    page = visit("admin", "/channels")
    visitors_refused(visit)
    page.get_by_role("link", name="Add a channel").click()
    page.get_by_label("Name").fill("mail")
    page.get_by_label("Kind").select_option("email")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("To")).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="Settings of email, To: is missing")).to_be_visible()
    page.get_by_label("To").fill("ann@example.org\nbob@example.org")
    page.get_by_label("SMTP password").fill("hunter22")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[id='f-secrets.smtp_password-problem']")).to_contain_text(
        "must say where the secret is kept"
    )
    expect(page.get_by_label("To")).to_have_value("ann@example.org\nbob@example.org")
    page.get_by_label("SMTP password").fill("env:CHANNEL_MAIL")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="mail", exact=True)).to_be_visible()
    (saved,) = bare.store.list_channels()
    assert (saved["config"], saved["secrets"]) == (
        {"to": ["ann@example.org", "bob@example.org"]},
        {"smtp_password": "env:CHANNEL_MAIL"},
    )


def visitors_refused(visit: Visitors) -> None:
    """The browser writes a line of its own for each refusal of the API."""
    visit.refused = True


def test_a_channel_is_not_replaced_by_a_new_one_of_its_name(visit: Visitors, bare: Site) -> None:
    a_channel(bare)
    page = visit("admin", "/channels?new=channel")
    page.get_by_label("Name").fill("team chat")
    page.get_by_label("Kind").select_option("sns")
    page.get_by_label("Topic ARN").fill("arn:aws:sns:eu-central-1:123456789012:alerts")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-name-problem")).to_have_text("another is called team chat")
    assert [each["kind"] for each in bare.store.list_channels()] == ["slack"]


@pytest.mark.parametrize(
    ("outcome", "said"), [("sent", "The test was sent."), ("dead", "The test could not be sent. no_service")]
)
def test_a_test_is_followed_until_it_is_settled(visit: Visitors, bare: Site, outcome: str, said: str) -> None:
    a_channel(bare)
    page = visit("admin", "/channels")
    page.get_by_role("button", name="Send a test team chat").click()
    expect(page.get_by_text("It waits for the next round, at most 15 seconds.")).to_be_visible()
    (message,) = bare.store.claim_deliveries()
    error = "no_service" if outcome == "dead" else None
    bare.store.settle_deliveries(
        [
            {"delivery_id": each["id"], "lease_id": message["lease_id"], "outcome": outcome, "error": error}
            for each in message["deliveries"]
        ]
    )
    expect(page.get_by_role("status").filter(has_text=said)).to_be_visible()
    expect(page.get_by_role("table")).to_contain_text("a test")


def test_a_channel_is_deleted_after_a_question(visit: Visitors, bare: Site) -> None:
    a_channel(bare)
    page = visit("admin", "/channels?channel=team+chat")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert len(bare.store.list_channels()) == 1
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No channel yet")).to_be_visible()
    assert bare.store.list_channels() == []


def test_a_route_and_an_escalation_say_where_they_lead(visit: Visitors, bare: Site) -> None:
    a_channel(bare)
    page = visit("admin", "/channels/oncall?new=escalation")
    page.get_by_label("Name").fill("ladder")
    page.get_by_label("team chat").check()
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_label("After (seconds)").nth(1).fill("300")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("after 5 min: nobody")).to_be_visible()

    page.goto("/channels/routes?new=route")
    page.get_by_label("Name").fill("loud")
    page.get_by_label("At least").select_option("error")
    page.get_by_label("Labels").fill("env=prod")
    page.get_by_label("Escalation").select_option("ladder")
    page.get_by_role("button", name="Save").click()
    row = page.get_by_role("listitem").filter(has_text="loud")
    expect(row).to_contain_text("error or worse; labels env=prod goes to escalation ladder")
    (route,) = bare.store.list_routes()
    assert (route["match"], route["escalation"]) == (
        {"min_severity": "error", "labels": {"env": "prod"}},
        "ladder",
    )


def test_a_silence_shows_what_it_would_hold_back_before_it_is_saved(visit: Visitors, bare: Site) -> None:
    alert = bare.fire("main node")
    bare.fire("another node")
    page = visit("responder", f"/alerts/{alert}")
    page.get_by_role("link", name="Silence").click()
    preview = page.get_by_role("status").filter(has_text="What it would do")
    expect(preview).to_contain_text("It would hold back 1 alert that fires now:")
    expect(preview.get_by_role("link")).to_have_text(["main node: service_down"])
    page.get_by_label("Targets").fill("")
    expect(preview).to_contain_text("It takes every alert.")
    page.get_by_label("Targets").fill("main node")
    expect(preview).not_to_contain_text("It takes every alert.")
    page.get_by_label("Why").fill("a planned move")
    page.get_by_role("button", name="Save").click()
    row = page.get_by_role("listitem").filter(has_text="a planned move")
    expect(row).to_contain_text("active")
    assert [each["match"] for each in bare.store.list_silences()] == [{"targets": ["main node"]}]
    row.get_by_role("button", name="End a planned move").click()
    page.get_by_role("dialog").get_by_role("button", name="End").click()
    expect(page.get_by_text("The silence is ended.")).to_be_visible()
    expect(page.get_by_text("Nothing is silenced.")).to_be_visible()
    assert bare.store.list_silences() == []


def test_somebody_stands_in_and_takes_it_back(visit: Visitors, bare: Site) -> None:
    rotation = {"name": "primary", "people": ["ann@example.org"], "starts_at": "2026-01-05T09:00"}
    bare.store.save_rotation(rotation)
    page = visit("responder", "/channels/oncall")
    now = page.locator("section", has_text="On call now")
    expect(now).to_contain_text("ann@example.org")
    page.get_by_role("button", name="Add an override").click()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(now).to_contain_text(email_of(page))
    page.get_by_role("button", name="Take back").click()
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    expect(now).to_contain_text("ann@example.org")


def test_a_heartbeat_shows_its_token_once(visit: Visitors, bare: Site) -> None:
    page = visit("admin", "/channels/heartbeats?new=heartbeat")
    page.get_by_label("Name").fill("backup")
    page.get_by_label("Every").fill("3600")
    page.get_by_role("button", name="Save").click()
    told = page.get_by_role("status").filter(has_text="The token of backup")
    token = told.locator("code").inner_text()
    assert bare.store.record_heartbeat(token)
    page.reload()
    expect(page.get_by_text("backup", exact=True)).to_be_visible()
    expect(page.get_by_text(token)).to_have_count(0)
    page.get_by_role("button", name="Pause backup").click()
    expect(page.get_by_text("Paused: nothing is expected of it.")).to_be_visible()
    expect(page.get_by_role("button", name="Resume backup")).to_be_visible()
    assert [each["status"] for each in bare.store.list_heartbeats()] == ["paused"]


def test_who_only_reads_sees_all_and_may_change_nothing(visit: Visitors, bare: Site) -> None:
    a_channel(bare)
    bare.store.save_route({"name": "all", "channels": ["team chat"]})
    page = visit("viewer", "/channels")
    expect(page.get_by_text("team chat")).to_be_visible()
    for path, shown in (
        ("/channels/routes?new=route", "every alert"),
        ("/channels/silences?new=silence", "Nothing is"),
    ):
        page.goto(path)
        expect(page.get_by_text(shown)).to_be_visible()
        expect(page.locator("main form")).to_have_count(0)
        expect(page.locator("main button, main a.button")).to_have_count(0)
