"""The spine with real parts: a tick, the queues, the workers, and what the database then says."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from threading import Thread
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from handlers import run_checks, schedule_checks
from infra.cli.api import OperatorStore
from tests.handlers.doubles import Context, Json
from tests.stories.endpoints import Lie, node, truth
from tests.support.parts import Api, Database
from watchkeeper.clock import utc_now
from watchkeeper.model import KINDS
from watchkeeper.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Service:
    """A web service that can be told what to answer."""

    def __init__(self) -> None:
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    thread = Thread(target=service.server.serve_forever, args=[0.01])
    thread.start()
    yield service
    service.server.shutdown()
    thread.join()
    service.server.server_close()


class World:
    """Both functions as AWS would run them, on queues that moto pretends and the real API."""

    def __init__(self, sqs: "SQSClient", urls: dict[str, str], store: OperatorStore) -> None:
        self.sqs, self.urls, self.store = sqs, urls, store

    def tick(self) -> list[Json]:
        """One minute: claim, send, run. Returns the records that were delivered."""
        schedule_checks.handler({}, Context())
        records = [record for kind in KINDS for record in self._receive(kind)]
        return self.deliver(records)

    def deliver(self, records: list[Json]) -> list[Json]:
        assert run_checks.handler({"Records": records}, Context()) == {"batchItemFailures": []}
        return records

    def run_now(self, target: Json) -> list[Json]:
        self.store.run_check_now(target["id"])
        return self.tick()

    def status(self, target: Json) -> str:
        (found,) = [t for t in self.store.list_targets() if t["id"] == target["id"]]
        return str(found["status"])

    def alerts(self, target: Json) -> list[tuple[str, str]]:
        found = self.store.list_alerts(target_id=target["id"])
        return [(alert["alert_type"], alert["status"]) for alert in found]

    def _receive(self, kind: str) -> list[Json]:
        reply = self.sqs.receive_message(
            QueueUrl=self.urls[kind], MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        )
        found = reply.get("Messages", [])
        for message in found:
            self.sqs.delete_message(QueueUrl=self.urls[kind], ReceiptHandle=message["ReceiptHandle"])
        return [
            {"messageId": each["MessageId"], "body": each["Body"], "attributes": each["Attributes"]}
            for each in found
        ]


@pytest.fixture
def world(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws(), api.store() as store:
        sqs: SQSClient = boto3.client("sqs", region_name="eu-central-1")
        urls = {kind: sqs.create_queue(QueueName=kind)["QueueUrl"] for kind in KINDS}
        settings = Settings(api.url, api.secret_key, private_targets="loopback", queue_urls=urls)
        for module in (schedule_checks, run_checks):
            monkeypatch.setattr(module, "settings", lambda: settings)
            monkeypatch.setattr(module, "store", lambda: store)
        monkeypatch.setattr(schedule_checks, "sqs", lambda: sqs)
        schedule_checks.publish_catalog_once.cache_clear()
        schedule_checks.publish_catalog()
        run_checks.access.cache_clear()
        yield World(sqs, urls, store)
        schedule_checks.publish_catalog_once.cache_clear()
        run_checks.access.cache_clear()


Save = Callable[..., Json]


@pytest.fixture
def save(world: World) -> Iterator[Save]:
    saved: list[Json] = []

    def save(url: str, **more: object) -> Json:
        # An interval beyond the horizon: each tick of a test runs the one slot it asked for.
        checks = {"uptime": {"interval_s": 3600}}
        saved.append(
            world.store.save_target(
                {"name": f"walk-{token_hex(4)}", "endpoint": url, "checks": checks, **more}
            )
        )
        return saved[-1]

    yield save
    for target in saved:
        world.store.delete_target(target["id"])


def test_a_due_check_is_run_recorded_and_shown(world: World, save: Save, service: Service) -> None:
    target = save(service.url)
    assert world.status(target) == "unknown"
    world.tick()
    assert world.status(target) == "ok"
    assert world.store.get_system_health_summary()["monitoring"]["last_tick_at"]


def test_an_outage_opens_one_alert_and_its_end_resolves_it(
    world: World, save: Save, service: Service
) -> None:
    target = save(service.url)
    world.tick()
    service.status = 503
    world.run_now(target)
    assert world.alerts(target) == []
    world.run_now(target)
    world.run_now(target)
    assert world.alerts(target) == [("service_down", "firing")]
    (alert,) = world.store.list_alerts(target_id=target["id"])
    assert alert["correlation_id"] == Context.aws_request_id, "the tick's own, all the way"
    assert world.status(target) == "critical"
    service.status = 200
    world.run_now(target)
    assert world.alerts(target) == [("service_down", "resolved")]
    assert world.status(target) == "ok"


def test_two_regions_must_see_it_before_it_fires(
    world: World, save: Save, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both functions, run as in two regions: the name goes from the tick through the queue to the record."""

    def tick_in(*regions: str) -> None:
        for region in regions:
            monkeypatch.setenv("REGION_NAME", region)
            world.tick()

    here, there = "walk-here", "walk-there"
    target = save(service.url, regions={"agree": 2, "names": [here, there]})
    tick_in(there)
    tick_in(here, there)
    assert world.status(target) == "unknown", "the first slot was looked at before there was a second region"
    world.store.run_check_now(target["id"])
    tick_in(here)
    tick_in(there)
    assert world.status(target) == "ok"
    service.status = 503
    for _ in range(2):
        world.store.run_check_now(target["id"])
        tick_in(here)
        assert world.alerts(target) == []
        tick_in(there)
    assert world.alerts(target) == [("service_down", "firing")]
    (alert,) = world.store.list_alerts(target_id=target["id"])
    assert f"(2 of 2 regions: {here}, {there})" in alert["message"]
    (found,) = [t for t in world.store.get_system_health_summary()["targets"] if t["id"] == target["id"]]
    assert {name: look["outcome"] for name, look in found["regions"].items()} == {here: "fail", there: "fail"}


