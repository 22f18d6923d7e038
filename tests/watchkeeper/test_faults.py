"""Errors of our own arrive at Sentry, once and without what is nobody's business there; or do no harm."""

import gzip
import json
import logging
import socket
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from handlers import run_checks
from infra.local.paths import ROOT
from tests.handlers.doubles import Context
from watchkeeper import __version__, faults, telemetry

Json = dict[str, Any]
KEY = "0123456789abcdef0123456789abcdef"
NODE = "https://user:pa55word@node.example.com/v3/4f8a2b6c9d1e3f5a7b9c1d3e5f7a9b1c?token=s3cret"


class Sentry:
    """Takes envelopes; can be told to hang."""

    def __init__(self) -> None:
        self.events: list[Json] = []
        self.raw = b""
        self.hangs = False
        self.release = Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.hangs:
                    outer.release.wait(20)
                outer.take(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
                with suppress(OSError):
                    self.send_response(200)
                    self.send_header("Content-Length", "2")
                    self.end_headers()
                    self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.dsn = f"http://{KEY}@127.0.0.1:{self.server.server_port}/7"

    def take(self, envelope: bytes) -> None:
        self.raw += envelope
        head, *lines = envelope.splitlines()
        assert json.loads(head)
        items = zip(lines[::2], lines[1::2], strict=True)
        self.events += [json.loads(item) for kind, item in items if json.loads(kind)["type"] == "event"]


@pytest.fixture
def sentry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sentry]:
    sentry = Sentry()
    thread = Thread(target=sentry.server.serve_forever, args=[0.01])
    thread.start()
    monkeypatch.setenv("SENTRY_DSN", sentry.dsn)
    monkeypatch.setenv("STAGE", "test")
    yield sentry
    sentry.release.set()
    with suppress(Exception):
        faults.client(sentry.dsn).close(timeout=2)
    faults.client.cache_clear()
    sentry.server.shutdown()
    thread.join()
    sentry.server.server_close()


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a real entry point whose work breaks."""

    def run(
        error: Exception, body: str = '{"kind": "uptime", "tasks": [], "correlation_id": "tick-7"}'
    ) -> None:
        def broken(tasks: object, _clock: object) -> None:
            payload = f"the body of a reply, {tasks}"
            assert payload
            raise error

        monkeypatch.setattr(run_checks, "run_fresh", broken)
        with pytest.raises(type(error)):
            run_checks.handler({"Records": [{"messageId": "m", "body": body}]}, Context())

    return run


def test_an_error_arrives_once_with_its_walk(sentry: Sentry, fails: Callable[..., None]) -> None:
    fails(RuntimeError("it broke"))
    (event,) = sentry.events
    assert event["exception"]["values"][0]["type"] == "RuntimeError"
    assert event["exception"]["values"][0]["stacktrace"]["frames"][-1]["function"] == "broken"
    assert event["tags"] == {
        "service": "run_checks",
        "correlation_id": "tick-7",
        "function_request_id": Context.aws_request_id,
    }
    assert (event["environment"], event["release"]) == ("test", f"watchkeeper@{__version__}")


def test_no_payload_and_no_secret_leaves(sentry: Sentry, fails: Callable[..., None]) -> None:
    telemetry.hide("correct horse")
    fails(ValueError(f"cannot read {NODE} with correct horse and sb_secret_{'a' * 30}"))
    assert b"cannot read https://node.example.com/v3/***" in sentry.raw
    for secret in (
        b"pa55word",
        b"4f8a2b6c",
        b"s3cret",
        b"correct horse",
        b"sb_secret_a",
        b"the body of a reply",
    ):
        assert secret not in sentry.raw
    assert set(sentry.events[0]) <= set(faults.KEPT)
    assert b"trace_id" not in sentry.raw.splitlines()[2], "no tracing"


def handler_of(work: Callable[[], object]) -> Callable[[Json, Any], Any]:
    logger = telemetry.logger("worker")

    @faults.reporting(logger)
    def handler(_event: Json, _context: Any) -> str:
        work()
        return "done"

    return handler


def test_what_is_logged_and_then_raised_is_told_once(sentry: Sentry) -> None:
    log = telemetry.logger("worker")

    def work() -> None:
        try:
            raise KeyError("x")
        except KeyError:
            log.exception("broke", extra={"reply": "the body of a reply"})
            raise

    with pytest.raises(KeyError):
        handler_of(work)({}, Context())
    (event,) = sentry.events
    assert event["logentry"]["formatted"] == "broke"
    assert b"the body of a reply" not in sentry.raw


def test_what_is_logged_as_an_error_is_told_and_a_warning_is_not(sentry: Sentry) -> None:
    def work() -> None:
        logging.getLogger("watchkeeper.deliver").error("channel %s broke", "ops")
        logging.getLogger("watchkeeper.deliver").warning("not so bad")

    assert handler_of(work)({}, Context()) == "done"
    assert [event["logentry"]["formatted"] for event in sentry.events] == ["channel ops broke"]
    logging.getLogger("watchkeeper.deliver").error("nobody listens between two invocations")
    assert len(sentry.events) == 1


def test_a_good_run_tells_nothing_and_makes_no_client(sentry: Sentry) -> None:
    assert handler_of(lambda: None)({}, Context()) == "done"
    assert sentry.raw == b""
    assert faults.client.cache_info().currsize == 0


def test_a_sentry_that_hangs_costs_seconds_and_no_work(
    sentry: Sentry, fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sentry.hangs = True
    monkeypatch.setattr(faults, "FLUSH_S", 0.3)
    started = time.monotonic()
    fails(RuntimeError("it broke"))
    assert time.monotonic() - started < 15, "it hangs for twenty"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "dsn", ["nonsense", "https://", "http://key@host:port/1", "ftp://key@host/1", "http://key@127.0.0.1:{}/1"]
)
def test_a_dsn_that_is_wrong_or_dead_changes_nothing(
    dsn: str, fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTRY_DSN", dsn.format(closed_port()))
    monkeypatch.setattr(faults, "FLUSH_S", 0.3)
    assert handler_of(lambda: logging.getLogger("watchkeeper.x").error("broke"))({}, Context()) == "done"
    fails(RuntimeError("what the caller sees"))
    faults.client.cache_clear()


def test_without_a_dsn_nothing_is_listened_to(
    fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SENTRY_DSN", raising=False)
    fails(RuntimeError("it broke"))
    assert faults.client.cache_info().currsize == 0


def test_the_release_is_the_project_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
