"""Everything that is missing, named at once and before anything is touched."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg

from infra.deploy import page
from infra.deploy.account import Account, AwsError
from infra.deploy.settings import Deployment
from infra.local.build import SAM
from infra.local.node import OLDEST_MAJOR, find_node, supabase_binary
from infra.local.steps import LocalError

# The oldest of which the commands used here are known to work.
SAM_VERSION = (1, 170)
SUPABASE_VERSION = (3, 1)


def look(deployment: Deployment, account: Account, dist: Path | None = None) -> list[str]:
    """What is missing or does not answer, each with what to do."""
    looks: list[Callable[[], Iterator[str]]] = [
        tools,
        lambda: aws(deployment, account),
        lambda: database(deployment),
        lambda: api(deployment),
        lambda: built_page(deployment, dist or page.DIST),
    ]
    with ThreadPoolExecutor(len(looks)) as pool:
        return [problem for found in pool.map(lambda each: list(each()), looks) for problem in found]


def tools() -> Iterator[str]:
    """The programs that are run."""
    if find_node() is None:
        yield f"node: there is no Node {OLDEST_MAJOR} or newer; run make setup"
    yield from _version("sam", lambda: SAM, SAM_VERSION, "run make setup")
    yield from _version(
        "supabase", supabase_binary, SUPABASE_VERSION, "run make setup, or install a newer one"
    )


def _version(name: str, find: Callable[[], Path], oldest: tuple[int, int], do: str) -> Iterator[str]:
    try:
        printed = subprocess.run(
            [find(), "--version"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except LocalError as error:
        yield f"{name}: {error}"
        return
    except (OSError, subprocess.SubprocessError) as error:
        yield f"{name}: does not run ({error}); {do}"
        return
    found = re.search(r"(\d+)\.(\d+)", printed)
    if found is None or (int(found[1]), int(found[2])) < oldest:
        yield f"{name}: is {printed.strip()}, but {'.'.join(map(str, oldest))} is wanted; {do}"


def aws(deployment: Deployment, account: Account) -> Iterator[str]:
    """Who we are, where, and whether somebody else deploys."""
    if not account.region:
        yield "AWS_REGION: is not set, and the profile names none; e.g. eu-central-1, near the Supabase project"
        return
    try:
        identity = account.identity()
    except AwsError as error:
        yield f"AWS credentials: {error}; set AWS_PROFILE, or sign in: aws sso login, aws configure"
        return
    if deployment.account_id and identity["Account"] != deployment.account_id:
        yield (
            f"AWS_ACCOUNT_ID: these credentials are for the account {identity['Account']}, "
            f"and the stage {deployment.stage} is in {deployment.account_id}"
        )
        return
    try:
        status = account.stack_status()
    except AwsError as error:
        yield f"AWS: cannot look at the stack {deployment.stack}: {error}"
        return
    if status and status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        yield f"AWS: the stack {deployment.stack} is {status}: somebody deploys it now; wait until that is over"


def database(deployment: Deployment) -> Iterator[str]:
    """Whether migrations can be applied."""
    if not deployment.database_url.startswith(("postgres://", "postgresql://")):
        return
    try:
        with psycopg.connect(deployment.database_url, connect_timeout=10) as db:
            found = db.execute("select has_database_privilege(current_database(), 'create')").fetchone()
    except (psycopg.Error, UnicodeError) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        yield (
            f"SUPABASE_DB_URL: the database does not let us in: {why}; is the password right, and is it not the "
            "direct address (IPv6 only) from a network without IPv6? Connect > Session pooler shows the other"
        )
        return
    if found != (True,):
        yield "SUPABASE_DB_URL: this role may create nothing; use the role postgres"


def api(deployment: Deployment) -> Iterator[str]:
    """Whether the keys are this project's."""
    if not deployment.supabase_url:
        return
    keys: Mapping[str, str] = {
        "SUPABASE_SECRET_KEY": deployment.secret_key,
        "SUPABASE_PUBLISHABLE_KEY": deployment.publishable_key,
    }
    for name, key in keys.items():
        if not key:
            continue
        try:
            # A function that does not exist: right keys get 404, wrong ones 401.
            url = f"{deployment.supabase_url}/rest/v1/rpc/is_there_nobody"
            reply = httpx.post(url, headers={"apikey": key}, json={}, timeout=15)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            yield f"SUPABASE_URL: {deployment.supabase_url} does not answer: {error}; is the project paused?"
            return
        if reply.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            yield f"{name}: {deployment.supabase_url} refuses it ({reply.status_code}); is it of another project?"
        elif reply.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            yield f"SUPABASE_URL: {deployment.supabase_url} answers {reply.status_code}; is the project paused?"
            return


def built_page(deployment: Deployment, dist: Path) -> Iterator[str]:
    """Whether there is a page to upload."""
    if deployment.hosts_page and (problem := page.incomplete(dist)):
        yield problem
