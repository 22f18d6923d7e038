"""`make screenshots`: every view, light and dark, with data as a team would have it, into .watchkeeper/screenshots.

Ninety days of uptime go through the database's own functions, with a clock that is moved.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import Browser, Page
from psycopg.types.json import Jsonb

from infra.local.paths import STATE
from infra.local.people import sign_up
from infra.local.steps import say
from tests.bench.page import PASSWORD, WHO, enter, site_in
from tests.dashboard.gotrue import SECRET, Gotrue, code_of
from tests.dashboard.site import Json, Site, finding
from tests.support.browser import chromium
from tests.support.scratch import scratch

FOLDER = STATE / "screenshots"
DAYS = 90
LIVE_MINUTES = 180
OUTAGE_MINUTES = 22
VIEWS = {
    "overview": "/",
    "alerts": "/alerts",
    "alerts-resolved": "/alerts?show=resolved",
    "alert": "/alerts/{alert}",
    "incidents": "/incidents",
    "incident": "/incidents/{incident}",
    "incident-new": "/incidents/new",
    "performance": "/performance?window=86400&of=signer%2Fsign",
    "uptime": "/uptime?days=90",
    "reports": "/reports",
    "targets": "/targets",
    "target": "/targets/{target}",
    "target-new": "/targets/new",
    "target-edit": "/targets/{target}/edit",
    "channels": "/channels",
    "routes": "/channels/routes",
    "oncall": "/channels/oncall",
    "silences": "/channels/silences",
    "heartbeats": "/channels/heartbeats",
    "audit": "/audit",
    "members": "/members",
    "tokens": "/members/tokens",
    "system": "/system",
    "account": "/account",
    "settings": "/settings",
    "route-edit": "/channels/routes?new=route",
    "plan-new": "/reports?new=report_plan",
    "objective-new": "/uptime?new=objective",
}
NARROW = (
    "overview",
    "alerts",
    "alert",
    "incident",
    "uptime",
    "targets",
    "target",
    "target-edit",
    "settings",
    "routes",
    "plan-new",
    "channels",
    "system",
    "account",
)

CHAIN = ("blockchain", "p2p", "mempool", "uptime")
TARGETS: list[tuple[str, str | None, str | None, tuple[str, ...]]] = [
    ("ethereum archive", "evm", "ethereum-mainnet", CHAIN),
    ("ethereum validator", "evm", "ethereum-mainnet", CHAIN),
    ("base sequencer", "evm", "base", CHAIN),
    ("sepolia", "evm", "sepolia", CHAIN),
    ("explorer", None, None, ("uptime",)),
    ("wallet api", None, None, ("uptime",)),
]
DOWN, REFUSED = "sepolia", "connect: connection refused"


def main() -> None:
    with scratch() as folder, chromium() as browser, site_in(folder) as site:
        names = furnish(site)
        shoot(browser, site, names)
    say(f"screenshots are in {FOLDER.relative_to(STATE.parent)}")


# --- what happened ---


def furnish(site: Site) -> dict[str, str]:
    """The past, then an outage that goes on; returns what the addresses name."""
    now = datetime.now(UTC).replace(microsecond=0)
    people(site)
    tools(site)
    delivery(site)
    for name, chain, network, kinds in TARGETS:
        saved = {
            "name": name,
            "endpoint": f"https://{name.replace(' ', '-')}.example.org",
            "labels": {"env": "prod", "team": "core"},
            "checks": {kind: {} for kind in kinds},
        }
        of_chain = {"chain": chain, "network": network} if chain else {}
        call(site, "save_target", Jsonb({**saved, **of_chain}), now - timedelta(days=DAYS))
    past(site, now)
    recent(site, now)
    performance(site, now)
    alert = next(each for each in site.store.list_alerts(status="firing") if each["source"] == DOWN)
    incident = worked_incident(site, alert)
    return {"alert": alert["id"], "incident": incident, "target": alert["target_id"]}


def call(site: Site, function: str, *args: object) -> Any:
    """A function of the database with the moved clock as its last argument."""
    places = ", ".join(["%s"] * len(args))
    row = site.db.execute(f"select watchkeeper.{function}({places})".encode(), args).fetchone()
    assert row
    return row[0]


def people(site: Site) -> None:
    for name, role in (
        ("ada", "responder"),
        ("grace", "responder"),
        ("barbara", "viewer"),
        ("edsger", "auditor"),
    ):
        sign_up(site.api.url, site.api.publishable_key, f"{name}@example.org", PASSWORD)
        site.store.grant_role(f"{name}@example.org", role)


def tools(site: Site) -> None:
    """One that works, one that ends soon, one that was revoked."""
    for name, role, days in (("ci", "ingest", 80), ("grafana", "metrics", 9), ("old ci", "ingest", 90)):
        site.store.create_api_token(name, f"watchkeeper_{role}", days)
    site.store.revoke_api_token("old ci")
    site.db.execute(
        "update watchkeeper.api_tokens set last_used_at = now() - interval '3 min' where name like '%ci'"
    )


def delivery(site: Site) -> None:
    chat = {"name": "team chat", "kind": "slack", "secrets": {"webhook_url": "env:CHANNEL_SLACK"}}
    pager = {"name": "pager", "kind": "pagerduty", "secrets": {"routing_key": "env:CHANNEL_PAGER"}}
    paging = {"name": "critical", "position": 10, "match": {"min_severity": "critical"}, "group_wait_s": 0}
    others = {"name": "all else", "position": 90, "channels": ["team chat"], "group_wait_s": 0}
    site.store.apply_config(
        {
            "channels": [chat, pager],
            "routes": [{**paging, "channels": ["pager", "team chat"]}, others],
        }
    )


def past(site: Site, now: datetime) -> None:
    """Availability as spans, and each ended day rolled up: what three months of checks leave."""
    rows = site.db.execute(
        "select t.id, t.name from watchkeeper.targets t join watchkeeper.checks c on c.target_id = t.id "
        "where c.kind = 'uptime' order by t.name"
    ).fetchall()
    chance = random.Random(7)  # noqa: S311  (the same pictures each time)
    end = now - timedelta(minutes=LIVE_MINUTES)
    for target_id, name in rows:
        at = now - timedelta(days=DAYS)
        while at < end:
            up_for = timedelta(days=chance.expovariate(1 / (9 if name == DOWN else 25)))
            until = min(at + up_for, end)
            span(site, target_id, "up", at, until)
            at = until
            if at >= end:
                break
            state = "unknown" if chance.random() < 0.25 else "down"
            until = min(at + timedelta(minutes=chance.uniform(4, 200)), end)
            span(site, target_id, state, at, until)
            at = until
    while site.store.roll_up_days().get("more"):
        pass


def span(site: Site, target_id: object, state: str, start: datetime, end: datetime) -> None:
    site.db.execute(
        "insert into watchkeeper.availability_spans (target_id, state, from_at, last_seen_at, holds_s, until_at) "
        "values (%s, %s, %s, %s, 180, %s)",
        [target_id, state, start, end, end],
    )


def recent(site: Site, now: datetime) -> None:
    """Each minute of the last hours: a tick, its results, and whoever is told of them."""
    chance = random.Random(1)  # noqa: S311  (the same pictures each time)
    for minute in range(LIVE_MINUTES + 1):
        at = now - timedelta(minutes=LIVE_MINUTES - minute)
        results = [outcome(task, minute, at, chance) for task in tasks_of(site, at)]
        call(site, "record_check_results", Jsonb(results), at + timedelta(seconds=1))
        sent = [
            {"delivery_id": each["id"], "lease_id": message["lease_id"], "outcome": "sent"}
            for message in deliveries_of(site, at + timedelta(seconds=2))
            for each in message["deliveries"]
        ]
        call(site, "settle_deliveries", Jsonb(sent), at + timedelta(seconds=2.3))


def tasks_of(site: Site, at: datetime) -> list[Json]:
    row = site.db.execute("select watchkeeper.claim_due_checks(%s, 1)", [at]).fetchone()
    return list(row[0]) if row else []


def deliveries_of(site: Site, at: datetime) -> list[Json]:
    row = site.db.execute("select watchkeeper.claim_deliveries(%s, 100, 60)", [at]).fetchone()
    return list(row[0]) if row else []


def outcome(task: Json, minute: int, at: datetime, chance: random.Random) -> Json:
    kind, target = task["kind"], task["target"]
    down = target == DOWN and minute > LIVE_MINUTES - OUTAGE_MINUTES
    lonely = target == "base sequencer" and minute > LIVE_MINUTES - 70
    slow = target == "explorer" and 60 < minute < 80
    samples = measured(kind, minute, chance, lonely=lonely, slow=slow)
    result = {
        "check_id": task["check_id"],
        "due_at": task["due_at"],
        "started_at": at.isoformat(),
        "finished_at": (at + timedelta(milliseconds=140)).isoformat(),
        "outcome": "fail" if down else "ok",
        "reason": REFUSED if down else None,
        "samples": [] if down else samples,
        "findings": judged(kind, down=down, lonely=lonely, slow=slow),
    }
    if kind == "uptime":
        ms = samples[0]["value"]
        seen = {
            "service_name": target,
            "endpoint": "https://example.org",
            "is_up": not down,
            "response_time_ms": ms,
        }
        result["uptime"] = seen
    return result


def measured(kind: str, minute: int, chance: random.Random, *, lonely: bool, slow: bool) -> list[Json]:
    height = 21_400_000 + minute * 5
    values: dict[str, list[tuple[str, float, str | None]]] = {
        "blockchain": [
            ("height", height, None),
            ("total_blocks", height, None),
            ("avg_block_time", 12 + chance.gauss(0, 0.2), "s"),
        ],
        "p2p": [("active_peers", 2 if lonely else 24 + chance.randrange(8), None), ("total_peers", 60, None)],
        "mempool": [("pending_transactions", 140 + chance.randrange(60) + (minute % 60) * 3, None)],
        "uptime": [("response_time", 70 + chance.gauss(0, 6) + (60 if slow else 0), "ms")],
    }
    return [
        {"name": name, "value": round(value, 3), **({"unit": unit} if unit else {})}
        for name, value, unit in values[kind]
    ]


def judged(kind: str, *, down: bool, lonely: bool, slow: bool) -> list[Json]:
    gone = "service_down" if kind == "uptime" else "endpoint_unreachable"
    found = [finding("breach" if down else "clear", alert_type=gone, message=REFUSED, failure_threshold=2)]
    if kind == "p2p":
        state = "breach" if lonely else "clear"
        found.append(finding(state, "warning", alert_type="low_peers", message="2 peers, 5 wanted"))
    if kind == "uptime":
        state = "breach" if slow else "clear"
        found.append(finding(state, "warning", alert_type="slow_response", message="132 ms, 100 ms wanted"))
    return found


def performance(site: Site, now: datetime) -> None:
    """Operations of two days, one of them slower lately."""
    chance = random.Random(3)  # noqa: S311  (the same pictures each time)
    for operation, usual_ms in (("sign", 34), ("verify", 9), ("encrypt", 21)):
        site.store.record_benchmarks(
            [
                {
                    "benchmark_name": "signer",
                    "operation_type": operation,
                    "duration_ms": usual_ms
                    * chance.uniform(0.8, 1.3)
                    * (1.9 if operation == "sign" and n < 60 else 1),
                    "success_rate": 100,
                    "recorded_at": (now - timedelta(minutes=6 * n)).isoformat(),
                }
                for n in range(480)
            ]
        )


def worked_incident(site: Site, alert: Json) -> str:
    store = site.store
    incident = store.create_incident(
        "Sepolia node is unreachable", "high", "All checks of the node fail since its provider's maintenance.", [DOWN],
        alert_ids=[alert["id"]],
    )  # fmt: skip
    latest = store.assign_incident(incident["id"], "ada@example.org", incident["version"])
    latest = store.update_incident_status(incident["id"], "investigating", latest["version"])
    store.add_incident_note(
        incident["id"], "The provider confirms: a switch was replaced, the host did not come back."
    )
    store.add_incident_note(incident["id"], "Moved the wallet api to the second node.", "remediation")
    old = store.create_incident("Slow answers of the explorer", "low", None, ["explorer"])
    store.update_incident_status(
        old["id"], "resolved", old["version"], "A vacuum ran at noon; moved to the night."
    )
    return str(incident["id"])


# --- the pictures ---


def shoot(browser: Browser, site: Site, names: dict[str, str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    for scheme, width, views in pictures():
        context = browser.new_context(
            # Playwright wants the scheme as a literal; it is one of two names here.
            base_url=site.url, viewport={"width": width, "height": 800}, color_scheme=scheme,  # type: ignore[arg-type]
            locale="en-US", timezone_id="UTC", reduced_motion="reduce",
        )  # fmt: skip
        page = context.new_page()
        Gotrue(page, site)
        page.goto("/")
        if width > 1000:
            page.screenshot(path=FOLDER / f"sign-in-{scheme}-{width}.png")
        enter(page)
        for name in views:
            page.set_viewport_size({"width": width, "height": 800})
            show(page, VIEWS[name].format(**names))
            # All of it on one screen: what is not on it is not drawn.
            page.set_viewport_size(
                {"width": width, "height": page.evaluate("document.documentElement.scrollHeight")}
            )
            page.wait_for_timeout(200)
            page.screenshot(path=FOLDER / f"{name}-{scheme}-{width}.png")
        second_factor(page, f"{scheme}-{width}.png")
        context.close()


def second_factor(page: Page, ending: str) -> None:
    """What is shown only while one is set up, and when its code is asked for."""
    show(page, "/account")
    page.get_by_role("button", name="Set up an app").click()
    page.get_by_role("img", name="QR code").wait_for()
    page.screenshot(path=FOLDER / f"account-set-up-{ending}", full_page=True)
    page.get_by_label("Code").fill(code_of(SECRET))
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("with a second factor", exact=True).wait_for()
    page.screenshot(path=FOLDER / f"account-protected-{ending}", full_page=True)
    page.get_by_role("button", name="Sign out", exact=True).last.click()
    page.get_by_label("E-mail").fill(WHO)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Code").wait_for()
    page.screenshot(path=FOLDER / f"second-factor-{ending}")


def pictures() -> Iterator[tuple[str, int, tuple[str, ...]]]:
    for scheme in ("light", "dark"):
        yield scheme, 1280, tuple(VIEWS)
    yield "light", 375, NARROW


def show(page: Page, path: str) -> None:
    page.goto(path)
    page.locator("h1").first.wait_for(state="attached")
    page.locator(".loading").first.wait_for(state="detached")
    page.wait_for_timeout(300)  # charts draw themselves when they are seen


if __name__ == "__main__":
    main()
