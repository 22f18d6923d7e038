import asyncio
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread, Timer
from typing import Any

import boto3
import pytest
from moto import mock_aws

from handlers import deliver_notifications
from handlers.deliver_notifications import RESERVE_MS, Round
from tests.handlers.doubles import Context, Json
from tests.watchkeeper.notifiers.support import claimed
from watchkeeper.deliver import Access
from watchkeeper.errors import StoreError
from watchkeeper.secrets import Secrets
from watchkeeper.settings import DeliverySettings, Settings

NUDGE = {"Records": [{"messageId": "m1", "body": "{}"}, {"messageId": "m2", "body": "not even JSON"}]}


class Ledger:
    """Hands out its messages once, each claim as many as it was given; keeps what is settled."""

    def __init__(self, *claims: list[Json]) -> None:
        self.claims = list(claims)
        self.asked: list[tuple[int, int]] = []
        self.settled: list[list[Json]] = []
        self.on_settle: Callable[[list[Json]], None] = lambda _: None

    def claim_deliveries(self, most: int = 100, lease_s: int = 60) -> list[Json]:
        self.asked.append((most, lease_s))
        return self.claims.pop(0) if self.claims else []

    def settle_deliveries(self, settlements: list[Json]) -> Json:
        self.on_settle(settlements)
        self.settled.append(json.loads(json.dumps(settlements)))
        return {"settled": len(settlements), "stale": 0}

    def outcomes(self) -> list[str]:
        return [settlement["outcome"] for group in self.settled for settlement in group]


class Receivers:
    """An HTTP server: /good answers, /slow answers when released."""

    def __init__(self) -> None:
        self.release = Event()
        self.paths: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.paths.append(self.path)
                if self.path == "/slow":
                    outer.release.wait(60)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            request_queue_size = 100

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    receivers = Receivers()
    thread = Thread(target=receivers.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield receivers
    receivers.release.set()
    receivers.server.shutdown()
    receivers.server.server_close()
    thread.join()


Work = Callable[..., Json]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch, receivers: Receivers) -> Work:
    """Runs the handler on a ledger; how much time it says is left may be given."""
    env = {"CHANNEL_GOOD": f"{receivers.url}/good", "CHANNEL_SLOW": f"{receivers.url}/slow"}
    settings = Settings("http://db", "key", private_targets="loopback")
    monkeypatch.setattr(deliver_notifications, "settings", lambda: settings)
    monkeypatch.setattr(deliver_notifications, "delivery_settings", DeliverySettings)
    monkeypatch.setattr(deliver_notifications, "secrets", lambda: Secrets(env))

    def run(ledger: Ledger, remaining_ms: int = 60_000) -> Json:
        monkeypatch.setattr(deliver_notifications, "outbox", lambda: ledger)
        answer: Json = deliver_notifications.handler(NUDGE, Context(remaining_ms))
        return answer

    return run


def to(name: str, n: int = 0) -> Json:
    document = claimed("webhook")
    document["channel"]["secrets"] = {"url": f"env:CHANNEL_{name.upper()}"}
    document["deliveries"][0]["id"] = f"00000000-0000-4000-9000-{n:012d}"
    return document


DONE: Json = {"batchItemFailures": []}
AGAIN = {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]}


def test_what_is_claimed_is_sent_and_settled(work: Work, receivers: Receivers) -> None:
    ledger = Ledger([to("good", n) for n in range(5)])
    assert work(ledger) == DONE
    assert ledger.outcomes() == ["sent"] * 5
    assert receivers.paths == ["/good"] * 5
    assert ledger.asked[0] == (100, 60)


