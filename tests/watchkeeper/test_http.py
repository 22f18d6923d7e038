import asyncio
import errno
import gzip
import json
import ssl
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.watchkeeper.servers import (
    Talk,
    certificate,
    dripping,
    read_request,
    reply,
    resetting,
    saying,
    serving,
    silent,
)
from watchkeeper import http
from watchkeeper.errors import Inconclusive, ObservationError, Unreachable
from watchkeeper.http import Door, parse_url, tls_context, translate
from watchkeeper.model import Probe

Ask = Callable[[Door, str], Coroutine[Any, Any, Any]]


def asked(talk: Talk, ask: Ask, *, timeout_s: float = 2, max_bytes: int = 10000) -> Any:
    """What `ask` gets from a door whose target talks like that."""

    async def go() -> object:
        async with serving(talk) as port, Door(timeout_s, "loopback", max_bytes) as door:
            return await ask(door, f"http://127.0.0.1:{port}/rpc")

    return asyncio.run(go())


def post(door: Door, url: str) -> Coroutine[Any, Any, object]:
    return door.post_json(url, {"q": 1})


def probe(door: Door, url: str) -> Coroutine[Any, Any, Probe]:
    return door.probe(url, body_bytes=100)


def failure(url: str, ask: Ask, private_targets: Any = "loopback") -> ObservationError:
    async def go() -> object:
        async with Door(2, private_targets) as door:
            return await ask(door, url)

    with pytest.raises(ObservationError) as caught:
        asyncio.run(go())
    return caught.value


def test_it_posts_json_and_returns_the_json_of_the_reply() -> None:
    seen: list[tuple[str, bytes]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(reply(body=b'{"a": [1, null]}'))

    assert asked(talk, lambda door, url: door.post_json(url, {"q": 1}, {"X-Key": "k"})) == {"a": [1, None]}
    head, body = seen[0]
    assert json.loads(body) == {"q": 1}
    assert "X-Key: k" in head
    assert head.startswith("POST /rpc HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize("name", ["X Key", "X-K\u00e9y", ""])
def test_a_header_that_cannot_be_sent_is_inconclusive(name: str) -> None:
    with pytest.raises(Inconclusive, match="cannot be"):
        asked(silent, lambda door, url: door.post_json(url, 1, {name: "v"}), timeout_s=0.5)


def test_userinfo_of_the_url_becomes_basic_authorization() -> None:
    seen: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await read_request(reader))[0])
        writer.write(reply(body=b"{}"))

    asked(talk, lambda door, url: post(door, url.replace("//", "//user:p%20w@")))
    assert "Authorization: Basic dXNlcjpwIHc=" in seen[0]
    assert "user" not in seen[0]


FACTS = {
    "an error of the server": (reply("503 Service Unavailable", b"{}"), "HTTP 503 Service Unavailable"),
    "no answer at all": (b"", "closed the connection without an answer"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-", "closed the connection without an answer"),
}
RIDDLES = {
    "redirect": (reply("302 Found", headers="Location: http://x/v3/0123456789abcdef01\r\n"), "http://x/v3/***"),
    "wants credentials": (reply("401 Unauthorized"), "HTTP 401: the endpoint wants credentials"),
    "refuses us": (reply("403 Forbidden"), "HTTP 403: the endpoint refuses us"),
    "wrong path": (reply("404 Not Found"), "HTTP 404: there is nothing at this path"),
    "rate limit": (reply("429 Too Many Requests"), "HTTP 429: the endpoint limits our rate"),
    "another refusal": (reply("418 I'm a teapot", b"no"), "HTTP 418: the reply is not JSON: no"),
    "web page": (reply(body=b" <!doctype html><p>Welcome"), "the reply is a web page"),
    "empty": (reply(), "the reply is empty"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", "the reply is empty"),
    "not JSON": (reply(body=b"{'a': 1}"), "the reply is not JSON: {'a': 1}"),
    "NaN": (reply(body=b"[NaN]"), "the reply is not JSON"),
    "not UTF-8": (reply(body=b'"\xff\xfe"'), "the reply is not JSON"),
    "a number of many digits": (reply(body=b"9" * 5000), "the reply is not JSON"),
    "deep nesting": (reply(body=b"[" * 9000), "the reply is not JSON"),
    "body cut short": (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", "the reply broke off"),
    "too large": (reply(body=b"1" * 10001), "the reply is larger than 10000 bytes"),
    "endless chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"400\r\n" + b"1" * 1024 + b"\r\n") * 30,
        "the reply is larger than 10000 bytes",
    ),
    "chunks that end early": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + b"1" * 9, "the reply broke off",
    ),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 200000 + b"\r\n", "the reply is not HTTP"),
    "a zip bomb": (
        reply(body=gzip.compress(b"1" * 10**6), headers="Content-Encoding: gzip\r\n"),
        "the reply is compressed",
    ),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the reply is not HTTP"),
}  # fmt: skip


