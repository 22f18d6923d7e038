"""What template.yaml promises, read from what SAM makes of it."""

import importlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from boto3 import Session
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from handlers import deliver_notifications, make_reports, record_spooled
from watchkeeper.deliver import SEND_S

ROOT = Path(__file__).parents[2]
Resource = dict[str, Any]

# Each action that a function may take, and why it needs it.
ALLOWED_ACTIONS = {
    "ssm:GetParameter",  # the secret key; who delivers: the secrets of channels
    "secretsmanager:GetSecretValue",  # who delivers: the secrets of channels
    "ses:SendEmail", "ses:SendRawEmail",  # who delivers: e-mail, as one sender
    "sns:Publish",  # who delivers: topics of one prefix
    "sqs:SendMessage*",  # to wake others; emulators know SendMessageBatch by its own name
    "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",  # a worker's own queue
    "sqs:ChangeMessageVisibility*",  # who records what was spooled: when it is tried again
    "logs:CreateLogStream", "logs:PutLogEvents",  # its own log group
    "s3:PutObject", "s3:GetObject",  # who makes reports: its own files, and the links to them
    "s3:PutObjectRetention",  # who closes the books: the heads it has just written
    "lambda:InvokeFunction",  # the scheduler's role, on the one function
}  # fmt: skip

# Each resource that is not named to its end, and why.
WIDE_RESOURCES = {
    "parameter/watchkeeper/channels/*",  # operators add channels without a deploy
    "secret:watchkeeper/channels/*",  # likewise
    "identity/*", "configuration-set/*",  # SES asks for whichever it takes; the sender is fixed by a condition
    "sns:*:*:${SnsTopicPrefix}*",  # topics of any region and account, if their policies let us
    "${Reports.Arn}/reports/*", "${AuditHeads.Arn}/audit/*",  # files have a name each
}  # fmt: skip


@cache
def resources() -> dict[str, Resource]:
    source = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource.setdefault("Properties", {})["CodeUri"] = "s3://bucket/key"
    source["Globals"]["Function"].pop("CodeUri")
    translator = Translator({}, Parser(), None, Session(region_name="eu-central-1"))
    found: dict[str, Resource] = translator.translate(source, {"SupabaseUrl": "https://example.supabase.co"})[
        "Resources"
    ]
    return found


def of_type(kind: str) -> dict[str, Resource]:
    return {name: r["Properties"] for name, r in resources().items() if r["Type"] == kind}


def functions() -> list[str]:
    return sorted(of_type("AWS::Lambda::Function"))


def statements() -> list[dict[str, Any]]:
    found = []
    for role in of_type("AWS::IAM::Role").values():
        found += [s for policy in role.get("Policies", []) for s in policy["PolicyDocument"]["Statement"]]
    for policy in of_type("AWS::IAM::ManagedPolicy").values():
        found += policy["PolicyDocument"]["Statement"]
    return found


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", functions())
def test_each_handler_is_a_function_that_exists(name: str) -> None:
    module, function = of_type("AWS::Lambda::Function")[name]["Handler"].rsplit(".", 1)
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("name", functions())
def test_each_function_has_a_role_and_a_log_group_of_its_own(name: str) -> None:
    every = of_type("AWS::Lambda::Function")
    roles = [str(f["Role"]) for f in every.values()]
    groups = [str(f["LoggingConfig"]["LogGroup"]) for f in every.values()]
    assert roles.count(str(every[name]["Role"])) == 1
    assert groups.count(str(every[name]["LoggingConfig"]["LogGroup"])) == 1


def test_each_log_group_forgets() -> None:
    assert all("RetentionInDays" in group for group in of_type("AWS::Logs::LogGroup").values())


def test_nobody_may_do_more_than_is_listed_nor_to_everything() -> None:
    for statement in statements():
        assert set(listed(statement["Action"])) <= ALLOWED_ACTIONS
        assert "*" not in listed(statement["Resource"])


def test_what_is_not_named_to_its_end_has_its_reason() -> None:
    wide = {
        text
        for statement in statements()
        for resource in listed(statement["Resource"])
        if "*" in (text := str(resource.get("Fn::Sub", "")) if isinstance(resource, dict) else resource)
    }
    without = [text for text in wide if not any(text.endswith(known) for known in WIDE_RESOURCES)]
    assert without == []


def may(role: str, action: str) -> list[dict[str, Any]]:
    found = of_type("AWS::IAM::Role")[role]["Policies"]
    every = [s for policy in found for s in policy["PolicyDocument"]["Statement"]]
    return [s for s in every if action in listed(s["Action"])]


def test_who_delivers_reads_the_secrets_of_channels_and_no_others() -> None:
    for action in ("ssm:GetParameter", "secretsmanager:GetSecretValue"):
        (statement,) = may("DeliverNotificationsRole", action)
        assert "watchkeeper/channels/*" in str(statement["Resource"])


