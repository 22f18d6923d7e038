"""A batch of checks: run together, recorded together; what is broken costs itself only."""

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import UUID

import boto3
import httpx
import pytest
from moto import mock_aws

from handlers import run_checks
from tests.handlers.doubles import Context, Json, Rpcs, refusal
from watchkeeper.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

FIRED = {"alert_id": "a", "target": "t", "alert_type": "service_down", "transition": "fired"}
COUNTS = {"recorded": 1, "repeated": 0, "late": 0, "dropped": 0, "transitions": []}


class Worker:
    """One process of the function with its database."""

    def __init__(self, rpcs: Rpcs) -> None:
        self.rpcs = rpcs
        rpcs.answers["record_check_results"] = lambda _: COUNTS
        rpcs.answers["settle_probe"] = lambda _: {"settled": True}

    def run(self, *bodies: str) -> list[str]:
        """The ids of the messages that come again."""
        reply = run_checks.handler(sqs_event(*bodies), Context())
        return [failure["itemIdentifier"] for failure in reply["batchItemFailures"]]

    def recorded(self) -> list[Json]:
        return [r for args in self.rpcs.called("record_check_results") for r in args["results"]]


@pytest.fixture
def worker(rpcs: Rpcs, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    store = rpcs.store()
    monkeypatch.setattr(run_checks, "store", lambda: store)
    monkeypatch.setattr(run_checks, "settings", lambda: settings)
    run_checks.access.cache_clear()
    yield Worker(rpcs)
    run_checks.access.cache_clear()


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def nobody() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def sqs_event(*bodies: str) -> dict[str, Any]:
    return {"Records": [sqs_record(f"m{n}", body) for n, body in enumerate(bodies)]}


def sqs_record(message_id: str, body: str) -> dict[str, Any]:
    return {
        "messageId": message_id,
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:checks",
        "awsRegion": "eu-central-1",
    }


def task(n: int, endpoint: str, *, age: timedelta = timedelta(), **more: object) -> Json:
    return {
        "check_id": str(UUID(int=n)),
        "target_id": str(UUID(int=100 + n)),
        "target": f"service-{n}",
        "kind": "uptime",
        "due_at": (datetime.now(UTC) - age).isoformat(),
        "delay_s": 0,
        "interval_s": 60,
        "timeout_s": 5,
        "chain": None,
        "network": None,
        "endpoint": endpoint,
        "settings": {},
        "params": {},
        **more,
    }


def message(*tasks: Json) -> str:
    return json.dumps({"kind": "uptime", "tasks": list(tasks)})


def test_all_tasks_of_a_batch_are_recorded_in_one_call(worker: Worker, service: str, nobody: str) -> None:
    assert worker.run(message(task(1, service), task(2, nobody)), message(task(3, service))) == []
    assert len(worker.rpcs.called("record_check_results")) == 1
    outcomes = {UUID(r["check_id"]).int: r["outcome"] for r in worker.recorded()}
    assert outcomes == {1: "ok", 2: "fail", 3: "ok"}


def test_a_message_that_nobody_can_read_fails_alone(worker: Worker, service: str) -> None:
    assert worker.run("{", message(task(1, service)), '{"kind": "uptime"}') == ["m0", "m2"]
    assert len(worker.recorded()) == 1


def test_a_task_that_makes_no_sense_does_not_spoil_its_message(worker: Worker, service: str) -> None:
    assert worker.run(message(task(1, service, timeout_s=None), task(2, service))) == []
    assert [UUID(r["check_id"]).int for r in worker.recorded()] == [2]


def test_a_task_with_keys_of_a_newer_database_is_run(worker: Worker, service: str) -> None:
    worker.run(message(task(1, service, shard=7)))
    assert len(worker.recorded()) == 1


def test_parameters_nobody_understands_are_unknown_not_lost(worker: Worker, service: str) -> None:
    worker.run(message(task(1, service, params={"no_such": 1}), task(2, service, kind="no_such")))
    assert [r["outcome"] for r in worker.recorded()] == ["unknown", "unknown"]
    assert all(r["reason"] for r in worker.recorded())


def test_a_stale_task_is_not_run(worker: Worker, service: str) -> None:
    old = task(1, service, age=timedelta(seconds=126))
    late = task(2, service, age=timedelta(seconds=120))
    assert worker.run(message(old, late)) == []
    assert [UUID(r["check_id"]).int for r in worker.recorded()] == [2]


def test_nothing_is_recorded_when_nothing_was_run(worker: Worker, service: str) -> None:
    assert worker.run(message(task(1, service, age=timedelta(hours=1)))) == []
    assert worker.rpcs.calls == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503, text="upstream"),
        refusal("42501", "permission denied for function record_check_results", 403),
        refusal("PGRST202", "Could not find the function", 404),
    ],
)
def test_a_batch_that_cannot_be_recorded_comes_again(
    worker: Worker, service: str, answer: httpx.Response
) -> None:
    worker.rpcs.answers["record_check_results"] = lambda _: answer
    assert worker.run(message(task(1, service)), message(task(2, service)), "{") == ["m0", "m1", "m2"]


