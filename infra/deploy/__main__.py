"""`python -m infra.deploy VERB STAGE ...`: what make deploy, destroy, backup and restore run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from infra.deploy import preflight
from infra.deploy.account import Account, AwsError
from infra.deploy.backup import backup, restore
from infra.deploy.destroy import destroy
from infra.deploy.settings import Deployment, read, values_of
from infra.deploy.steps import run, show, steps
from infra.local.steps import LocalError, complain, say, step
from watchkeeper.errors import WatchkeeperError


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1: something is missing or failed, and it was said what."""
    args = _parsed(arguments)
    try:
        return VERBS[args.verb](args)
    except (LocalError, WatchkeeperError, *AwsError) as error:
        complain(f"make {args.verb}: {error}")
        if args.verb in ("deploy", "destroy"):
            complain("What was done stays done; mend it and run the same again.")
        return 1
    except KeyboardInterrupt:
        return 130


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy")
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("stage")
    parser.add_argument("--dry-run", action="store_true", help="deploy: only say what would be done")
    parser.add_argument("--file", type=Path, help="backup, restore: where the data is")
    return parser.parse_args(arguments)


def _deploy(args: argparse.Namespace) -> int:
    stage = args.stage
    values, unknown = values_of(stage, os.environ)
    deployment, missing = read(stage, values)
    account = _account(deployment)
    problems = [*unknown, *missing, *preflight.look(deployment, account)]
    if problems:
        complain(
            f"make deploy STAGE={stage}: not ready; set these in the environment or in deploy/{stage}.env"
        )
        for problem in problems:
            complain(f"  - {problem}")
        return 1
    every = steps(deployment, account)
    if args.dry_run:
        show(deployment, account, every)
        return 0
    say(f"deploying {deployment.stack} to {account.region}, {deployment.supabase_url}")
    run(every)
    if deployment.hosts_page:
        url = account.output("PageUrl")
        say(f"\nthe page: {url}\nName it in Supabase, too: Authentication > URL Configuration > Site URL")
    return 0


def _destroy(args: argparse.Namespace) -> int:
    deployment = _known(args.stage)
    account = _account(deployment)
    problems = list(preflight.aws(deployment, account))
    if problems:
        raise LocalError("; ".join(problems))
    destroy(deployment, account)
    return 0


def _backup(args: argparse.Namespace) -> int:
    deployment = _reachable(args.stage)
    file = args.file or Path(f"watchkeeper-{args.stage}-{datetime.now(UTC):%Y-%m-%d-%H%M}.sql.gz")
    with step("backup") as current:
        current.note = backup(deployment.database_url, file)
    return 0


def _restore(args: argparse.Namespace) -> int:
    if args.file is None:
        raise LocalError(f"name the file: make restore STAGE={args.stage} FILE=backup.sql.gz")
    restore(_reachable(args.stage), args.file)
    return 0


def _reachable(stage: str) -> Deployment:
    deployment = _known(stage)
    problems = list(preflight.database(deployment))
    if not deployment.database_url:
        problems.append(f"SUPABASE_DB_URL: is not set, nor is it in deploy/{stage}.env")
    if problems:
        raise LocalError("; ".join(problems))
    return deployment


def _known(stage: str) -> Deployment:
    """What there is of it: neither destroying nor a backup needs all settings."""
    values, _ = values_of(stage, os.environ)
    return read(stage, values)[0]


def _account(deployment: Deployment) -> Account:
    try:
        return Account(deployment)
    except AwsError as error:
        raise LocalError(f"AWS_PROFILE: {error}") from error


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "deploy": _deploy,
    "destroy": _destroy,
    "backup": _backup,
    "restore": _restore,
}

if __name__ == "__main__":
    sys.exit(main())