@pytest.mark.parametrize("case", FACTS)
def test_a_failure_of_the_target_is_unreachable(case: str) -> None:
    raw, reason = FACTS[case]
    with pytest.raises(Unreachable) as caught:
        asked(saying(raw), post)
    assert reason in caught.value.reason


@pytest.mark.parametrize("case", RIDDLES)
def test_a_reply_that_makes_no_sense_is_inconclusive(case: str) -> None:
    raw, reason = RIDDLES[case]
    with pytest.raises(Inconclusive) as caught:
        asked(saying(raw), post)
    assert reason in caught.value.reason


def test_a_reply_of_exactly_the_cap_passes() -> None:
    assert asked(saying(reply(body=b'"' + b"1" * 9998 + b'"')), post) == "1" * 9998


def test_a_refusal_in_json_is_returned() -> None:
    assert asked(saying(reply("400 Bad Request", b'{"error": {"code": -32600}}')), post) == {
        "error": {"code": -32600}
    }


SLOW = {
    "silence": silent,
    "headers that drip": dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
    "a body that drips": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b"1"),
}


@pytest.mark.parametrize("case", SLOW)
@pytest.mark.parametrize("ask", [post, probe])
def test_one_deadline_covers_everything(case: str, ask: Ask) -> None:
    if (case, ask) == ("a body that drips", probe):
        return  # reads its hundred bytes and has enough
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"no answer within 0\.3 s"):
        asked(SLOW[case], ask, timeout_s=0.3)
    assert time.monotonic() - started < 30, "it says nothing for a minute, or drips for ever"


def test_a_reset_is_a_fact_about_the_target() -> None:
    with pytest.raises(Unreachable, match="the connection was lost"):
        asked(resetting, post)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/", "tcp://[::1]:9"]
)
def test_refused(url: str) -> None:
    error = failure(url, probe)
    assert type(error) is Unreachable
    assert error.reason == "refused the connection"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://watchkeeper.invalid/", "DNS: cannot resolve watchkeeper.invalid"),
        (f"http://{'a' * 64}.example/", "DNS: "),
        ("http://10.0.0.1/", "10.0.0.1 has a private address (10.0.0.1); PRIVATE_TARGETS is loopback"),
        ("http://169.254.169.254/latest/meta-data/", "has a forbidden address"),
        ("tcp://[fd00:ec2::254]:80", "has a forbidden address"),
        ("ftp://example.com/", "must be http(s)://host or tcp://host:port, not ftp://example.com/"),
        ("http:///rpc", "the endpoint must be http(s)://host"),
        ("tcp://127.0.0.1", "the endpoint has no port"),
        ("http://[::1", "the endpoint is not a URL"),
        ("http://127.0.0.1:99999/", "the endpoint has no possible port"),
        ("http://a\x00b/", "the endpoint is not a URL"),
    ],
)
def test_what_cannot_be_asked_is_inconclusive(url: str, reason: str) -> None:
    error = failure(url, probe)
    assert isinstance(error, Inconclusive)
    assert reason in error.reason


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://localhost:1/", "http://2130706433:1/", "http://0x7f.1:1/"]
)
def test_loopback_needs_permission_however_it_is_written(url: str) -> None:
    assert "PRIVATE_TARGETS is none" in failure(url, probe, "none").reason


