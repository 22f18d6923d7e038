"""The real template, deployed to the emulator, reaches the API with no more rights than it states."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from infra.local.anvil import Anvil
from infra.local.aws import Aws, delivery_parameters
from tests.support.parts import Api
from watchkeeper.catalog import catalog

PATIENCE_S = (
    120  # no claim about how fast it is: two groups of tests may start their functions beside this one
)


def test_a_target_is_checked_by_the_deployed_functions(
    api: Api, aws: Aws, anvil: Callable[..., Anvil]
) -> None:
    node = anvil(block_time_s=1)
    checks = {kind: {"interval_s": 30, "timeout_s": 20} for kind in ("blockchain", "mempool")}
    with api.store() as store:
        store.publish_catalog(catalog("loopback"))
        saved = store.save_target(
            {"name": "aws-test", "chain": "evm", "endpoint": node.url, "checks": checks}
        )
        try:
            ticked = aws.schedule_checks()
            assert ticked["sent"] == ticked["claimed"] > 0
            assert outcomes(api, "aws-test") == {"blockchain": "ok", "mempool": "ok"}
        finally:
            store.delete_target(saved["id"])


class Receiver(BaseHTTPRequestHandler):
    """A service that takes messages."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def received() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """The address of a receiver, and what it got."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    messages: list[tuple[dict[str, str], bytes]] = []
    server.received = messages  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", messages
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_fires_reaches_its_channel_signed(
    api: Api, aws: Aws, received: tuple[str, list[tuple[dict[str, str], bytes]]]
) -> None:
    url, messages = received
    for name, value in {"url": url, "key": "s3cret-signing-key"}.items():
        aws.client("ssm").put_parameter(
            Name=f"/watchkeeper/channels/aws-{name}", Value=value, Type="SecureString", Overwrite=True
        )
    secrets = {
        "url": "ssm:/watchkeeper/channels/aws-url",
        "signing_key": "ssm:/watchkeeper/channels/aws-key",
    }
    rules = {"service_down": {"failure_threshold": 1}}
    config = {
        "targets": [
            {
                "name": "aws-down",
                "endpoint": "http://127.0.0.1:9/",
                "checks": {"uptime": {"interval_s": 5, "timeout_s": 3, "params": {"rules": rules}}},
            }
        ],
        "channels": [{"name": "aws-hook", "kind": "webhook", "secrets": secrets}],
        "routes": [{"name": "aws-all", "match": {"targets": ["aws-down"]}, "channels": ["aws-hook"]}],
    }
    with api.store() as store:
        store.publish_catalog(catalog("loopback"))
        store.apply_config(config)
        try:
            aws.schedule_checks()
            wait_until(lambda: bool(messages))
        finally:
            store.delete_route("aws-all")
            (target,) = [t for t in store.list_targets() if t["name"] == "aws-down"]
            store.delete_target(target["id"])
            ledger = store.list_deliveries(channel="aws-hook")
            store.delete_channel("aws-hook")
    assert messages, ledger
    headers, body = messages[0]
    signed = dict(part.split("=", 1) for part in headers["X-Watchkeeper-Signature"].split(","))
    expected = hmac.new(b"s3cret-signing-key", f"{signed['t']}.".encode() + body, hashlib.sha256)
    assert hmac.compare_digest(signed["v1"], expected.hexdigest())
    assert json.loads(body)["alerts"][0]["alert_type"] == "service_down"
    # Its message may be there before the function that nudged has ended, and the log comes with the end.
    wait_until(lambda: "service_down" in logged(aws, "check-uptime"))
    said = logged(aws, "check-uptime")
    assert "service_down" in said
    assert "no nudge" not in said


def logged(aws: Aws, name: str) -> str:
    """All that the function of that name logged."""
    logs, group = aws.client("logs"), f"/watchkeeper/local/{name}"
    streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    events = [
        logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
        for stream in streams
    ]
    return "\n".join(event["message"] for stream in events for event in stream)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.1)


def test_a_user_s_own_settings_of_messages_win() -> None:
    usual = delivery_parameters({})
    assert usual["EmailTransport"] == "smtp"
    assert "DashboardUrl" not in usual
    own = delivery_parameters({"SMTP_PORT": "2525", "DASHBOARD_URL": "https://w.example/"})
    assert (own["SmtpPort"], own["DashboardUrl"]) == ("2525", "https://w.example/")


def test_secrets_of_channels_in_the_user_s_environment_reach_the_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANNEL_OPS", "https://hooks.example/")
    assert Aws(tmp_path, 1)._environment()["CHANNEL_OPS"] == "https://hooks.example/"


def outcomes(api: Api, name: str) -> dict[str, str | None]:
    """The last outcome of each check, as soon as all are well."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with api.store() as store:
            (target,) = (target for target in store.list_targets() if target["name"] == name)
        found = {kind: check["outcome"] for kind, check in target["checks"].items()}
        if set(found.values()) == {"ok"} or time.monotonic() > deadline:
            return found
        time.sleep(0.2)
