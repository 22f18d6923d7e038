"""Packing tasks into messages, and sending them to a queue that moto pretends."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from watchkeeper import queues
from watchkeeper.queues import Message, Sent, pack, send, unpack

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def task(delay_s: float = 0, **more: object) -> dict[str, Any]:
    return {"check_id": "c", "kind": "p2p", "delay_s": delay_s, **more}


@given(st.lists(st.floats(min_value=0, max_value=2000), max_size=200))
def test_every_task_arrives_once_and_never_late(delays: list[float]) -> None:
    messages = pack("p2p", [task(delay, n=n) for n, delay in enumerate(delays)])
    arrived = [(t["n"], m.delay_s) for m in messages for t in unpack(m.body)[1]]
    assert sorted(n for n, _ in arrived) == list(range(len(delays)))
    assert all(delay_s == min(int(delays[n]), 900) for n, delay_s in arrived)
    assert all(m.count == len(unpack(m.body)[1]) <= 25 for m in messages)


def test_a_message_is_the_kind_and_its_tasks() -> None:
    (message,) = pack("p2p", [task(3.9)])
    assert json.loads(message.body) == {"kind": "p2p", "tasks": [task(3.9)]}
    assert message.delay_s == 3


def test_large_tasks_share_no_message() -> None:
    large = [task(note="x" * 90_000) for _ in range(5)]
    messages = pack("p2p", large)
    assert [m.count for m in messages] == [2, 2, 1]
    assert all(len(m.body) < queues.MESSAGE_BYTES + 100 for m in messages)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "{}",
        '{"kind": "p2p"}',
        '{"kind": 1, "tasks": []}',
        '{"kind": "p2p", "tasks": [1]}',
    ],
)
def test_what_is_not_a_message_of_tasks_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(body)


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator["SQSClient"]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield boto3.client("sqs", region_name="eu-central-1")


def test_more_than_a_batch_is_sent_in_batches(sqs: "SQSClient") -> None:
    url = sqs.create_queue(QueueName="checks")["QueueUrl"]
    messages = pack("p2p", [task(second) for second in range(23)])
    assert send(sqs, url, messages) == Sent(23)
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert int(counts["ApproximateNumberOfMessages"]) == 1
    assert int(counts["ApproximateNumberOfMessagesDelayed"]) == 22


def test_a_queue_that_is_not_there_costs_its_tasks_only(sqs: "SQSClient") -> None:
    sent = send(sqs, "http://localhost:1/none", pack("p2p", [task()]))
    assert sent.tasks == 0
    assert len(sent.refusals) == 1


def test_a_refused_entry_is_offered_once_more(sqs: "SQSClient") -> None:
    first, second = Message("a", 0, 2), Message("b", 5, 3)
    with Stubber(sqs) as stub:
        stub.add_response("send_message_batch", refuses("1"), offers(first, second))
        stub.add_response("send_message_batch", refuses(), offers(second))
        assert send(sqs, "u", [first, second]) == Sent(5)


def test_an_entry_that_is_refused_twice_is_given_up(sqs: "SQSClient") -> None:
    first, second = Message("a", 0, 2), Message("b", 5, 3)
    with Stubber(sqs) as stub:
        stub.add_response("send_message_batch", refuses("0"), offers(first, second))
        stub.add_response("send_message_batch", refuses("0"), offers(first))
        assert send(sqs, "u", [first, second]) == Sent(3, ("InternalError: try later",))


def refuses(*ids: str) -> dict[str, Any]:
    failed = [{"Id": n, "Code": "InternalError", "Message": "try later", "SenderFault": False} for n in ids]
    return {"Successful": [], "Failed": failed}


def offers(*messages: Message) -> dict[str, Any]:
    entries = [
        {"Id": str(n), "MessageBody": m.body, "DelaySeconds": m.delay_s} for n, m in enumerate(messages)
    ]
    return {"QueueUrl": "u", "Entries": entries}
