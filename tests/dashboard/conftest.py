"""A browser on the page of the stack, and people signed in to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from infra.local.people import sign_up
from infra.local.stack import Stack
from tests.support.browser import chromium
from tests.support.parts import Api

PASSWORD = "correct horse battery"
Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def page_url(stack: Stack, api: Api) -> str:  # noqa: ARG001  (what the page asks)
    """Where the page is served."""
    stack.page.start()
    return stack.page.url


@pytest.fixture
def visit(browser: Browser, page_url: str, stack: Stack) -> Iterator[Visit]:
    """visit("admin", "/alerts") signs a new person in, gives them the role and opens the address.

    What the browser complains about (a page error, the policy, a console error) fails the test at its end, unless
    the test takes it out of `page.complaints`.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(role: str | None, path: str = "/", **options: object) -> Page:
        email = f"{role or 'nobody'}-{len(contexts)}@example.org"
        sign_up(stack.gateway.url, stack.credentials.publishable_key, email, PASSWORD)
        if role:
            with stack.store() as store:
                store.grant_role(email, role)
        context = browser.new_context(locale="en-US", timezone_id="UTC", base_url=page_url, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.goto(path)
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