def test_a_message_that_comes_twice_is_recorded_once(world: World, save: Save, service: Service) -> None:
    target = save(service.url)
    service.status = 503
    records = world.tick()
    world.deliver(records)
    assert world.alerts(target) == []


def test_a_result_the_database_refuses_does_not_spoil_the_others(
    world: World, save: Save, service: Service
) -> None:
    good, bad = save(service.url), save(service.url)
    results = [
        {
            "check_id": task["check_id"],
            "due_at": task["due_at"],
            "outcome": "ok",
            "started_at": task["due_at"],
            "finished_at": task["due_at"],
            "samples": [
                {"name": "response_time", "value": "1" if task["target_id"] == good["id"] else "NaN"}
            ],
            "findings": [],
        }
        for task in world.store.claim_due_checks()
        if task["target_id"] in (good["id"], bad["id"])
    ]
    run_checks.record_results(results)
    assert (world.status(good), world.status(bad)) == ("ok", "unknown")


def stalled(for_s: int) -> Lie:
    """What a node says of which the newest block is so old."""

    def say(request: bytes) -> bytes:
        replies = json.loads(truth(request))
        for reply in replies:
            if isinstance(reply["result"], dict):
                reply["result"]["timestamp"] = hex(int(time.time()) - for_s)
        return json.dumps(replies).encode()

    return say


@pytest.mark.parametrize("wrong_s", [300, -300, 100, -100])
def test_a_function_whose_clock_is_wrong_sees_and_records_as_if_it_were_right(
    world: World, save: Save, database: Database, monkeypatch: pytest.MonkeyPatch, wrong_s: int
) -> None:
    """By its own, a new block would be a stalled one or one of the future, and what it records late or refused."""
    monkeypatch.setattr(run_checks, "utc_now", lambda: utc_now() + timedelta(seconds=wrong_s))
    checks = {"blockchain": {"interval_s": 3600, "params": {"failure_threshold": 1}}}
    with node() as chain, database.connect() as db:
        target = save(chain.url, chain="evm", checks=checks)
        world.tick()
        assert (world.status(target), world.alerts(target)) == ("ok", [])
        chain.say = stalled(for_s=150)
        records = world.run_now(target)
        assert world.alerts(target) == [("chain_stalled", "firing")], "no clock hides it"
        world.deliver(records)
        chain.say = truth
        world.run_now(target)
        assert (world.status(target), world.alerts(target)) == ("ok", [("chain_stalled", "resolved")])
        runs = db.execute(
            "select r.outcome, r.missed or r.late, r.claimed_at, r.started_at, r.finished_at, r.recorded_at "
            "from watchkeeper.runs r join watchkeeper.checks c on c.id = r.check_id where c.target_id = %s "
            "order by r.due_at",
            [target["id"]],
        ).fetchall()
        ages = db.execute(
            "select metric_value from system_health_metrics where target_id = %s and metric_name = 'block_age' "
            "order by recorded_at",
            [target["id"]],
        ).fetchall()
    assert [run[:2] for run in runs] == [("ok", False), ("fail", False), ("ok", False)]
    assert all(run[2:] == tuple(sorted(run[2:])) for run in runs), "claimed, begun, finished, recorded"
    assert [round(age, -2) for (age,) in ages] == [0, 200, 0]
