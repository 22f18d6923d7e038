"""An installation of the tests' own: an empty project, an account, a page, and the real deploy in between."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from infra.deploy.account import Account
from infra.deploy.settings import Deployment, read
from infra.deploy.steps import Step, steps
from infra.local.aws import REGION, Aws, architecture
from infra.local.build import build
from infra.local.gateway import Gateway
from infra.local.ports import free_ports
from infra.local.stack import Stack
from tests.support.parts import Cluster, Database

ADMIN = "first@example.org"


@dataclass
class Project:
    """A Supabase project as it is when it is new."""

    database: Database
    gateway: Gateway
    keys: Any

    def restart_api(self) -> None:
        """What hosted projects do by themselves after a migration: see the new functions."""
        self.gateway.stop()
        self.gateway.start()


@pytest.fixture(scope="module")
def project(stack: Stack, cluster: Cluster, session_folder: Path) -> Iterator[Project]:
    database = cluster.copy("empty")
    (port,) = free_ports(1)
    gateway = Gateway(session_folder / "project", port, database.superuser_url, stack.credentials)
    gateway.start()
    yield Project(database, gateway, stack.credentials)
    gateway.stop()
    cluster.drop(database)


@pytest.fixture(scope="module")
def cloud(session_folder: Path) -> Iterator[Aws]:
    """An account with nothing in it; what is deployed here ticks here."""
    (port,) = free_ports(1)
    aws = Aws(session_folder / "cloud", port)
    aws.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment().items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        yield aws
    aws.stop()


def values(project: Project, **more: str) -> dict[str, str]:
    """What an operator would write into deploy/STAGE.env, and what an emulator needs."""
    return {
        "SUPABASE_URL": project.gateway.url,
        "SUPABASE_DB_URL": project.database.url,
        "SUPABASE_SECRET_KEY": project.keys.secret_key,
        "SUPABASE_PUBLISHABLE_KEY": project.keys.publishable_key,
        "ADMIN_EMAIL": ADMIN,
        "AWS_REGION": REGION,
        "ARCH": architecture(),
        "PRIVATE_TARGETS": "loopback",
        "REQUIRE_TLS": "false",
        **more,
    }


@pytest.fixture(scope="module")
def deployment(project: Project) -> Deployment:
    found, missing = read("tried", values(project))
    assert missing == []
    return found


@pytest.fixture(scope="module")
def account(cloud: Aws, deployment: Deployment) -> Account:  # noqa: ARG001  (it has to run)
    return Account(deployment)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page, built as dashboard/build.mjs builds it."""
    folder = tmp_path_factory.mktemp("dist")
    write_page(folder, "one")
    return folder


def write_page(folder: Path, version: str) -> None:
    """Another version has other assets."""
    assets = folder / "assets"
    assets.mkdir(exist_ok=True)
    for old in assets.iterdir():
        old.unlink()
    files = {
        assets / f"main-{version}.js": f"console.log('{version}')",
        assets / "styles-same.css": "body { color: black }",
        folder / "index.html": f"<!doctype html><script type=module src=/assets/main-{version}.js></script>",
    }
    for path, text in files.items():
        path.write_text(text)
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
        path.with_name(f"{path.name}.br").write_bytes(b"packed by brotli")
    (folder / "config.json").write_text(
        json.dumps({"api_url": "", "publishable_key": "", "health_every_s": 30})
    )


Steps = Callable[[], list[Step]]


@pytest.fixture(scope="module")
def every_step(deployment: Deployment, account: Account, dist: Path) -> Steps:
    """The steps of `make deploy`, with the build for this machine."""
    return lambda: steps(deployment, account, dist, build())


def broken(step: Step) -> Step:
    """One that fails half-way: after its work, before anybody knows."""

    def run() -> str:
        step.run()
        raise InjectedError(step.title)

    return replace(step, run=run)


class InjectedError(Exception):
    """What a failure in the middle looks like."""
