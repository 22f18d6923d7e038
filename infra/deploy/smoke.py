"""The last step: does it live? A tick is run, a check recorded, the summary is fresh, the page answers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from infra.cli.api import OperatorStore
from infra.deploy.account import Account
from infra.deploy.settings import Deployment
from infra.local.steps import LocalError

# A new address of CloudFront may take that long to be known everywhere.
PATIENCE_S = 90
HEADERS = (
    "content-security-policy", "strict-transport-security", "x-content-type-options", "referrer-policy",
    "permissions-policy", "cross-origin-opener-policy",
)  # fmt: skip
Json = dict[str, Any]
T = TypeVar("T")


def check(deployment: Deployment, account: Account, patience_s: float = PATIENCE_S) -> str:
    """What was seen; or an error that says what was not."""
    with OperatorStore(deployment.supabase_url, deployment.secret_key) as store:
        began = _moment(store.get_system_health_summary()["generated_at"])
        watched = _hurry_one(store)
        ticked = tick(account)
        summary = _until(lambda: _fresh(store, began), patience_s, "the tick did not reach the database")
        said = [f"tick: {ticked['sent']} of {ticked['claimed']} sent"]
        if watched is None:
            said.append("nothing is watched yet: watchkeeper apply FILE")
        else:
            _until(
                lambda: _recorded(store, watched, began), patience_s,
                f"{watched['name']} was to be checked, but no result was recorded: "
                f"look at the log groups /watchkeeper/{deployment.stage}/check-...",
            )  # fmt: skip
            said.append(f"{watched['name']} checked and recorded")
        said.append(f"summary: {summary['status']}")
    if deployment.hosts_page:
        said.append(page(deployment, account, patience_s))
    return "; ".join(said)


def tick(account: Account) -> Json:
    """Runs the scheduling function now instead of at the next minute."""
    reply = account.client("lambda").invoke(
        FunctionName=account.output("ScheduleChecksFunction"),
        Payload=json.dumps({"scheduled_time": "<aws.scheduler.scheduled-time>"}).encode(),
    )
    payload = reply["Payload"].read().decode()
    if reply.get("FunctionError"):
        raise LocalError(f"schedule_checks failed: {payload[:1500]}")
    ticked: Json = json.loads(payload)
    return ticked


def _hurry_one(store: OperatorStore) -> Json | None:
    """Makes the check of a target due now. None: there is no target to check.

    If there is another, not one on which several regions must agree: that waits for the others' next tick.
    """
    for target in sorted(store.list_targets(), key=lambda each: "regions" in each):
        if not target["paused"] and any(check["enabled"] for check in target["checks"].values()):
            store.run_check_now(target["id"])
            return target
    return None


def _fresh(store: OperatorStore, began: datetime) -> Json | None:
    summary = store.get_system_health_summary()
    last = summary["monitoring"]["last_tick_at"]
    return summary if last and _moment(last) >= began else None


def _recorded(store: OperatorStore, watched: Json, began: datetime) -> bool:
    (target,) = [each for each in store.list_targets() if each["id"] == watched["id"]]
    runs = [check["last_run_at"] for check in target["checks"].values() if check["last_run_at"]]
    return any(_moment(run) >= began for run in runs)


def page(deployment: Deployment, account: Account, patience_s: float = PATIENCE_S) -> str:
    """The page, one of its own addresses, and its config.json, with the headers of the template."""
    url = account.output("PageUrl")

    def answers() -> Json | None:
        try:
            replies = [_get(url + path) for path in ("/", "/alerts/some-id", "/config.json")]
        except httpx.TransportError:
            return None
        return None if any(reply.status_code != httpx.codes.OK for reply in replies) else {"replies": replies}

    replies = _until(answers, patience_s, f"the page does not answer at {url}")["replies"]
    for reply in replies:
        absent = [name for name in HEADERS if name not in reply.headers]
        if absent:
            raise LocalError(
                f"the page answers without {', '.join(absent)}: is its response headers policy there?"
            )
    first, view, config = replies
    if first.content != view.content:
        raise LocalError(
            "an address of the page's own does not show the page: is its CloudFront function there?"
        )
    if config.json().get("api_url") != deployment.supabase_url:
        raise LocalError("the page's config.json is that of another installation")
    return f"page: {url}"


def _get(url: str) -> httpx.Response:
    """An emulator answers for CloudFront at its own address, and takes our word that this is HTTPS."""
    headers = {"accept-encoding": "gzip"}
    emulator = os.environ.get("AWS_ENDPOINT_URL")
    if emulator:
        parts = urlsplit(url)
        headers |= {"host": parts.netloc, "x-forwarded-proto": "https"}
        url = f"{emulator.rstrip('/')}{parts.path}"
    return httpx.get(url, headers=headers, timeout=10)


def _until(ask: Callable[[], T | None], patience_s: float, otherwise: str) -> T:
    deadline = time.monotonic() + patience_s
    while True:
        if found := ask():
            return found
        if time.monotonic() > deadline:
            raise LocalError(f"{otherwise} (waited {patience_s:.0f} s)")
        time.sleep(0.5)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
