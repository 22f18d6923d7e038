"""`make deploy`, for real: the official CLI, SAM, MiniStack with IAM enforced, a project that is new."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from infra.cli.api import OperatorStore
from infra.deploy import functions, preflight
from infra.deploy.__main__ import main
from infra.deploy.account import Account
from infra.deploy.destroy import destroy
from infra.deploy.settings import Deployment, read
from infra.deploy.smoke import _get
from infra.deploy.steps import run, steps
from infra.local.aws import REGION, Aws
from infra.local.build import ZIP, build
from infra.local.migrations import read_all
from infra.local.paths import ROOT, TEMPLATE
from infra.local.people import sign_up
from infra.local.steps import LocalError
from tests.infra.deploy.conftest import ADMIN, InjectedError, Project, Steps, broken, values
from tests.stories.world import eventually
from watchkeeper.catalog import catalog

SignIn = Callable[[str], dict[str, str]]
JOB = "repo:us/watchkeeper:environment:tried"
EMPTY = '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}'
IMPOSSIBLE = '{"Resources": {"Page": {"Type": "AWS::CloudFront::Function", "Properties": {"Name": "x"}}}}'


def said(template: str) -> list[str]:
    """It without its comments, which make no other stack."""
    return [line for line in template.splitlines() if not line.lstrip().startswith("#")]


def previous_template() -> str:
    """The newest committed one that says something else than this."""
    command = ["git", "log", "-n", "20", "--format=%H", "--", TEMPLATE.name]
    commits = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    for commit in commits:
        shown = subprocess.run(
            ["git", "show", f"{commit}:{TEMPLATE.name}"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        if said(shown) != said(TEMPLATE.read_text()):
            return shown
    pytest.skip("no older template.yaml: this is no checkout with its history")


TICKS = "handlers/schedule_checks.py"
BEFORE = "before"


def older_code(newer: Path, older: Path) -> None:
    """The same, but for a tick that says that it is of the version before."""
    with zipfile.ZipFile(newer) as found, zipfile.ZipFile(older, "w") as made:
        for entry in found.infolist():
            code = found.read(entry)
            if entry.filename == TICKS:
                code += f"\n\ndef region_name() -> str:\n    return {BEFORE!r}\n".encode()
            if "schedule_checks" not in entry.filename or entry.filename == TICKS:
                made.writestr(entry.filename, code)


def test_what_a_failed_creation_left_is_cleared_away(account: Account, deployment: Deployment) -> None:
    cloudformation = account.client("cloudformation")
    cloudformation.create_stack(StackName=deployment.stack, TemplateBody=IMPOSSIBLE)
    assert account.stack_status() == "ROLLBACK_COMPLETE"
    (why,) = account.failures()
    assert why.startswith("Page: ")
    assert "removed" in str(account.make_ready())
    assert account.stack_status() is None
    cloudformation.create_stack(StackName=deployment.stack, TemplateBody=EMPTY)
    assert account.make_ready() is None, "what lives is left alone"
    account.delete_stack()


KEPT = ("AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::Logs::LogGroup", "AWS::SNS::Topic")
WAITS = '{"kind": "uptime", "tasks": []}'


def kept(account: Account, deployment: Deployment) -> dict[str, str]:
    """What holds data, by its name in the template."""
    found = account.client("cloudformation").describe_stack_resources(StackName=deployment.stack)
    return {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for each in found["StackResources"]
        if each["ResourceType"] in KEPT
    }


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    """What held data in the version before, filled by the test that installs it."""
    return {}


def test_the_previous_version_runs(
    account: Account, deployment: Deployment, tmp_path: Path, before: dict[str, str]
) -> None:
    older = re.sub(r"CodeUri: \S+", f"CodeUri: {ZIP}", previous_template())
    (tmp_path / TEMPLATE.name).write_text(older)
    older_code(build() / ZIP, tmp_path / ZIP)
    assert functions.deploy(deployment, account, tmp_path) == "created"
    assert account.stack_status() == "CREATE_COMPLETE"
    before |= kept(account, deployment)
    sqs = account.client("sqs")
    sqs.send_message(QueueUrl=before["DeadChecks"], MessageBody=WAITS)
    sqs.send_message(QueueUrl=before["UptimeChecks"], MessageBody=WAITS, DelaySeconds=900)


def ticked(project: Project) -> dict[str, str]:
    """When each version ticked last, by where it says it is."""
    with OperatorStore(project.gateway.url, project.keys.secret_key) as store:
        return {each["name"]: each["last_tick_at"] for each in store.list_regions()}


def test_a_failure_after_any_step_and_then_again(
    project: Project, account: Account, every_step: Steps
) -> None:
    """The worst moment is when the work is done and nobody was told: the step is then run once more."""
    titles = [step.title for step in every_step()]
    assert titles == ["database", "secret key", "functions", "page", "first admin", "smoke test"]
    begin = 0  # what comes before the functions is run again each time; the functions take long
    for n, title in enumerate(titles):
        attempt = every_step()
        attempt[n] = broken(attempt[n])
        with pytest.raises(InjectedError, match=title):
            run(attempt[begin:])
        if title == "database":
            project.restart_api()
        if title == "secret key":
            account.client("lambda").invoke(FunctionName=account.output("ScheduleChecksFunction"))
            assert set(ticked(project)) == {BEFORE}, "the version before works on with the new database"
        if title == "functions":
            begin = n + 1


def test_a_second_deploy_by_github_s_role_changes_nothing_and_sees_a_check_recorded(
    project: Project,
    deployment: Deployment,
    dist: Path,
    github: SignIn,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in github(JOB).items():
        monkeypatch.setenv(name, value)
    gateway, keys = project.gateway, project.keys
    sign_up(gateway.url, keys.publishable_key, ADMIN, "a long enough password")
    with OperatorStore(gateway.url, keys.secret_key) as store:
        store.publish_catalog(catalog("loopback"))
        checks = {"uptime": {"interval_s": 3600, "timeout_s": 5}}
        store.save_target({"name": "its own API", "endpoint": gateway.url, "checks": checks})
    run(steps(deployment, Account(deployment), dist, build()))
    said = {
        line.split("  ")[-1].split(":")[0]: line
        for line in capsys.readouterr().out.splitlines()
        if ": " in line
    }
    assert said["database"].endswith(": 0 migrations applied")
    assert said["secret key"].endswith(": unchanged")
    assert said["functions"].endswith(": no change")
    assert said["page"].endswith(": 0 files uploaded, 0 removed")
    assert said["first admin"].endswith(f": {ADMIN} is one now")
    assert "its own API checked and recorded" in said["smoke test"]
    assert "page: https://" in said["smoke test"]


@pytest.fixture(scope="module")
def asked() -> list[datetime]:
    """Since when the check of the target is due, and nobody but the Scheduler runs a function."""
    return []


def test_upgrading_and_deploying_twice_keeps_messages_and_the_schedule(
    account: Account,
    deployment: Deployment,
    project: Project,
    before: dict[str, str],
    asked: list[datetime],
) -> None:
    after = kept(account, deployment)
    assert {name: after.get(name) for name in before} == before, "none is made anew, none is gone"
    sqs = account.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=before["DeadChecks"])["Messages"]
    assert message["Body"] == WAITS
    counts = sqs.get_queue_attributes(QueueUrl=before["UptimeChecks"], AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesDelayed"] == "1"
    schedule = account.client("scheduler").get_schedule(Name=f"{deployment.stack}-schedule-checks")
    assert (schedule["State"], schedule["ScheduleExpression"]) == ("ENABLED", "rate(1 minute)")
    assert schedule["Target"]["Arn"].endswith(f":{account.output('ScheduleChecksFunction')}")
    with OperatorStore(project.gateway.url, project.keys.secret_key) as store:
        store.run_check_now(store.list_targets()[0]["id"])
    with project.database.connect() as db:
        asked += db.execute("select clock_timestamp()").fetchone() or ()


@pytest.mark.parametrize(
    "subject",
    [
        "repo:them/watchkeeper:environment:tried",
        "repo:us/watchkeeper:environment:prod",
        "repo:us/watchkeeper:pull_request",
    ],
)
def test_no_other_job_gets_the_role(github: SignIn, subject: str) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        github(subject)


def test_the_role_reaches_nothing_of_another_stage(
    deployment: Deployment, github: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in github(JOB).items():
        monkeypatch.setenv(name, value)
    account = Account(deployment)
    assert account.outputs()["AuditHeadsBucket"]
    for service, call, arguments in [
        ("ssm", "get_parameter", {"Name": "/watchkeeper/prod/supabase-secret-key"}),
        ("cloudformation", "delete_stack", {"StackName": "watchkeeper-prod"}),
        (
            "s3",
            "delete_object",
            {"Bucket": account.output("AuditHeadsBucket"), "Key": "audit/2026/01/01.json"},
        ),
        ("iam", "create_user", {"UserName": "somebody"}),
    ]:
        with pytest.raises(ClientError, match=r"AccessDenied"):
            getattr(account.client(service), call)(**arguments)


def test_the_database_has_all_and_its_admin(project: Project) -> None:
    with project.database.connect() as db:
        versions = db.execute(
            "select version from supabase_migrations.schema_migrations order by 1"
        ).fetchall()
    assert [version for (version,) in versions] == [migration.version for migration in read_all()]
    with OperatorStore(project.gateway.url, project.keys.secret_key) as store:
        assert [(each["email"], each["role"]) for each in store.list_members()] == [(ADMIN, "admin")]


@pytest.mark.parametrize(
    ("path", "status", "cached"),
    [
        ("/", 200, "no-cache"),
        ("/alerts/0b9d", 200, "no-cache"),
        ("/config.json", 200, "no-cache"),
        ("/assets/main-one.js", 200, "public, max-age=31536000, immutable"),
        ("/assets/main-none.js", 403, None),
    ],
)
def test_the_page_is_served(account: Account, path: str, status: int, cached: str | None) -> None:
    reply = _get(account.output("PageUrl") + path)
    assert reply.status_code == status
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    if status == 200:
        assert reply.headers["cache-control"] == cached
        assert ("gzip" in reply.headers.get("content-encoding", "")) == (path != "/config.json")


def test_a_dry_run_says_what_would_be_done(
    project: Project, dist: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all of the preflight against what really runs."""
    for name, value in values(project, RUNBOOK_URL="https://runbooks.example/").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("infra.deploy.page.DIST", dist)
    code = main(["deploy", "tried", "--dry-run"])
    said = capsys.readouterr()
    assert (code, said.err) == (0, "")
    assert "apply 0 of" in said.out
    assert re.search(r"functions +build; update watchkeeper-tried \(UPDATE_COMPLETE\)", said.out)
    assert "RunbookUrl=https://runbooks.example/" in said.out
    assert project.keys.secret_key not in said.out