def test_each_delivery_is_logged_in_the_name_of_its_own_walk(
    work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    """A sweep's message comes from another tick than the one that found the trouble."""
    found, unknown = to("good", 1), to("good", 2)
    found["deliveries"][0]["correlation_id"] = "tick-1"
    work(Ledger([found, unknown]))
    told = [vars(record) for record in caplog.records if record.message == "delivered"]
    assert {line["delivery_id"][-1]: line.get("correlation_id") for line in told} == {
        "1": "tick-1",
        "2": None,
    }


def test_it_claims_until_nothing_is_left(work: Work) -> None:
    ledger = Ledger([to("good", 1)], [to("good", 2)], [to("good", 3)])
    assert work(ledger) == DONE
    assert ledger.outcomes() == ["sent"] * 3
    assert len(ledger.asked) == 4


def test_nothing_to_do_is_one_question(work: Work) -> None:
    ledger = Ledger()
    assert work(ledger) == DONE
    assert (len(ledger.asked), ledger.settled) == (1, [])


def test_a_slow_channel_holds_up_nobody(work: Work, receivers: Receivers) -> None:
    """What the others did is settled, and what came later is claimed, while the slow one is waited for."""
    ledger = Ledger([to("slow", 1), to("good", 2)], [to("good", 3)])
    settled: list[str] = []

    def note(settlements: list[Json]) -> None:
        settled.extend(settlement["delivery_id"][-1] for settlement in settlements)
        if len(settled) == 2:
            receivers.release.set()

    ledger.on_settle = note
    assert work(ledger) == DONE
    assert settled == ["2", "3", "1"]


def test_many_that_end_together_are_settled_together(work: Work) -> None:
    ledger = Ledger([to("good", n) for n in range(40)])
    work(ledger)
    assert len(ledger.settled) <= 3


def test_a_failure_is_settled_too(work: Work) -> None:
    ledger = Ledger([to("unknown", 1), {"lease_id": "x"}, claimed("pigeon")])
    assert work(ledger) == DONE
    assert sorted(ledger.outcomes()) == ["dead", "retry"]


def refuse(error: StoreError, times: int) -> Callable[[list[Json]], None]:
    left = [times]

    def on_settle(_settlements: list[Json]) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise error

    return on_settle


UNREACHABLE = StoreError("unreachable", "settle_deliveries: ConnectError")


def test_what_could_not_be_settled_is_offered_again(work: Work, receivers: Receivers) -> None:
    ledger = Ledger([to("good", 1)])
    ledger.on_settle = refuse(UNREACHABLE, 1)
    assert work(ledger) == DONE
    assert ledger.outcomes() == ["sent"]
    assert receivers.paths == ["/good"]


def test_a_ledger_that_is_away_brings_the_nudge_again(work: Work) -> None:
    ledger = Ledger([to("good", 1)])
    ledger.on_settle = refuse(UNREACHABLE, 99)
    assert work(ledger) == AGAIN


def test_a_settlement_that_is_refused_does_not_spoil_the_others(work: Work) -> None:
    ledger = Ledger([to("good", n) for n in range(3)])
    ledger.on_settle = refuse(StoreError("22023", "no", "settlements[1].thread"), 1)
    assert work(ledger) == DONE
    assert ledger.outcomes() == ["sent"] * 2


@pytest.mark.parametrize("argument", ["settlements[9].thread", "settlements", None])
def test_a_refusal_that_names_none_of_them_brings_the_nudge_again(work: Work, argument: str | None) -> None:
    ledger = Ledger([to("good", 1)])
    ledger.on_settle = refuse(StoreError("22023", "no", argument), 99)
    assert work(ledger) == AGAIN


def test_a_claim_that_fails_still_settles_what_was_sent(work: Work, receivers: Receivers) -> None:
    class Failing(Ledger):
        def claim_deliveries(self, most: int = 100, lease_s: int = 60) -> list[Json]:
            if len(self.asked) == 1:
                raise StoreError("unreachable", "claim_deliveries: ConnectError")
            return super().claim_deliveries(most, lease_s)

    ledger = Failing([to("good", 1), to("slow", 2)])
    Timer(0.5, receivers.release.set).start()
    assert work(ledger) == AGAIN
    assert ledger.outcomes() == ["sent", "sent"]


def test_without_time_nothing_is_claimed_and_the_queue_is_nudged(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        sqs = boto3.client("sqs")
        url = sqs.create_queue(QueueName="notify")["QueueUrl"]
        monkeypatch.setattr(
            deliver_notifications, "delivery_settings", lambda: DeliverySettings(notify_queue_url=url)
        )
        monkeypatch.setattr(deliver_notifications, "sqs", lambda: sqs)
        ledger = Ledger([to("good", 1)])
        assert work(ledger, RESERVE_MS) == DONE
        assert ledger.asked == []
        assert [m["Body"] for m in sqs.receive_message(QueueUrl=url)["Messages"]] == ["{}"]
        sqs.delete_queue(QueueUrl=url)
        assert work(ledger, RESERVE_MS) == DONE  # the sweep comes anyway


def test_what_is_left_when_time_runs_out_is_for_the_next(receivers: Receivers) -> None:
    ledger = Ledger([to("good", 1)], [to("good", 2)])
    access = Access(private_targets="loopback", secrets=Secrets({"CHANNEL_GOOD": f"{receivers.url}/good"}))
    answers = iter([True, False, False])
    round_ = Round(ledger, access, lambda: next(answers))
    asyncio.run(round_.run())
    assert (ledger.outcomes(), round_.more) == (["sent"], True)


def test_an_invocation_shares_one_event_loop_with_the_next(work: Work) -> None:
    first: Any = deliver_notifications.runner().get_loop()
    work(Ledger([to("good", 1)]))
    assert deliver_notifications.runner().get_loop() is first
