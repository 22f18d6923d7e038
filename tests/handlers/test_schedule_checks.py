"""A tick: what is claimed reaches its queue at its second, and nothing stops the rest."""

import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from handlers import schedule_checks
from tests.handlers.doubles import Context, Json, Rpcs, refusal
from watchkeeper.errors import StoreError
from watchkeeper.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

EVENT = {"scheduled_time": "2026-11-23T12:00:00Z"}


def task(n: int = 1, kind: str = "p2p", delay_s: float = 0) -> Json:
    return {"check_id": f"c{n}", "kind": kind, "due_at": "2026-11-23T12:00:30+00:00", "delay_s": delay_s}


class Tick:
    """One process of the function, with its queues and its database."""

    def __init__(self, sqs: "SQSClient", rpcs: Rpcs) -> None:
        self.sqs, self.rpcs = sqs, rpcs
        self.pages: list[list[Json]] = []
        rpcs.answers["publish_catalog"] = lambda _: None
        rpcs.answers["claim_due_checks"] = lambda _: self.pages.pop(0) if self.pages else []

    def claims(self, *pages: list[Json]) -> None:
        self.pages = list(pages)

    def run(self, context: Context | None = None) -> dict[str, int]:
        counts: dict[str, int] = schedule_checks.handler(EVENT, context or Context())
        return counts

    def received(self, kind: str) -> list[Json]:
        url = self.sqs.get_queue_url(QueueName=kind)["QueueUrl"]
        found = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        messages = [json.loads(message["Body"]) for message in found]
        assert {message.pop("correlation_id") for message in messages} <= {Context.aws_request_id}
        return messages

    def waiting(self, kind: str) -> int:
        url = self.sqs.get_queue_url(QueueName=kind)["QueueUrl"]
        counts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(counts["ApproximateNumberOfMessagesDelayed"])


@pytest.fixture
def tick(rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tick]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        sqs: SQSClient = boto3.client("sqs", region_name="eu-central-1")
        urls = {kind: sqs.create_queue(QueueName=kind)["QueueUrl"] for kind in ("p2p", "mempool", "notify")}
        store = rpcs.store()
        monkeypatch.setattr(
            schedule_checks, "settings", lambda: Settings("http://db", "key", queue_urls=urls)
        )
        monkeypatch.setattr(schedule_checks, "notify_queue_url", lambda: urls["notify"])
        monkeypatch.setattr(schedule_checks, "store", lambda: store)
        monkeypatch.setattr(schedule_checks, "sqs", lambda: sqs)
        schedule_checks.publish_catalog_once.cache_clear()
        yield Tick(sqs, rpcs)
        schedule_checks.publish_catalog_once.cache_clear()


def test_due_checks_go_to_the_queue_of_their_kind(tick: Tick) -> None:
    tick.claims([task(1, "p2p"), task(2, "mempool"), task(3, "p2p")])
    assert tick.run() == {"claimed": 3, "sent": 3}
    assert tick.received("p2p") == [{"kind": "p2p", "tasks": [task(1, "p2p"), task(3, "p2p")]}]
    assert tick.received("mempool") == [{"kind": "mempool", "tasks": [task(2, "mempool")]}]


def test_a_check_due_later_waits_in_its_queue(tick: Tick) -> None:
    tick.claims([task(1, delay_s=30.4), task(2, delay_s=30.9), task(3, delay_s=45)])
    assert tick.run()["sent"] == 3
    assert tick.waiting("p2p") == 2


@pytest.mark.parametrize(
    ("told", "aws", "said"),
    [("", "eu-central-1", "eu-central-1"), ("here", "eu-central-1", "here"), ("", "", None)],
)
def test_a_tick_says_where_it_is(
    tick: Tick, monkeypatch: pytest.MonkeyPatch, told: str, aws: str, said: str | None
) -> None:
    monkeypatch.setenv("REGION_NAME", told)
    monkeypatch.setenv("AWS_REGION", aws)
    tick.run()
    (asked,) = tick.rpcs.called("claim_due_checks")
    assert asked.get("region") == said


def test_a_quiet_minute_sends_nothing(tick: Tick) -> None:
    assert tick.run() == {"claimed": 0, "sent": 0}


def test_each_tick_wakes_who_delivers_every_15_s(tick: Tick) -> None:
    tick.run()
    assert tick.received("notify") == [{}]
    assert tick.waiting("notify") == 3


def test_it_wakes_who_delivers_even_if_nothing_can_be_claimed(tick: Tick) -> None:
    tick.rpcs.answers["claim_due_checks"] = lambda _: refusal("42501", "permission denied", 403)
    with pytest.raises(StoreError):
        tick.run()
    assert tick.received("notify") == [{}]


