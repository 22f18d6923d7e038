"""`python -m infra.deploy STAGE [--dry-run | --destroy]`, which make deploy and make destroy run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from infra.deploy import preflight
from infra.deploy.account import Account, AwsError
from infra.deploy.destroy import destroy
from infra.deploy.settings import Deployment, read, values_of
from infra.deploy.steps import run, show, steps
from infra.local.steps import LocalError, complain, say
from watchkeeper.errors import WatchkeeperError


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1: something is missing or failed, and it was said what."""
    parser = argparse.ArgumentParser(prog="make deploy")
    parser.add_argument("stage")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--destroy", action="store_true", help="remove the stage from AWS")
    args = parser.parse_args(arguments)
    try:
        return _destroy(args.stage) if args.destroy else _deploy(args.stage, dry_run=args.dry_run)
    except (LocalError, WatchkeeperError, *AwsError) as error:
        complain(f"make {'destroy' if args.destroy else 'deploy'}: {error}")
        if not args.dry_run:
            complain("What was done stays done; mend it and run the same again.")
        return 1
    except KeyboardInterrupt:
        return 130


def _deploy(stage: str, *, dry_run: bool) -> int:
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
    if dry_run:
        show(deployment, account, every)
        return 0
    say(f"deploying {deployment.stack} to {account.region}, {deployment.supabase_url}")
    run(every)
    if deployment.hosts_page:
        url = account.output("PageUrl")
        say(f"\nthe page: {url}\nName it in Supabase, too: Authentication > URL Configuration > Site URL")
    return 0


def _destroy(stage: str) -> int:
    values, _ = values_of(stage, os.environ)
    deployment, _ = read(stage, values)
    account = _account(deployment)
    problems = list(preflight.aws(deployment, account))
    if problems:
        raise LocalError("; ".join(problems))
    destroy(deployment, account)
    return 0


def _account(deployment: Deployment) -> Account:
    try:
        return Account(deployment)
    except AwsError as error:
        raise LocalError(f"AWS_PROFILE: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
