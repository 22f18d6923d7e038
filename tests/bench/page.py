"""`make bench`: what the page weighs, how soon it is there, whether it stays smooth. Prints figures, asserts nothing.

About half a minute. Browser, API and Postgres share this machine's processors, so times are upper bounds.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page

from infra.local.paths import DASHBOARD
from infra.local.people import sign_up
from infra.local.ports import Ports
from infra.local.postgres import SUPERUSER
from infra.local.stack import Stack
from infra.local.steps import say
from tests.dashboard.site import Site, crowd
from tests.support.browser import chromium
from tests.support.parts import Database
from tests.support.scratch import scratch

DIST = DASHBOARD / "dist"
RUNS = 7
WHO, PASSWORD = "admin@example.org", "correct horse battery"

OBSERVE = """
window.seen = {lcp: 0, what: "", shift: 0, long: []};
const observe = (type, note) =>
  new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({type, buffered: true});
observe("largest-contentful-paint", (each) => {
  seen.lcp = each.startTime;
  seen.what = each.element?.className || each.element?.tagName;
});
observe("layout-shift", (each) => { if (!each.hadRecentInput) seen.shift += each.value; });
observe("longtask", (each) => seen.long.push(each.duration));
"""
SHOW_MORE = (
    "(() => { const more = document.querySelector('.more button'); more?.click(); return Boolean(more); })()"
)
SCROLL = """async () => {
  seen.long.length = 0;
  const frames = [];
  let last = performance.now();
  for (let y = 0; y < document.documentElement.scrollHeight; y += 200) {
    scrollTo(0, y);
    await new Promise(requestAnimationFrame);
    frames.push(performance.now() - last);
    last = performance.now();
  }
  await new Promise((done) => setTimeout(done, 200));
  return {frames, long: seen.long};
}"""


def main() -> None:
    with scratch() as folder, chromium() as browser, site_in(folder) as site:
        weight_figures()
        site.target("our node", "uptime", "blockchain", chain="evm")
        start_figures(browser, site)
        crowd(site)
        say("with 5,000 alerts and 500 targets")
        smooth_figures(browser, site)


@contextmanager
def site_in(folder: Path) -> Iterator[Site]:
    stack = Stack(folder / "stack", Ports.free(), durable=False)
    try:
        stack.start_postgres()
        stack.migrate()
        site = Site(
            folder / "site", stack.credentials, Database(stack.postgres.url(), stack.postgres.url(SUPERUSER))
        )
        try:
            site.start()
            sign_up(site.api.url, site.api.publishable_key, WHO, PASSWORD)
            site.store.grant_role(WHO, "admin")
            yield site
        finally:
            site.stop()
    finally:
        stack.stop()
        stack.postgres.erase()


def weight_figures() -> None:
    """Compressed with brotli, as a browser gets it."""
    files = {file.name.removesuffix(".br"): file.stat().st_size for file in DIST.rglob("*.br")}
    html = (DIST / "index.html").read_text()
    first = {"index.html", *re.findall(r"/assets/([^\"]+)", html)}
    say(f"weight in all            {sum(files.values()) / 1000:6.1f} kB in {len(files)} files, brotli")
    say(f"  before the first view  {sum(files[name] for name in first) / 1000:6.1f} kB in {len(first)} files")


def start_figures(browser: Browser, site: Site) -> None:
    context = browser.new_context(base_url=site.url)
    enter(context.new_page())
    kept = context.storage_state()
    context.close()
    for name, state in (("signed in", kept), ("the way in", None)):
        paints, shifts, what = [], [], ""
        for _ in range(RUNS):
            context = browser.new_context(base_url=site.url, storage_state=state)  # with a cache of its own
            page = context.new_page()
            page.add_init_script(OBSERVE)
            page.goto("/")
            page.locator(".cards, .sign-in").first.wait_for()
            page.wait_for_timeout(400)
            seen = page.evaluate("seen")
            paints.append(seen["lcp"])
            shifts.append(seen["shift"])
            what = seen["what"]
            context.close()
        say(
            f"{name:<11} LCP          {median(paints):6.0f} ms, worst of {RUNS} {max(paints):.0f} ms ({what}); "
            f"layout shift {max(shifts):.4f}"
        )


def enter(page: Page) -> None:
    page.goto("/")
    page.get_by_label("E-mail").fill(WHO)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.locator(".cards").wait_for()


def smooth_figures(browser: Browser, site: Site) -> None:
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    page.add_init_script(OBSERVE)
    enter(page)
    for path, row in (("/alerts", ".alerts > li"), ("/targets", ".rows > li")):
        began = time.perf_counter()
        page.goto(path)
        page.locator(row).first.wait_for()
        shown_ms = (time.perf_counter() - began) * 1000
        while (count := page.locator(row).count()) < 1000 and page.evaluate(SHOW_MORE):
            page.locator(row).nth(count).wait_for(state="attached")
        told = page.evaluate(SCROLL)
        say(
            f"{path:<24} shown after {shown_ms:.0f} ms; {page.locator(row).count()} rows scrolled: "
            f"frame p50 {median(told['frames']):.0f} ms, {len(told['long'])} long tasks, "
            f"the longest {max(told['long'], default=0):.0f} ms"
        )
    context.close()


if __name__ == "__main__":
    main()