def test_a_result_that_is_refused_does_not_spoil_the_others(worker: Worker, service: str) -> None:
    refused = str(UUID(int=2))

    def picky(args: Json) -> object:
        for n, result in enumerate(args["results"]):
            if result["check_id"] == refused:
                return refusal("22023", f"results[{n}].samples[0].value: must be a finite number")
        return COUNTS

    worker.rpcs.answers["record_check_results"] = picky
    assert worker.run(message(*(task(n, service) for n in (1, 2, 3)))) == []
    last = worker.rpcs.called("record_check_results")[-1]["results"]
    assert [UUID(r["check_id"]).int for r in last] == [1, 3]


def test_a_refusal_of_a_result_that_was_not_sent_comes_again(worker: Worker, service: str) -> None:
    worker.rpcs.answers["record_check_results"] = lambda _: refusal("22023", "results[9].outcome: no")
    assert worker.run(message(task(1, service))) == ["m0"]


def probe(n: int, endpoint: str) -> Json:
    return task(n, endpoint, probe_id=str(UUID(int=n)))


def test_what_a_probe_finds_goes_to_whoever_asked_and_is_not_recorded(
    worker: Worker, service: str, nobody: str
) -> None:
    assert worker.run(message(probe(1, service), task(2, service), probe(3, nobody))) == []
    assert [UUID(r["check_id"]).int for r in worker.recorded()] == [2]
    settled = worker.rpcs.called("settle_probe")
    assert {UUID(each["probe_id"]).int: each["result"]["outcome"] for each in settled} == {1: "ok", 3: "fail"}


def test_probes_alone_record_nothing(worker: Worker, service: str) -> None:
    worker.run(message(probe(1, service)))
    assert [name for name, _ in worker.rpcs.calls] == ["settle_probe"]


def test_a_probe_that_is_refused_costs_itself_only(worker: Worker, service: str) -> None:
    worker.rpcs.answers["settle_probe"] = lambda _: refusal("22023", "result.reason: is needed")
    assert worker.run(message(probe(1, service), task(2, service), probe(3, service))) == []
    assert len(worker.recorded()) == 1
    assert len(worker.rpcs.called("settle_probe")) == 2


def test_a_probe_that_cannot_be_settled_now_comes_again(worker: Worker, service: str) -> None:
    worker.rpcs.answers["settle_probe"] = lambda _: httpx.Response(503, text="upstream")
    assert worker.run(message(probe(1, service))) == ["m0"]


def test_what_fired_is_logged(worker: Worker, nobody: str, caplog: pytest.LogCaptureFixture) -> None:
    worker.rpcs.answers["record_check_results"] = lambda _: {**COUNTS, "transitions": [FIRED]}
    worker.run(message(task(1, nobody)))
    assert "service_down" in [getattr(record, "alert_type", None) for record in caplog.records]


def test_batches_share_one_event_loop(worker: Worker, service: str) -> None:
    worker.run(message(task(1, service)))
    first = run_checks.runner().get_loop()
    worker.run(message(task(2, service)))
    assert run_checks.runner().get_loop() is first