def test_mail_goes_out_as_one_sender_and_to_topics_of_one_prefix() -> None:
    (mail,) = may("DeliverNotificationsRole", "ses:SendRawEmail")
    assert mail["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "EmailFrom"}}}
    (topic,) = may("DeliverNotificationsRole", "sns:Publish")
    assert "watchkeeper-*" in str(topic["Resource"]) or "${SnsTopicPrefix}*" in str(topic["Resource"])


@pytest.mark.parametrize("name", sorted(n for n in of_type("AWS::IAM::Role") if n.startswith("Check")))
def test_a_worker_sends_to_who_delivers_and_to_the_spool_only(name: str) -> None:
    (statement,) = may(name, "sqs:SendMessage*")
    assert statement["Resource"] == [{"Fn::GetAtt": [queue, "Arn"]} for queue in ("Notifications", "Spool")]


def test_a_delivery_is_sent_before_its_lease_ends_and_its_function() -> None:
    function = of_type("AWS::Lambda::Function")["DeliverNotifications"]
    reserve_s = deliver_notifications.RESERVE_MS / 1000
    assert SEND_S < reserve_s < function["Timeout"]
    assert SEND_S < deliver_notifications.LEASE_S


def test_a_report_is_nobody_elses_while_its_function_may_still_run() -> None:
    function = of_type("AWS::Lambda::Function")["MakeReports"]
    assert make_reports.RESERVE_MS / 1000 < function["Timeout"] < make_reports.LEASE_S


BUCKETS = sorted(of_type("AWS::S3::Bucket"))


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_is_private_and_encrypted(name: str) -> None:
    bucket = of_type("AWS::S3::Bucket")[name]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]


@pytest.mark.parametrize("name", [name for name in BUCKETS if name != "PageFiles"])
def test_a_bucket_survives_its_stack(name: str) -> None:
    """The page can be built again; what was recorded and told cannot."""
    assert resources()[name]["DeletionPolicy"] == "RetainExceptOnCreate"


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_refuses_plain_http(name: str) -> None:
    (policy,) = [p for p in of_type("AWS::S3::BucketPolicy").values() if p["Bucket"] == {"Ref": name}]
    every = [s.get("Fn::If", [None, s])[1] for s in policy["PolicyDocument"]["Statement"]]
    (statement,) = [s for s in every if s["Effect"] == "Deny"]
    assert (statement["Principal"], statement["Action"]) == ("*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2, "the bucket and what is in it"


def test_reports_are_forgotten_and_heads_are_locked() -> None:
    (rule,) = of_type("AWS::S3::Bucket")["Reports"]["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == {"Ref": "ReportRetentionDays"}
    heads = of_type("AWS::S3::Bucket")["AuditHeads"]
    assert heads["VersioningConfiguration"] == {"Status": "Enabled"}
    assert heads["ObjectLockEnabled"]["Fn::If"][:2] == ["LocksHeads", True]
    assert "LifecycleConfiguration" not in heads


@pytest.mark.parametrize(
    ("role", "folder"), [("MakeReportsRole", "reports/*"), ("CloseBooksRole", "audit/*")]
)
def test_who_writes_a_bucket_writes_to_one_folder_and_deletes_nothing(role: str, folder: str) -> None:
    every = [
        s for p in of_type("AWS::IAM::Role")[role]["Policies"] for s in p["PolicyDocument"]["Statement"]
        if any(action.startswith("s3:") for action in listed(s["Action"]))
    ]  # fmt: skip
    (statement,) = every
    assert str(statement["Resource"]["Fn::Sub"]).endswith(f".Arn}}/{folder}")
    assert not [action for action in statement["Action"] if "Delete" in action or "Bypass" in action]


def test_each_queue_but_the_last_ones_has_a_dead_letter_queue() -> None:
    without = [name for name, queue in of_type("AWS::SQS::Queue").items() if "RedrivePolicy" not in queue]
    assert sorted(without) == ["DeadChecks", "DeadNotifications", "DeadResults"]


@pytest.mark.parametrize("name", sorted(of_type("AWS::Lambda::EventSourceMapping")))
def test_a_message_stays_hidden_six_timeouts_and_fails_alone(name: str) -> None:
    mapping = of_type("AWS::Lambda::EventSourceMapping")[name]
    queue = of_type("AWS::SQS::Queue")[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
    function = of_type("AWS::Lambda::Function")[mapping["FunctionName"]["Ref"]]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_what_can_still_be_recorded_never_becomes_a_dead_letter() -> None:
    spool = of_type("AWS::SQS::Queue")["Spool"]
    assert spool["MessageRetentionPeriod"] == 14 * 86_400
    assert spool["VisibilityTimeout"] == record_spooled.LONGEST_WAIT_S
    tries, waited = 0, 0
    while waited < spool["MessageRetentionPeriod"]:
        tries, waited = tries + 1, waited + record_spooled.wait_s(tries + 1)
    assert tries < spool["RedrivePolicy"]["maxReceiveCount"]


def test_a_stale_tick_is_not_replayed() -> None:
    schedule = of_type("AWS::Scheduler::Schedule")
    assert [s["Target"]["RetryPolicy"]["MaximumRetryAttempts"] for s in schedule.values()] == [0] * len(
        schedule
    )
    assert schedule


def test_two_stages_of_one_account_do_not_take_each_other_s_names() -> None:
    """What AWS does not name by itself carries the stack's or the stage's."""
    for kind, name in {
        "AWS::Scheduler::Schedule": "Name", "AWS::Logs::LogGroup": "LogGroupName", "AWS::CloudFront::Function": "Name",
    }.items():  # fmt: skip
        for properties in of_type(kind).values():
            assert "${AWS::StackName}" in str(properties[name]) or "${Stage}" in str(properties[name])
    names = [str(schedule["Name"]) for schedule in of_type("AWS::Scheduler::Schedule").values()]
    assert len(set(names)) == len(names)


def test_a_tick_is_told_which_minute_it_is_for() -> None:
    schedule = of_type("AWS::Scheduler::Schedule")["ScheduleChecksEveryMinute"]
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["Target"]["Input"] == '{"scheduled_time": "<aws.scheduler.scheduled-time>"}'


def test_no_secret_is_in_the_environment() -> None:
    for function in of_type("AWS::Lambda::Function").values():
        names = function["Environment"]["Variables"]
        assert not [n for n in names if "KEY" in n and not n.endswith("_PARAMETER")]
