"""The AWS of the laptop stack: MiniStack, and the real template deployed to it."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infra.local.build import SAM, SAM_SETTINGS, build, runtime
from infra.local.commands import run
from infra.local.paths import PYTHON
from infra.local.ports import HOST, accepts
from infra.local.processes import Process
from infra.local.steps import LocalError

REGION = "us-east-1"
STACK = "watchkeeper"
PACKAGES = "watchkeeper-packages"
# How messages leave a laptop, unless the environment says otherwise: mail catchers such as Mailpit listen here.
DELIVERY = {
    "EmailFrom": ("EMAIL_FROM", "watchkeeper@localhost"),
    "EmailTransport": ("EMAIL_TRANSPORT", "smtp"),
    "SmtpHost": ("SMTP_HOST", HOST),
    "SmtpPort": ("SMTP_PORT", "1025"),
    "SmtpSecurity": ("SMTP_SECURITY", "none"),
    "DashboardUrl": ("DASHBOARD_URL", ""),  # empty: our own
    "RunbookUrl": ("RUNBOOK_URL", ""),
}
# What MiniStack cannot: it speaks plain HTTP, and alarms compute nothing.
EMULATED = {"RequireTls": "false", "MetricMath": "false"}
SECRET_KEY_PARAMETER = "/watchkeeper/supabase-secret-key"  # noqa: S105  (its name, not its value)


class Aws:
    """MiniStack. It keeps nothing: every start deploys anew, and what has to last is in Postgres."""

    def __init__(self, state: Path, port: int) -> None:
        self.port = port
        self.region = REGION
        self.stack = STACK
        self.url = f"http://{HOST}:{port}"
        self._scratch = state / "tmp"
        self.process = Process("aws", [PYTHON, "-m", "ministack"], state, env=self._environment())

    def _environment(self) -> dict[str, str]:
        """Functions inherit it, so CHANNEL_... of the user's environment are where channels look for secrets."""
        return {
            **without_aws_settings(),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "LAMBDA_EXECUTOR": "local",  # functions run on the interpreter MiniStack runs on
            "AUTH": "true",  # the roles of the template are enforced
            "IOT_MTLS_ENABLED": "0",  # would listen on a fixed port
            "SFTP_ENABLED": "0",
            "TMPDIR": str(self._scratch),
        }

    def start(self) -> None:
        """Starts it and waits until it listens."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)
        self.process.start()
        self.process.wait_until(lambda: accepts(self.port))

    def stop(self) -> None:
        """Stops it and the functions it runs."""
        self.process.stop(timeout_s=3)  # it keeps nothing, so killing it loses nothing
        shutil.rmtree(self._scratch, ignore_errors=True)

    def elsewhere(self, region: str) -> Aws:
        """The same account in another region. With the same name, MiniStack would give both stacks the same roles."""
        other = copy(self)
        other.region, other.stack = region, f"{STACK}-{region}"
        return other

    def client(self, service: str) -> Any:
        """A boto3 client of it. Typed as Any: which methods there are depends on the name."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  (MiniStack's own)
            config=Config(connect_timeout=5, retries={"total_max_attempts": 1}),
        )

    def environment(self) -> dict[str, str]:
        """What a program needs to talk to it, and cannot talk to a real account with."""
        return {
            **without_aws_settings(),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": self.region,
        }

    def put_secret_key(self, value: str) -> None:
        """Stores the API's secret key where the functions read it."""
        self.client("ssm").put_parameter(
            Name=SECRET_KEY_PARAMETER, Value=value, Type="SecureString", Overwrite=True
        )

    def deploy(self, supabase_url: str, dashboard_url: str) -> None:
        """Builds the template for this machine and deploys it."""
        folder = build()
        packages = f"{PACKAGES}-{self.region}"
        self.client("s3").create_bucket(Bucket=packages, **_placed(self.region))
        parameters = {
            "Stage": "local",
            "Arch": architecture(),
            "PythonRuntime": runtime(),
            "SupabaseUrl": supabase_url,
            "SupabaseSecretKeyParameter": SECRET_KEY_PARAMETER,
            "PrivateTargets": "loopback",
            "DashboardUrl": dashboard_url,
            "LogRetentionDays": "1",
            "HostPage": "false",
            **EMULATED,
            **delivery_parameters(),
        }
        command: list[str | Path] = [
            SAM, "deploy", "--template-file", folder / "template.yaml", "--stack-name", self.stack,
            "--s3-bucket", packages, "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset",
            "--no-progressbar", "--no-fail-on-empty-changeset",
            "--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items()),
        ]  # fmt: skip
        run("sam deploy", command, cwd=folder, env={**SAM_SETTINGS, **self.environment()})

    def output(self, name: str) -> str:
        """One of the template's outputs."""
        stack = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        return next(str(each["OutputValue"]) for each in stack["Outputs"] if each["OutputKey"] == name)

    def schedule_checks(self) -> Any:
        """Runs the scheduling function now instead of at the next minute."""
        reply = self.client("lambda").invoke(
            FunctionName=self.output("ScheduleChecksFunction"),
            Payload=json.dumps({"scheduled_time": "<aws.scheduler.scheduled-time>"}).encode(),
        )
        payload = reply["Payload"].read().decode()
        if reply.get("FunctionError"):
            raise LocalError(f"schedule_checks failed: {payload[:1500]}")
        return json.loads(payload)


def _placed(region: str) -> dict[str, Any]:
    """S3's first region has no name for it."""
    return {} if region == REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}


def delivery_parameters(env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The template's parameters for messages. What is empty is left to the template."""
    given = {name: env.get(variable, "").strip() or usual for name, (variable, usual) in DELIVERY.items()}
    return {name: value for name, value in given.items() if value}


def architecture() -> str:
    """This machine's, as Lambda names it."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def without_aws_settings() -> dict[str, str]:
    """The environment without any account the user may be signed in to: nothing here may reach it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
