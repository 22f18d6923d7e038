"""GitHub's workflows: valid, pinned, with no more rights than they use; and the role that deploys by OIDC."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from samtranslator.yaml_helper import yaml_parse

from infra.deploy import parameters
from infra.deploy.settings import NAMES
from infra.local.changelog import notes
from infra.local.paths import ROOT, VENV
from infra.local.steps import LocalError
from tests.house.test_template import resources

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ROLE: dict[str, Any] = yaml_parse((ROOT / "infra" / "github-deploy-role.yaml").read_text())["Resources"]
# Statements about everything, and why they cannot be about less.
ABOUT_ALL = {
    "TemplateInHand": "a template that is not deployed yet has no name",
    "Mappings": "named by a number; a condition says of which functions",
    "MappingsRead": "reading knows no condition",
    "LogsRead": "describing takes no name",
    "AlarmsRead": "likewise",
}
EVENT = re.compile(r"\$\{\{")


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def runs(file: Path) -> list[dict[str, Any]]:
    return [step for job in read(file)["jobs"].values() for step in job["steps"]]


def test_github_would_take_them() -> None:
    for schema, files in {
        "vendor.github-workflows": WORKFLOWS,
        "vendor.dependabot": [ROOT / ".github" / "dependabot.yml"],
    }.items():
        subprocess.run([VENV / "bin" / "check-jsonschema", "--builtin-schema", schema, *files], check=True)
    assert [file.stem for file in WORKFLOWS] == ["dependencies", "deploy", "release", "test"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_actions_are_pinned_and_leave_no_token_behind(file: Path) -> None:
    for line in re.findall(r"uses: .*", file.read_text()):
        assert re.fullmatch(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v[\d.]+", line)
    for step in runs(file):
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_nobody_may_write_but_the_job_that_has_to(file: Path) -> None:
    workflow = read(file)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    more = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert (
        more
        == {
            "test": {},
            "deploy": {"deploy": {"contents": "read", "id-token": "write"}},
            "dependencies": {"update": {"contents": "write", "pull-requests": "write"}},
            "release": {"release": {"contents": "write"}},
        }[file.stem]
    )


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_scripts_run_what_is_there_and_nothing_that_was_typed(file: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for step in runs(file):
        script = step.get("run", "")
        assert not EVENT.search(script), "what people type goes by the environment"
        for target in re.findall(r"make (\w+)", script):
            assert f"\n{target}:" in makefile


def test_a_deploy_gives_settings_that_there_are_and_reads_its_secrets_from_its_environment() -> None:
    file = ROOT / ".github" / "workflows" / "deploy.yml"
    (job,) = read(file)["jobs"].values()
    assert job["environment"] == "${{ inputs.stage }}"
    known = {*NAMES, *map(parameters.setting, parameters.declared()), "STAGE", "DRY_RUN", "SETTINGS"}
    given = {name for step in runs(file) for name in step.get("env", {})}
    assert given <= known
    assert {"SUPABASE_DB_URL", "SUPABASE_SECRET_KEY"} <= given


def test_a_release_says_what_it_brings() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert notes(version)
    with pytest.raises(LocalError, match="the tag says 9"):
        notes("9.9.9")


def statements() -> list[dict[str, Any]]:
    policies = [r["Properties"] for r in ROLE.values() if r["Type"] == "AWS::IAM::ManagedPolicy"]
    return [s for policy in policies for s in policy["PolicyDocument"]["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_only_jobs_of_the_stage_s_environment_take_the_role() -> None:
    (trust,) = ROLE["Deploy"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {"Fn::Sub": "repo:${Repository}:environment:${Stage}"},
        }
    }


def test_it_names_each_call_and_what_it_is_about() -> None:
    for statement in statements():
        assert not [action for action in listed(statement["Action"]) if "*" in action]
        if statement["Resource"] == "*":
            assert ABOUT_ALL[statement["Sid"]]
    (passed,) = [s for s in statements() if "iam:PassRole" in listed(s["Action"])]
    assert passed["Condition"]["StringEquals"]["iam:PassedToService"]


def test_it_may_not_make_users_or_touch_what_is_kept_as_evidence() -> None:
    allowed = {action for s in statements() if s["Effect"] == "Allow" for action in listed(s["Action"])}
    assert not [action for action in allowed if re.match(r"iam:.*(User|Group|AccessKey|Login)", action)]
    (denied,) = [s for s in statements() if s["Effect"] == "Deny"]
    assert "s3:DeleteObject" in denied["Action"]
    assert "auditheads" in str(denied["Resource"])


def test_every_kind_of_resource_in_the_template_can_be_made() -> None:
    allowed = {action.lower() for s in statements() for action in listed(s["Action"])}
    makes = ("create", "put", "subscribe", "addpermission")
    for kind in {resource["Type"] for resource in resources().values()}:
        _, name, noun = kind.lower().split("::")
        noun = {"managedpolicy": "policy", "bucketpolicy": "bucketpolicy", "alarm": "metricalarm"}.get(
            noun, noun
        )
        noun = {"eventinvokeconfig": "functioneventinvokeconfig", "subscription": ""}.get(noun, noun)
        assert [a for a in allowed if a in {f"{name}:{verb}{noun}" for verb in makes}], kind