@pytest.fixture
def notifications(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """The bodies that wait in the queue of who delivers."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        sqs: SQSClient = boto3.client("sqs", region_name="eu-central-1")
        url = sqs.create_queue(QueueName="notifications")["QueueUrl"]
        monkeypatch.setattr(run_checks, "sqs", lambda: sqs)
        monkeypatch.setattr(run_checks, "notify_queue_url", lambda: url)
        yield lambda: [m["Body"] for m in sqs.receive_message(QueueUrl=url).get("Messages", [])]


def test_who_delivers_is_woken_once_when_something_fired(
    worker: Worker, nobody: str, notifications: Callable[[], list[str]]
) -> None:
    worker.rpcs.answers["record_check_results"] = lambda _: {**COUNTS, "transitions": [FIRED, FIRED]}
    assert worker.run(message(task(1, nobody)), message(task(2, nobody))) == []
    assert notifications() == ["{}"]


def test_nobody_is_woken_when_nothing_changed(
    worker: Worker, service: str, notifications: Callable[[], list[str]]
) -> None:
    worker.run(message(task(1, service)))
    assert notifications() == []


@pytest.mark.usefixtures("notifications")
@pytest.mark.parametrize("url", ["https://sqs.eu-central-1.amazonaws.com/123456789012/gone", None])
def test_a_nudge_that_fails_does_not_bring_the_batch_again(
    worker: Worker, nobody: str, monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    monkeypatch.setattr(run_checks, "notify_queue_url", lambda: url)
    worker.rpcs.answers["record_check_results"] = lambda _: {**COUNTS, "transitions": [FIRED]}
    assert worker.run(message(task(1, nobody))) == []
    assert len(worker.recorded()) == 1


@pytest.fixture
def spool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Json]]]:
    """The messages that wait for the database."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        sqs: SQSClient = boto3.client("sqs", region_name="eu-central-1")
        url = sqs.create_queue(QueueName="spool")["QueueUrl"]
        monkeypatch.setattr(run_checks, "sqs", lambda: sqs)
        monkeypatch.setattr(run_checks, "spool_queue_url", lambda: url)
        yield lambda: [json.loads(m["Body"]) for m in sqs.receive_message(QueueUrl=url).get("Messages", [])]


def test_results_that_cannot_be_recorded_are_spooled_and_their_messages_done(
    worker: Worker,
    service: str,
    nobody: str,
    spool: Callable[[], list[Json]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    worker.rpcs.answers["record_check_results"] = lambda _: httpx.Response(503, text="upstream")
    ticked = json.loads(message(task(1, service), task(2, nobody))) | {"correlation_id": "the tick"}
    assert worker.run(json.dumps(ticked), "{") == ["m1"]
    (kept,) = spool()
    assert kept["correlation_id"] == "the tick"
    assert {UUID(r["check_id"]).int: r["outcome"] for r in kept["results"]} == {1: "ok", 2: "fail"}
    counted = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (counted["ResultsSpooled"], counted["StoreUnreachable"]) == (2, 1)


def test_what_the_database_may_take_later_is_spooled_too(
    worker: Worker, service: str, spool: Callable[[], list[Json]]
) -> None:
    """A wrong key, or a function that a migration is about to bring."""
    worker.rpcs.answers["record_check_results"] = lambda _: refusal("42501", "permission denied", 403)
    assert worker.run(message(task(1, service))) == []
    assert len(spool()) == 1


def test_what_can_neither_be_recorded_nor_spooled_comes_again(
    worker: Worker, service: str, spool: Callable[[], list[Json]], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.rpcs.answers["record_check_results"] = lambda _: httpx.Response(503, text="upstream")
    gone = "https://sqs.eu-central-1.amazonaws.com/123456789012/gone"
    monkeypatch.setattr(run_checks, "spool_queue_url", lambda: gone)
    assert worker.run(message(task(1, service))) == ["m0"]
    assert spool() == []
