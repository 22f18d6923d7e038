"""A target is made on the page: judged as it is typed, tried out before it is saved, and nothing typed is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.dashboard.conftest import Visitors
from tests.dashboard.site import Site

Json = dict[str, Any]


def block(page: Page, kind: str) -> Locator:
    """The part of the form that is about one check."""
    return page.locator(".check-block").filter(has=page.get_by_text(kind, exact=True))


def fill(page: Page, name: str, endpoint: str = "http://127.0.0.1:9") -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Chain").select_option("evm")
    page.get_by_label("Endpoint").fill(endpoint)


@pytest.fixture
def no_target(site: Site) -> None:
    site.forget()


@pytest.mark.usefixtures("no_target")
def test_what_would_be_refused_is_told_beside_its_field_while_it_is_typed(
    visit: Visitors, site: Site
) -> None:
    page = visit("admin", "/targets/new")
    fill(page, "main node", "http://10.0.0.1")
    expect(page.get_by_label("Endpoint")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#f-endpoint-problem")).to_contain_text("10.0.0.1 is a private address")
    page.get_by_label("Endpoint").fill("http://127.0.0.1:9")
    expect(page.locator("#f-endpoint-problem")).to_have_count(0)
    expect(page.get_by_text("Complete: it can be saved.")).to_be_visible()
    assert site.store.list_targets() == []


@pytest.mark.usefixtures("no_target")
def test_a_saved_target_is_what_was_typed_and_comes_back_into_its_form(visit: Visitors, site: Site) -> None:
    page = visit("admin", "/targets/new")
    fill(page, "main node")
    page.get_by_label("Labels").fill("env=prod\nteam=core")
    block(page, "p2p").get_by_role("checkbox").first.check()
    block(page, "p2p").get_by_label("Every").fill("45")
    block(page, "p2p").get_by_text("Thresholds and rules").click()
    block(page, "p2p").get_by_label("Min peers").fill("7")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="main node")).to_be_visible()
    (saved,) = site.store.list_targets()
    assert saved["labels"] == {"env": "prod", "team": "core"}
    assert saved["checks"].keys() == {"p2p", "uptime"}
    assert saved["checks"]["p2p"]["interval_s"] == 45
    assert saved["checks"]["p2p"]["params"] == {"min_peers": 7}

    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("Labels")).to_have_value("env=prod\nteam=core")
    page.get_by_label("Name").fill("renamed")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="renamed")).to_be_visible()
    (renamed,) = site.store.list_targets()
    assert renamed["checks"]["p2p"]["params"] == {"min_peers": 7}
    assert (renamed["id"], renamed["name"]) == (saved["id"], "renamed")


def test_a_new_target_does_not_replace_one_of_the_same_name(visit: Visitors, site: Site) -> None:
    site.target("taken")
    page = visit("admin", "/targets/new")
    fill(page, "taken")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-name-problem")).to_have_text("another target is called taken")
    assert len(site.store.list_targets()) == 1


@pytest.mark.usefixtures("no_target")
def test_what_was_typed_outlives_a_reload_and_is_gone_once_discarded(visit: Visitors) -> None:
    page = visit("admin", "/targets/new")
    fill(page, "half a node")
    page.reload()
    expect(page.get_by_label("Name")).to_have_value("half a node")
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_label("Name")).to_have_value("")
    page.reload()
    expect(page.get_by_label("Name")).to_have_value("")


@pytest.mark.usefixtures("no_target")
def test_a_check_is_tried_out_before_anything_is_saved(visit: Visitors, site: Site) -> None:
    page = visit("admin", "/targets/new")
    fill(page, "main node")
    uptime = block(page, "uptime")
    uptime.get_by_role("button", name="Test now").click()
    expect(uptime).to_contain_text("Waits for the next tick, at most a minute.")
    settle(site)
    expect(uptime).to_contain_text("failed refused the connection")
    expect(uptime).to_contain_text("would alert (critical) service_down")
    assert site.store.list_targets() == []
    assert site.db.execute(
        "select count(*) from public.uptime_checks where service_name = 'main node'"
    ).fetchone() == (0,)


def settle(site: Site) -> None:
    """The tick and the worker."""
    (task,) = [task for task in site.store.claim_due_checks() if "probe_id" in task]
    at = datetime.now(UTC).isoformat()
    finding = {
        "alert_type": "service_down", "state": "breach", "severity": "critical", "message": "refused the connection",
        "failure_threshold": 2,
    }  # fmt: skip
    result: Json = {
        "check_id": task["check_id"], "due_at": task["due_at"], "outcome": "fail", "reason": "refused the connection",
        "started_at": at, "finished_at": at, "findings": [finding],
    }  # fmt: skip
    assert site.store.settle_probe(task["probe_id"], result) == {"settled": True}


def test_who_may_not_manage_sees_no_form(visit: Visitors, site: Site) -> None:
    target = site.target("main node")
    page = visit("responder", f"/targets/{target['id']}/edit")
    expect(page.get_by_text("Your role does not allow this view.")).to_be_visible()
    page.goto(f"/targets/{target['id']}")
    expect(page.get_by_role("heading", name="main node")).to_be_visible()
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
