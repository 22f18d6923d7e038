"""Supabase Realtime: what changes is shown at once; without it everything goes on, only later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest
from playwright.sync_api import Page, expect

from infra.local.page import Page as PageServer
from infra.local.people import sign_up
from infra.local.ports import free_ports
from tests.dashboard.conftest import PASSWORD, Visitors, count_calls, hide, sign_in, until
from tests.dashboard.phoenix import TOPIC, Phoenix
from tests.dashboard.site import Site


@pytest.fixture
def phoenix(running_site: Site) -> Iterator[Phoenix]:
    phoenix = Phoenix(running_site.gateway.port)
    yield phoenix
    phoenix.close()


@pytest.fixture
def live_url(phoenix: Phoenix, running_site: Site, tmp_path: Path) -> Iterator[str]:
    """A page of the same installation that asks once a minute, and listens."""
    (port,) = free_ports(1)
    server = PageServer(tmp_path, port, phoenix.url, running_site.api.publishable_key)
    server.start(health_every_s=60, alerts_every_s=60, realtime=True)
    yield server.url
    server.stop()


def test_a_change_is_shown_at_once_and_without_realtime_later(
    site: Site, phoenix: Phoenix, live_url: str, visit: Visitors
) -> None:
    """The browser goes before the servers."""
    email = f"listening-{token_hex(4)}@example.org"
    sign_up(site.api.url, site.api.publishable_key, email, PASSWORD)
    site.store.grant_role(email, "viewer")
    page = visit.stranger()
    page.clock.install()
    page.goto(f"{live_url}/alerts")
    assert phoenix.heard == [], "nobody listens who is not signed in"
    sign_in(page, email)
    expect(page.get_by_text("Nothing fires")).to_be_visible()
    until(page, lambda: len(phoenix.pages) == 1)
    (join,) = phoenix.events("phx_join")
    assert (join["topic"], join["payload"]["config"]["private"]) == (TOPIC, True)
    token = join["payload"]["access_token"]
    assert token.count(".") == 2

    calls = count_calls(page)
    site.fire("sudden")
    since = time.monotonic()
    phoenix.tell()
    expect(page.get_by_role("link", name="sudden: service_down")).to_be_visible()
    assert time.monotonic() - since < 50, "long before it asks by itself"
    assert sorted(calls) == ["get_system_health_summary", "list_alerts"], "one request for each of both"

    # A storm, and what is not meant for it.
    calls.clear()
    since = time.monotonic()
    for _ in range(30):
        phoenix.tell()
    phoenix.tell("something_else")
    phoenix.tell(topic="realtime:another")
    page.wait_for_timeout(1500)
    until(page, lambda: len(calls) >= 2)
    most = 1 + time.monotonic() - since
    assert len(calls) <= 2 * most, "at most one refresh a second"

    page.clock.run_for("00:26")
    until(page, lambda: len(phoenix.events("heartbeat")) >= 1)
    assert phoenix.events("heartbeat")[0]["topic"] == "phoenix"

    rests_while_hidden(page, phoenix)
    goes_on_without(page, phoenix, site)
    ends_with_the_session(page, phoenix, token)
    visit.complaints[:] = [line for line in visit.complaints if "WebSocket connection to" not in line]


def rests_while_hidden(page: Page, phoenix: Phoenix) -> None:
    """A hidden page listens to nothing, and hears again when it is shown."""
    hide(page, True)
    until(page, lambda: not phoenix.pages)
    hide(page, False)
    until(page, lambda: len(phoenix.pages) == 1)


def goes_on_without(page: Page, phoenix: Phoenix, site: Site) -> None:
    """Gone, and back: the page asks by itself meanwhile, and comes back by itself."""
    phoenix.stop()
    site.fire("unheard")
    page.clock.run_for("01:01")
    expect(page.get_by_role("link", name="unheard: service_down")).to_be_visible()
    assert page.get_by_role("alert").count() == 0, "the API is not away"
    phoenix.start()
    page.clock.run_for("01:01")
    until(page, lambda: len(phoenix.pages) == 1)


def ends_with_the_session(page: Page, phoenix: Phoenix, token: str) -> None:
    """The line is given the token anew when it is renewed, and cut when its person goes."""
    page.clock.fast_forward("03:00:00")
    until(page, lambda: bool(phoenix.events("access_token")) or len(phoenix.events("phx_join")) > 3)
    renewed = [*phoenix.events("access_token"), *phoenix.events("phx_join")[3:]][0]
    assert renewed["payload"]["access_token"] != token
    page.locator(".account summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_label("E-mail")).to_be_visible()
    until(page, lambda: not phoenix.pages)
