import asyncio
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.watchkeeper.notifiers.support import HOSTILE, SETTINGS, claimed
from watchkeeper import aws
from watchkeeper.deliver import Access, deliver
from watchkeeper.messages import Settlement
from watchkeeper.notifiers.sns import subject
from watchkeeper.secrets import Secrets
from watchkeeper.text import Wording

REGION = "eu-central-1"


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        aws._make.cache_clear()
        yield
    aws._make.cache_clear()


@pytest.fixture
def inbox() -> tuple[str, Any]:
    """A topic, and how to read what its subscriber got."""
    sns, sqs = boto3.client("sns", REGION), boto3.client("sqs", REGION)
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return topic, lambda: [
        json.loads(message["Body"])
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    ]


def publish(topic: str, event: str = "trigger", **given: Any) -> Settlement:
    document = claimed("sns", event, config={"topic_arn": topic}, **given)
    return asyncio.run(deliver(document, Access(SETTINGS, secrets=Secrets({}))))[0]


@pytest.mark.parametrize("event", ["trigger", "escalate", "remind", "acknowledge", "resolve", "test"])
def test_subscribers_get_subject_text_and_attributes(inbox: tuple[str, Any], event: str) -> None:
    topic, read = inbox
    settlement = publish(topic, event)
    (got,) = read()
    assert (settlement.outcome, settlement.provider_id) == ("sent", got["MessageId"])
    assert got["MessageAttributes"]["event"]["Value"] == event
    assert ("anvil: chain stalled" in got["Subject"]) == (event != "test")


@pytest.mark.parametrize("given", [{"message": HOSTILE, "target": HOSTILE[:100]}, {"count": 50}])
def test_hostile_text_and_storms_stay_within_the_limits(
    inbox: tuple[str, Any], given: dict[str, Any]
) -> None:
    topic, read = inbox
    assert publish(topic, **given).outcome == "sent"
    (got,) = read()
    assert len(got["Subject"]) <= 100
    assert got["Subject"].isascii()
    assert got["Subject"].isprintable()
    assert len(got["Message"]) < 60_000


def test_a_topic_that_is_gone_is_permanent() -> None:
    settlement = publish(f"arn:aws:sns:{REGION}:123456789012:gone")
    assert settlement.outcome == "dead"
    assert "NotFound" in (settlement.error or "")


def test_an_arn_that_is_none_is_refused() -> None:
    assert (publish("arn:aws:sqs:x").error or "").startswith("config.topic_arn: ")


def test_a_fifo_topic_keeps_the_order_of_an_alert() -> None:
    topic = boto3.client("sns", REGION).create_topic(Name="alerts.fifo", Attributes={"FifoTopic": "true"})
    assert publish(topic["TopicArn"]).outcome == "sent"
    assert publish(topic["TopicArn"], "test").outcome == "sent"


def test_a_subject_without_ascii_is_still_a_subject() -> None:
    assert subject(Wording("שלום\u2026 é", (), (), (), "info", "test")).isascii()


class RefusedError(Exception):
    def __init__(self, code: str, status: int) -> None:
        self.response = {
            "Error": {"Code": code, "Message": "no"},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }


@pytest.mark.parametrize(
    ("code", "status", "permanent"),
    [
        ("AuthorizationError", 403, True),
        ("MessageRejected", 400, True),
        ("InvalidParameter", 400, True),
        ("Throttling", 400, False),
        ("ExpiredToken", 403, False),
        ("InternalError", 500, False),
    ],
)
def test_what_awss_refusals_mean(code: str, status: int, permanent: bool) -> None:
    error = aws.translate(RefusedError(code, status), "SNS")
    assert (error.permanent, error.reason) == (permanent, f"SNS: {code}: no")


def test_an_aws_that_is_not_reached_is_temporary() -> None:
    assert not aws.translate(OSError("no route"), "SNS").permanent