def test_what_is_wrong_is_named_all_at_once(
    project: Project, cloud: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = values(
        project,
        SUPABASE_SECRET_KEY="sb_secret_of_another_project",
        SUPABASE_DB_URL=re.sub(r":[^:@/]+@", ":wr0ngpassw0rd@", project.database.url),
        AWS_ACCOUNT_ID="999999999999",
        SMTP_PORT="mail",
        PAGE_DOMAIN="status.example.org",
    )
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    assert main(["deploy", "tried"]) == 1
    said = capsys.readouterr().err
    for name in ("SUPABASE_SECRET_KEY", "SUPABASE_DB_URL", "AWS_ACCOUNT_ID", "SMTP_PORT", "PAGE_DOMAIN"):
        assert f"  - {name}" in said
    assert "wr0ngpassw0rd" not in said
    assert cloud.client("sts").get_caller_identity()["Account"] in said


def test_the_scheduler_s_own_tick_runs_the_new_version(project: Project, asked: list[datetime]) -> None:
    """The tests since then took a part of the minute."""
    query = "select region, missed from watchkeeper.runs where claimed_at > %s and outcome is not null"
    with project.database.connect() as db:
        runs = eventually(lambda: db.execute(query, asked).fetchall(), within_s=120)
    assert runs == [(REGION, False)]
    last = {version: datetime.fromisoformat(tick) for version, tick in ticked(project).items()}
    assert last[REGION] > asked[0] > last[BEFORE], "and the version before ticks no more"


def test_nothing_is_destroyed_without_the_stage_s_name(account: Account, deployment: Deployment) -> None:
    with pytest.raises(LocalError, match="nothing was removed"):
        destroy(deployment, account, lambda _: "yes")
    assert account.stack_status() == "UPDATE_COMPLETE"


def test_destroying_keeps_the_database_the_reports_and_the_audit_heads(
    account: Account, deployment: Deployment, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = account.outputs()
    destroy(deployment, account, lambda _: deployment.stage)
    assert account.stack_status() is None
    left = {bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]}
    assert {outputs["ReportsBucket"], outputs["AuditHeadsBucket"]} <= left
    assert outputs["PageBucket"] not in left
    assert account.client("lambda").list_functions()["Functions"] == []
    parameters = account.client("ssm").describe_parameters()["Parameters"]
    assert deployment.secret_key_parameter not in [each["Name"] for each in parameters]
    with OperatorStore(project.gateway.url, project.keys.secret_key) as store:
        assert [target["name"] for target in store.list_targets()] == ["its own API"]
    said = capsys.readouterr().out
    assert outputs["AuditHeadsBucket"] in said
    assert "kept: the database" in said
    destroy(deployment, account, lambda _: "")  # there is nothing left to ask about


def test_no_credentials_is_said_with_what_to_do(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    deployment, _ = read("tried", values(project))
    (said,) = preflight.aws(deployment, Account(deployment))
    assert "aws sso login" in said
    without, _ = read("tried", values(project, AWS_REGION=""))
    (said,) = preflight.aws(without, Account(without))
    assert said.startswith("AWS_REGION: is not set")


def test_a_project_that_sleeps_is_told_from_a_wrong_key(project: Project) -> None:
    asleep, _ = read("tried", values(project, SUPABASE_URL="http://127.0.0.1:9"))
    (said,) = preflight.api(asleep)
    assert "paused" in said
