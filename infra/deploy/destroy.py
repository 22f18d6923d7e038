"""`make destroy`: the stack goes. What cannot be made again stays: the database, the reports, the audit heads."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from infra.deploy import page, secret
from infra.deploy.account import Account
from infra.deploy.settings import Deployment
from infra.local.steps import LocalError, say, step

KEPT = ("ReportsBucket", "AuditHeadsBucket")


def destroy(deployment: Deployment, account: Account, ask: Callable[[str], str] = input) -> None:
    """Removes the stack after the stage's name was typed, or set as CONFIRM where nobody can type."""
    status = account.stack_status()
    kept = {} if status is None else {name: account.outputs().get(name) for name in KEPT}
    if status is not None:
        _confirm(deployment, account, ask)
        with step("page"):
            page.empty(account)
        with step(f"stack {deployment.stack}"):
            account.delete_stack()
    with step("secret key"):
        secret.forget(deployment, account)
    say(f"\nkept: the database of {deployment.supabase_url or 'the project'}, with all that was recorded")
    for bucket in filter(None, kept.values()):
        say(f"kept: the bucket {bucket}")


def _confirm(deployment: Deployment, account: Account, ask: Callable[[str], str]) -> None:
    given = os.environ.get("CONFIRM", "").strip()
    if not given:
        if ask is input and not sys.stdin.isatty():
            raise LocalError(
                f"nobody to ask: make destroy STAGE={deployment.stage} CONFIRM={deployment.stage}"
            )
        given = ask(
            f"This ends all checks of {deployment.stack} in {account.region}. Type the stage's name to go on: "
        ).strip()
    if given != deployment.stage:
        raise LocalError(f"{given!r} is not {deployment.stage!r}: nothing was removed")
