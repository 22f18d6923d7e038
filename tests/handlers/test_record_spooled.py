"""What was spooled is recorded in due order, comes again while it can be, and is given up only when it is refused."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from handlers import record_spooled
from tests.handlers.doubles import Context, Json, Rpcs, refusal
from watchkeeper.queues import pack_results
from watchkeeper.settings import SpoolSettings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

COUNTS = {"recorded": 1, "repeated": 0, "late": 0, "dropped": 0, "transitions": []}
FIRED = {"alert_id": "a", "target": "t", "alert_type": "service_down", "transition": "fired"}


def result(n: int) -> Json:
    return {"check_id": f"c{n}", "due_at": f"2026-11-23T12:{n:02}:00+00:00"}


class Spool:
    """One process of the function, with its queues and its database."""

    def __init__(self, sqs: "SQSClient", rpcs: Rpcs, urls: dict[str, str]) -> None:
        self.sqs, self.rpcs, self.urls = sqs, rpcs, urls
        rpcs.answers["record_check_results"] = lambda _: COUNTS

    def refuse(self, check_id: str) -> None:
        def answer(args: Json) -> object:
            for n, each in enumerate(args["results"]):
                if each["check_id"] == check_id:
                    return refusal("22023", f"results[{n}].outcome: no")
            return COUNTS

        self.rpcs.answers["record_check_results"] = answer

    def run(self, *bodies: str, tries: int = 1) -> list[str]:
        """Sends, receives that often, and lets the function see the last time; which messages come again."""
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.urls["spool"], MessageBody=body)
        records: list[Json] = []
        for _ in range(tries):
            found = self.sqs.receive_message(
                QueueUrl=self.urls["spool"],
                MaxNumberOfMessages=10,
                VisibilityTimeout=0,
                AttributeNames=["All"],
            )["Messages"]
            records = [
                {"messageId": m["MessageId"], "receiptHandle": m["ReceiptHandle"], "body": m["Body"],
                 "attributes": m["Attributes"]} for m in found
            ]  # fmt: skip
        again = record_spooled.handler({"Records": records}, Context())["batchItemFailures"]
        named = {record["messageId"]: record["body"] for record in records}
        return [str(named[each["itemIdentifier"]]) for each in again]

    def waiting(self, queue: str) -> list[Json]:
        found = self.sqs.receive_message(QueueUrl=self.urls[queue], MaxNumberOfMessages=10).get(
            "Messages", []
        )
        return [json.loads(message["Body"]) for message in found]

    def recorded(self) -> list[str]:
        return [r["check_id"] for args in self.rpcs.called("record_check_results") for r in args["results"]]


@pytest.fixture
def spool(rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        sqs: SQSClient = boto3.client("sqs", region_name="eu-central-1")
        urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("spool", "dead", "notify")}
        store = rpcs.store()
        monkeypatch.setattr(record_spooled, "store", lambda: store)
        monkeypatch.setattr(record_spooled, "sqs", lambda: sqs)
        monkeypatch.setattr(record_spooled, "spool", lambda: SpoolSettings(urls["spool"], urls["dead"]))
        monkeypatch.setattr(record_spooled, "notify_queue_url", lambda: urls["notify"])
        yield Spool(sqs, rpcs, urls)


def body(*numbers: int) -> str:
    (message,) = pack_results([result(n) for n in numbers])
    return message.body


def test_a_batch_is_recorded_in_due_order(spool: Spool) -> None:
    assert spool.run(body(3, 4), body(1)) == []
    assert spool.recorded() == ["c1", "c3", "c4"]


def test_while_the_database_is_away_all_come_again_and_ever_later(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.rpcs.answers["record_check_results"] = lambda _: refusal("PGRST000", "away", 503)
    asked: list[Any] = []
    monkeypatch.setattr(
        spool.sqs, "change_message_visibility_batch", lambda **args: asked.extend(args["Entries"])
    )
    assert sorted(spool.run(body(1), body(2), tries=3)) == [body(1), body(2)]
    assert [each["VisibilityTimeout"] for each in asked] == [120, 120]
    assert spool.waiting("dead") == []


def test_waits_grow_to_what_the_queue_says() -> None:
    assert [record_spooled.wait_s(n) for n in (1, 2, 3, 6, 7, 900)] == [30, 60, 120, 960, 1260, 1260]


def test_a_refused_result_comes_again_some_times_and_then_is_kept_apart(spool: Spool) -> None:
    spool.refuse("c2")
    assert spool.run(body(1, 2), tries=record_spooled.TRIES - 1) == [body(1, 2)]
    assert spool.waiting("dead") == []
    assert spool.run(body(1, 2), tries=record_spooled.TRIES) == []
    assert spool.waiting("dead") == [{"results": [result(2)]}]
    assert "c1" in spool.recorded()


def test_a_message_nobody_can_read_is_kept_apart_too(spool: Spool) -> None:
    assert spool.run('{"no": "results"}', body(1), tries=record_spooled.TRIES) == []
    assert spool.waiting("dead") == [{"no": "results"}]
    assert spool.recorded() == ["c1"]


def test_what_cannot_be_kept_apart_comes_again(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = "https://sqs.eu-central-1.amazonaws.com/123456789012/gone"
    monkeypatch.setattr(record_spooled, "spool", lambda: SpoolSettings(spool.urls["spool"], gone))
    assert spool.run("{", tries=record_spooled.TRIES) == ["{"]


def test_who_delivers_is_woken_when_the_newest_evidence_was_spooled(spool: Spool) -> None:
    spool.rpcs.answers["record_check_results"] = lambda _: {**COUNTS, "transitions": [FIRED]}
    spool.run(body(1))
    assert len(spool.waiting("notify")) == 1
