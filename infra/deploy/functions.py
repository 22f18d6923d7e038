"""The AWS side: the laptop's build, deployed by SAM."""

from __future__ import annotations

from pathlib import Path

from infra.deploy.account import Account
from infra.deploy.settings import Deployment
from infra.local.build import PACKAGE, PLATFORMS, SAM, SAM_SETTINGS, package, runtime
from infra.local.commands import run
from infra.local.paths import TEMPLATE
from infra.local.steps import LocalError


def deploy(deployment: Deployment, account: Account, folder: Path | None = None) -> str:
    """Creates or updates the stack; CloudFormation takes back an update that fails."""
    cleared = account.make_ready()
    before = account.stack_status()
    folder = folder or _packaged(deployment.parameters.get("Arch", "arm64"))
    command: list[str | Path] = [
        SAM, "deploy", "--template-file", folder / "template.yaml", "--stack-name", deployment.stack,
        "--resolve-s3", "--s3-prefix", deployment.stack, "--capabilities", "CAPABILITY_IAM",
        "--no-confirm-changeset", "--no-progressbar", "--no-fail-on-empty-changeset",
        "--tags", f"watchkeeper={deployment.stage}",
        "--parameter-overrides", *(f"{name}={value}" for name, value in overrides(deployment).items()),
    ]  # fmt: skip
    env = {**SAM_SETTINGS, **account.environment()}
    try:
        said = run("sam deploy", command, cwd=folder, env=env, timeout_s=3600)
    except LocalError as error:
        # SAM prints a table of all that was taken back; why is long before its end.
        raise LocalError("\n".join([*account.failures(), str(error)])) from error
    changed = "created" if before is None else "no change" if "No changes to deploy" in said else "updated"
    return f"{changed}; {cleared}" if cleared else changed


def _packaged(arch: str) -> Path:
    """Where the template finds the zip for Lambda. The same sources make the same bytes, which change nothing."""
    package(PACKAGE, PLATFORMS[arch])
    return TEMPLATE.parent


def overrides(deployment: Deployment) -> dict[str, str]:
    """The template's parameters."""
    return {
        **deployment.parameters,
        "Stage": deployment.stage,
        "PythonRuntime": runtime(),
        "SupabaseUrl": deployment.supabase_url,
        "SupabaseSecretKeyParameter": deployment.secret_key_parameter,
    }