def test_the_request_goes_to_the_address_that_was_checked() -> None:
    """So a name that resolves differently a moment later (DNS rebinding) has no say."""
    url = parse_url("https://user:pw@node.example:8545/rpc?key=1")
    request = http._request("POST", url, "203.0.113.7", {}, b"{}")
    assert request.url == "https://203.0.113.7:8545/rpc?key=1"
    assert request.headers["host"] == "node.example:8545"
    assert request.extensions["sni_hostname"] == "node.example"


def test_a_probe_tells_status_latency_and_the_start_of_the_body() -> None:
    found = asked(saying(reply("500 Internal Server Error", b"x" * 300)), probe)
    assert (found.reached, found.status, found.body) == (True, 500, "x" * 100)
    assert 0 < found.latency_ms < 2000
    assert found.tls_not_after is None


def test_a_probe_does_not_follow_redirects() -> None:
    assert asked(saying(reply("301 Moved Permanently", headers="Location: /\r\n")), probe).status == 301


def test_a_probe_reads_no_body_that_it_does_not_need() -> None:
    talk = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b"1")
    assert asked(talk, lambda door, url: door.probe(url)).status == 200


def test_a_tcp_probe_only_connects() -> None:
    found = asked(silent, lambda door, url: door.probe(url.replace("http", "tcp").removesuffix("/rpc")))
    assert (found.reached, found.status) == (True, None)
    assert found.latency_ms > 0


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], ssl.SSLContext]:
    """A server's TLS context whose certificate we trust."""

    def make(name: str, days: float) -> ssl.SSLContext:
        context, file = certificate(tmp_path, name, days)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        tls_context.cache_clear()
        return context

    return make


def over_tls(context: ssl.SSLContext, host: str) -> Probe:
    async def go() -> Probe:
        async with serving(saying(reply()), context) as port, Door(2, "loopback") as door:
            return await door.probe(f"https://{host}:{port}/")

    try:
        return asyncio.run(go())
    finally:
        tls_context.cache_clear()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_tls_is_verified_by_the_name_and_its_end_is_told(
    host: str, trusted: Callable[[str, float], ssl.SSLContext]
) -> None:
    found = over_tls(trusted(host, 5.5), host)
    assert found.tls_not_after is not None
    assert abs(found.tls_not_after - datetime.now(UTC) - timedelta(days=5.5)) < timedelta(minutes=1)


def test_an_expired_certificate_is_unreachable(trusted: Callable[[str, float], ssl.SSLContext]) -> None:
    with pytest.raises(Unreachable, match="TLS failed: certificate has expired"):
        over_tls(trusted("localhost", -1), "localhost")


def test_another_name_in_the_certificate_is_unreachable(
    trusted: Callable[[str, float], ssl.SSLContext],
) -> None:
    with pytest.raises(Unreachable, match="TLS failed: Hostname mismatch"):
        over_tls(trusted("elsewhere.example", 5), "localhost")


def test_an_unknown_authority_is_unreachable(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path, "localhost", 5)
    with pytest.raises(Unreachable, match=r"TLS failed: self.signed certificate"):
        over_tls(context, "localhost")


async def speaking_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"220 ready\r\n")


def test_tls_to_a_plain_server_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="TLS failed"):
        asked(speaking_first, lambda door, url: door.probe(url.replace("http", "https")))


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EMFILE])
def test_our_own_network_says_nothing_about_the_target(code: int) -> None:
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = OSError(code, "")
    assert isinstance(translate(error), Inconclusive)
