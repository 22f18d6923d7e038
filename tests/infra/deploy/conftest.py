"""An installation of the tests' own: an empty project, an account, a page, and the real deploy in between."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from infra.deploy import parameters
from infra.deploy.account import Account
from infra.deploy.settings import Deployment, read
from infra.deploy.steps import Step, steps
from infra.local.aws import EMULATED, REGION, Aws, architecture
from infra.local.build import build
from infra.local.gateway import Gateway
from infra.local.paths import ROOT
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
        **{parameters.setting(name): value for name, value in EMULATED.items()},
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


ROLE = ROOT / "infra" / "github-deploy-role.yaml"
PROVIDER = "arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com"


@pytest.fixture(scope="module")
def github(cloud: Aws, deployment: Deployment) -> Callable[[str], dict[str, str]]:
    """Signs in as a job of GitHub does: github("repo:us/watchkeeper:environment:tried") is its environment."""
    template = yaml_parse(ROLE.read_text())
    del template["Resources"]["GitHub"]  # MiniStack has no such resource; its trust in the provider it keeps
    (trust,) = template["Resources"]["Deploy"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    trust["Principal"] = {"Federated": PROVIDER}
    given = {"Repository": "us/watchkeeper", "Stage": deployment.stage}
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(
        StackName="role", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
    )  # fmt: skip
    (stack,) = cloudformation.describe_stacks(StackName="role")["Stacks"]
    (role,) = [each["OutputValue"] for each in stack["Outputs"]]

    def sign_in(subject: str) -> dict[str, str]:
        _let_in_plain_http(cloud)
        found = cloud.client("sts").assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="job", WebIdentityToken=_token(subject)
        )["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
            "AWS_SESSION_TOKEN": found["SessionToken"],
        }

    return sign_in


def _let_in_plain_http(cloud: Aws) -> None:
    """SAM's bucket of packages refuses it, and MiniStack speaks nothing else."""
    s3 = cloud.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        if bucket["Name"].startswith("aws-sam-cli-managed-default"):
            s3.delete_bucket_policy(Bucket=bucket["Name"])


def _token(subject: str) -> str:
    issuer = {"iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com"}
    parts = [{"alg": "RS256"}, {**issuer, "sub": subject, "iat": 1_700_000_000, "exp": 4_102_444_800}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "signature"])