@pytest.mark.parametrize("url", ["https://sqs.eu-central-1.amazonaws.com/123456789012/gone", None])
def test_a_sweep_that_cannot_be_sent_does_not_stop_the_tick(
    tick: Tick, monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    monkeypatch.setattr(schedule_checks, "notify_queue_url", lambda: url)
    tick.claims([task()])
    assert tick.run() == {"claimed": 1, "sent": 1}


def test_the_catalog_is_published_once_per_process(tick: Tick) -> None:
    tick.run()
    tick.run()
    (published,) = tick.rpcs.called("publish_catalog")
    assert {"checks", "chains", "networks", "private_targets"} <= published["catalog"].keys()


def test_a_catalog_that_cannot_be_published_does_not_stop_the_tick(tick: Tick) -> None:
    tick.rpcs.answers["publish_catalog"] = lambda _: refusal("22023", "catalog: must be a JSON object")
    tick.claims([task()])
    assert tick.run()["sent"] == 1
    tick.run()
    assert len(tick.rpcs.called("publish_catalog")) == 2


def test_a_full_claim_is_followed_by_another(tick: Tick, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule_checks, "CHECKS_PER_CLAIM", 2)
    tick.claims([task(1), task(2)], [task(3), task(4)], [task(5)])
    assert tick.run() == {"claimed": 5, "sent": 5}


def test_many_slots_of_one_check_are_not_a_full_claim(tick: Tick, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule_checks, "CHECKS_PER_CLAIM", 2)
    tick.claims([task(1, delay_s=0), task(1, delay_s=5), task(1, delay_s=10)])
    tick.run()
    assert len(tick.rpcs.called("claim_due_checks")) == 1


def test_probes_go_along_and_do_not_make_a_claim_full(tick: Tick, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule_checks, "CHECKS_PER_CLAIM", 2)
    probe = {**task(1), "probe_id": "c1"}
    tick.claims([probe, task(2)], [task(3)])
    assert tick.run() == {"claimed": 2, "sent": 2}
    assert tick.received("p2p") == [{"kind": "p2p", "tasks": [probe, task(2)]}]


def test_nothing_more_is_claimed_when_there_is_no_time_to_send_it(
    tick: Tick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule_checks, "CHECKS_PER_CLAIM", 1)
    tick.claims([task(1)], [task(2)])
    assert tick.run(Context(remaining_ms=3_000)) == {"claimed": 1, "sent": 1}


def test_a_kind_without_a_queue_costs_its_own_checks_only(
    tick: Tick, caplog: pytest.LogCaptureFixture
) -> None:
    tick.claims([task(1, "quantum"), task(2, "p2p")])
    assert tick.run() == {"claimed": 2, "sent": 1}
    (record,) = [record for record in caplog.records if record.message == "not sent"]
    assert vars(record)["why"] == ("QUANTUM_QUEUE_URL: is not set",)


@pytest.mark.parametrize("event", [{}, {"scheduled_time": "<aws.scheduler.scheduled-time>"}])
def test_it_does_not_need_the_time_of_the_event(tick: Tick, event: dict[str, Any]) -> None:
    tick.claims([task()])
    assert schedule_checks.handler(event, Context())["sent"] == 1


def test_its_log_names_the_minute_that_was_meant(tick: Tick, caplog: pytest.LogCaptureFixture) -> None:
    tick.claims([])
    with caplog.at_level("INFO", logger="schedule_checks"):
        tick.run()
    (record,) = [record for record in caplog.records if record.message == "tick"]
    assert vars(record)["tick"] == EVENT["scheduled_time"]


def test_it_counts_what_was_claimed_and_not_sent(tick: Tick, capsys: pytest.CaptureFixture[str]) -> None:
    tick.claims([task(1, "quantum"), task(2, "p2p")])
    tick.run()
    counted = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert counted["ChecksClaimed"] == 2
    assert counted["ChecksNotSent"] == 1


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Somebody else's monitor: the paths that were asked for. It refuses what it does not know."""
    asked: list[str] = []

    class Monitor(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path == "/ping" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Monitor)
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    monkeypatch.setenv("OUTSIDE_HEARTBEAT_URL", f"http://127.0.0.1:{server.server_port}/ping")
    local = Settings("http://db", "key", private_targets="loopback")
    monkeypatch.setattr(schedule_checks, "settings", lambda: local)
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_each_good_tick_is_told_outside(tick: Tick, outside: list[str]) -> None:
    tick.run()
    tick.run()
    assert outside == ["/ping", "/ping"]


def test_a_tick_that_failed_is_not(tick: Tick, outside: list[str]) -> None:
    tick.rpcs.answers["claim_due_checks"] = lambda _: refusal("42501", "permission denied", 403)
    with pytest.raises(StoreError):
        tick.run()
    assert outside == []


@pytest.mark.parametrize("path", ["/unknown", ""])
@pytest.mark.parametrize("host", ["127.0.0.1:9", "no-such-host.invalid", "here"])
def test_a_heartbeat_that_is_lost_costs_the_tick_nothing(
    tick: Tick, outside: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    host: str, path: str,
) -> None:  # fmt: skip
    here = os.environ["OUTSIDE_HEARTBEAT_URL"].removesuffix("/ping")
    monkeypatch.setenv("OUTSIDE_HEARTBEAT_URL", (here if host == "here" else f"http://{host}") + path)
    tick.claims([task()])
    assert tick.run()["claimed"] == 1
    counted = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (counted["HeartbeatsLost"], counted["Ticks"]) == (1, 1)
    assert "/ping" not in outside
