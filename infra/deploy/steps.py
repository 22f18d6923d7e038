"""What a deploy does, in order. Each step finds done what was done, so that all can be run again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.deploy import admin, database, functions, page, secret, smoke
from infra.deploy.account import Account
from infra.deploy.settings import Deployment
from infra.local.paths import MIGRATIONS
from infra.local.steps import say, step

Note = str


@dataclass(frozen=True)
class Step:
    """`plan` says what `run` would do, and touches nothing."""

    title: str
    plan: Callable[[], Note]
    run: Callable[[], Note]


def steps(
    deployment: Deployment, account: Account, dist: Path | None = None, build: Path | None = None
) -> list[Step]:
    """Database first: the new SQL serves the functions of before, the new functions want the new SQL."""
    dist = dist or page.DIST
    page_step = Step(
        "page",
        lambda: (
            f"upload {len(list(page.files_of(deployment, dist)))} files, invalidate index.html and config.json"
        ),
        lambda: page.upload(deployment, account, dist),
    )
    return [
        Step("database", lambda: _plan_database(deployment), lambda: database.push(deployment.database_url)),
        Step(
            "secret key",
            lambda: _plan_secret(deployment, account),
            lambda: secret.keep(deployment, account),
        ),
        Step(
            "functions",
            lambda: _plan_functions(deployment, account),
            lambda: functions.deploy(deployment, account, build),
        ),
        *([page_step] if deployment.hosts_page else []),
        Step("first admin", lambda: f"make {deployment.admin_email} one", lambda: admin.grant(deployment)),
        Step("smoke test", lambda: "run a tick and look", lambda: smoke.check(deployment, account)),
    ]


def run(every: list[Step]) -> None:
    """One progress line per step; the first that fails ends it."""
    for each in every:
        with step(each.title) as current:
            current.note = each.run()


def show(deployment: Deployment, account: Account, every: list[Step]) -> None:
    """What a deploy would do."""
    say(f"stage {deployment.stage}: stack {deployment.stack} in {account.region}, {deployment.supabase_url}")
    for each in every:
        say(f"  {each.title:12} {each.plan()}")
    for name, value in functions.overrides(deployment).items():
        say(f"  {'':12} {name}={value}")


def _plan_database(deployment: Deployment) -> Note:
    files = database.pending(deployment)
    return f"apply {len(files)} of {len(list(MIGRATIONS.glob('*.sql')))} migrations" + (
        f": {files[0]} ... {files[-1]}" if files else ""
    )


def _plan_secret(deployment: Deployment, account: Account) -> Note:
    same = secret.known(deployment, account) == deployment.secret_key
    return "unchanged" if same else f"store as {deployment.secret_key_parameter}"


def _plan_functions(deployment: Deployment, account: Account) -> Note:
    status = account.stack_status()
    return (
        f"build; create {deployment.stack}"
        if status is None
        else f"build; update {deployment.stack} ({status})"
    )
