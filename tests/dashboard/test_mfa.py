"""The second factor: set up, asked for, demanded, removed.

The local API knows no second factor, so gotrue.py plays that part of Supabase Auth; who may do what is judged by the
real database, from the tokens' `aal`.
"""

from __future__ import annotations

from secrets import token_hex

from playwright.sync_api import Page, expect

from infra.local.people import sign_up
from tests.dashboard.conftest import PASSWORD, Visitors, count_calls, sign_in
from tests.dashboard.gotrue import SECRET, Gotrue, code_of, wrong_code
from tests.dashboard.site import Site
from tests.dashboard.test_axe import judge


def enter(page: Page, code: str, button: str) -> None:
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name=button, exact=True).click()


def test_set_up_asked_for_demanded_and_removed(visit: Visitors, site: Site) -> None:
    email = f"careful-{token_hex(4)}@example.org"
    sign_up(site.api.url, site.api.publishable_key, email, PASSWORD)
    site.store.grant_role(email, "admin")
    page = visit.stranger()
    auth = Gotrue(page, site)
    sign_in(page, email)

    # Somebody without one is in at once, and sets one up.
    page.locator(".account summary").click()
    page.get_by_role("link", name="Account").click()
    expect(page.get_by_role("heading", name="Account")).to_be_visible()
    expect(page.locator("details.account")).not_to_have_attribute("open", "")
    expect(page.get_by_text("To demand it of all, set up your own first.")).to_be_visible()
    for again in (False, True):  # what was begun and left is no hindrance
        page.get_by_role("button", name="Set up an app").click()
        picture = page.get_by_role("img", name="QR code")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 200
        if not again:
            page.get_by_role("button", name="Cancel").click()
    assert [each["status"] for each in auth.factors] == ["unverified"]
    expect(page.get_by_text(SECRET)).to_be_visible()
    expect(page.get_by_label("Code")).to_be_focused()
    judge(page)
    enter(page, "12 34", "Confirm")
    expect(page.get_by_role("alert")).to_have_text("The code has six digits.")
    enter(page, wrong_code(SECRET), "Confirm")
    expect(page.get_by_role("alert")).to_contain_text("This code is wrong")
    code = code_of(SECRET)
    enter(page, f"{code[:3]} {code[3:]}", "Confirm")
    expect(page.get_by_text("It is set up.")).to_be_visible()
    expect(page.get_by_text("with a second factor", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Remove Authenticator app")).to_be_visible()

    # Who has one may demand it of all.
    page.get_by_role("button", name="Demand it of everybody").click()
    page.get_by_role("dialog").get_by_role("button", name="Demand it of everybody").click()
    expect(page.get_by_text("A role counts only for who signed in with a second factor.")).to_be_visible()
    try:
        assert site.store.get_access_settings() == {"require_mfa": True}
        asked_at_the_next_sign_in(page, email)
        removed(page, auth)
    finally:
        site.store.save_access_settings({"require_mfa": False})
    visit.refused = True  # wrong codes


def asked_at_the_next_sign_in(page: Page, email: str) -> None:
    page.get_by_role("button", name="Sign out", exact=True).last.click()
    calls = count_calls(page)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    code = page.get_by_label("Code")
    expect(code).to_be_focused()
    page.reload()
    expect(code).to_be_focused()
    assert (code.get_attribute("autocomplete"), code.get_attribute("inputmode")) == (
        "one-time-code",
        "numeric",
    )
    judge(page)
    enter(page, wrong_code(SECRET), "Sign in")
    expect(page.get_by_role("alert")).to_contain_text("This code is wrong")
    assert calls == [], "nothing is asked for before it is right"
    assert page.get_by_role("banner").count() == 0
    page.get_by_role("button", name="Sign out").click()
    sign_in_again = page.get_by_label("E-mail")
    expect(sign_in_again).to_be_visible()
    sign_in_again.fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_have_count(0)
    enter(page, code_of(SECRET), "Sign in")
    expect(page.get_by_role("heading", name="Account")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Account")).to_be_visible()


def removed(page: Page, auth: Gotrue) -> None:
    """Who removes what is demanded is told before, and what to do after."""
    page.get_by_role("button", name="Remove Authenticator app").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("without one your role does not count until you set up another")
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Your role counts once you have set one up.")).to_be_visible()
    assert auth.factors == []
    expect(page.get_by_role("navigation", name="Views").get_by_role("link")).to_have_count(0)
    page.get_by_role("link", name="Watchkeeper").click()
    expect(page.get_by_role("heading", name="Your project demands a second factor")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Account").click()
    expect(page.get_by_role("button", name="Set up an app")).to_be_visible()
