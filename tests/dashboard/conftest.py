"""A browser on a page with an installation of its own, and people signed in to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from infra.local.stack import Stack
from tests.dashboard.site import Site
from tests.support.browser import chromium
from tests.support.parts import Cluster

HERE = Path(__file__).parent
PASSWORD = "correct horse battery"
PATIENCE_MS = 30_000  # no claim about how fast the page is: three other groups of tests may run beside it
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@contextmanager
def new_site(stack: Stack, cluster: Cluster, folder: Path) -> Iterator[Site]:
    """An installation with a database of its own."""
    database = cluster.copy("migrated")
    site = Site(folder, stack.credentials, database)
    try:
        site.start()
        yield site
    finally:
        site.stop()
        cluster.drop(database)


@pytest.fixture(scope="session")
def running_site(stack: Stack, cluster: Cluster, session_folder: Path) -> Iterator[Site]:
    with new_site(stack, cluster, session_folder / "dashboard") as site:
        yield site


@pytest.fixture
def site(running_site: Site) -> Iterator[Site]:
    """The installation, where nothing is watched and nothing fires."""
    yield running_site
    running_site.forget()


class Visitors:
    """People and their browsers. What a browser complains about is kept, and fails the test at its end."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self.complaints: list[str] = []
        self.refused = (
            False  # whether the test has the API refuse or fail: the browser has a line of its own for each
        )
        self._browser = browser
        self._site = site
        self._contexts: list[BrowserContext] = []

    def __call__(self, role: str | None, path: str = "/", **options: object) -> Page:
        """visit("admin", "/alerts"): somebody new with that role, who has signed in before, comes there."""
        email, session = self._somebody(role)
        page = self.stranger(path, storage_state=remembered(self._site, session), **options)
        arrived(page, email)
        return page

    def by_form(self, role: str | None, path: str = "/") -> Page:
        """Somebody new with that role comes there and signs in."""
        email, _ = self._somebody(role)
        page = self.stranger(path)
        sign_in(page, email)
        return page

    def _somebody(self, role: str | None) -> tuple[str, dict[str, Any]]:
        email = f"{role or 'nobody'}-{token_hex(4)}@example.org"
        session = sign_up_for_session(self._site.api.url, self._site.api.publishable_key, email, PASSWORD)
        if role:
            self._site.store.grant_role(email, role)
        return email, session

    def stranger(self, path: str = "/", **options: object) -> Page:
        """Somebody who has not signed in."""
        context = self._browser.new_context(
            # mypy cannot tell which of them each option is.
            locale="en-US", timezone_id="UTC", base_url=self._site.url, **options  # type: ignore[arg-type]
        )  # fmt: skip
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: self.complaints.append(message.text) if message.type == "error" else None,
        )
        page.goto(path)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def visit(browser: Browser, running_site: Site) -> Iterator[Visitors]:
    visitors = Visitors(browser, running_site)
    yield visitors
    visitors.close()
    lines = [
        line
        for line in visitors.complaints
        if not (visitors.refused and line.startswith("Failed to load resource"))
    ]
    assert lines == []


def sign_in(page: Page, email: str) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    arrived(page, email)


def arrived(page: Page, email: str) -> None:
    page.get_by_role("banner").get_by_text(email).wait_for()


def sign_up_for_session(api_url: str, key: str, email: str, password: str) -> dict[str, Any]:
    """What the API answers to somebody new: the session that the page would keep."""
    body = {"email": email, "password": password}
    reply = httpx.post(f"{api_url}/auth/v1/signup", headers={"apikey": key}, json=body, timeout=60)
    session: dict[str, Any] = reply.raise_for_status().json()
    return {"expires_at": int(time.time()) + session["expires_in"], **session}


def remembered(site: Site, session: dict[str, Any]) -> dict[str, Any]:
    """A browser in which it was kept. (Each test that typed a password took a second longer.)"""
    kept = {
        "name": f"sb-{urlsplit(site.api.url).netloc.split('.')[0]}-auth-token",
        "value": json.dumps(session),
    }
    return {"cookies": [], "origins": [{"origin": site.url, "localStorage": [kept]}]}


def email_of(page: Page) -> str:
    """Who is signed in there."""
    return page.locator(".account summary").inner_text()


def look_again(page: Page) -> None:
    """What happens when the tab comes to the front: the page catches up at once."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def hide(page: Page, hidden: bool) -> None:
    """Puts the tab into the background or to the front."""
    page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def until(page: Page, ask: Callable[[], bool], within_s: float = PATIENCE_MS / 1000) -> None:
    """Waits for it. (The page's policy forbids Playwright to wait for an expression in it.)"""
    deadline = time.monotonic() + within_s
    while not ask():
        assert time.monotonic() < deadline, "not in time"
        page.wait_for_timeout(50)


def count_calls(page: Page) -> list[str]:
    """The RPCs that the page calls from now on, by name, as they come."""
    calls: list[str] = []
    page.on(
        "request",
        lambda request: (
            calls.append(request.url.rpartition("/")[2])
            if "/rpc/" in request.url and request.method == "POST"
            else None
        ),
    )
    return calls


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The page comes after all others: a browser that runs keeps this thread's event loop, which handlers need."""
    items.sort(key=lambda item: HERE in item.path.parents)
