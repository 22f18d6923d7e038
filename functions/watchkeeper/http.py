"""The one door to the net: one deadline for everything, a size cap, no redirects, only permitted addresses.

A door serves one run of one check, so a target that hangs or misbehaves costs only that run.
"""

import asyncio
import errno
import functools
import json
import os
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Container, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import httpx

from watchkeeper.addresses import resolve
from watchkeeper.errors import (
    DeliveryError,
    Inconclusive,
    NotAllowed,
    ObservationError,
    Unreachable,
)
from watchkeeper.model import Probe
from watchkeeper.protocols import Reply
from watchkeeper.redact import redact, scrub
from watchkeeper.replies import parse_json, read, refusal, refuse_status, reply_of, tls_not_after
from watchkeeper.settings import PrivateTargets

MAX_BYTES = 1024 * 1024
MAX_ADDRESSES = 4
DEFAULT_PORTS = {"http": 80, "https": 443}

# The packet did not leave our side, or found no way: says nothing about the target.
OUR_ERRNOS = {
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE,
    errno.ENOBUFS, errno.EACCES, errno.EPERM,
}  # fmt: skip


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Loading the certificate authorities takes tens of milliseconds, so once per process."""
    return httpx.create_ssl_context()


class Door:
    """`async with Door(timeout_s) as door`: all that is asked through it ends within `timeout_s`."""

    def __init__(
        self,
        timeout_s: float,
        private_targets: PrivateTargets = "none",
        max_bytes: int = MAX_BYTES,
        secrets: Iterable[str] = (),
    ) -> None:
        self._timeout_s = timeout_s
        self._private_targets: PrivateTargets = private_targets
        self._max_bytes = max_bytes
        self._secrets = tuple(secrets)
        self._deadline = 0.0
        # A connection serves one request. A kept one is known by its address only, so it could be lent to
        # another name; and a server that drops it just then would look unreachable.
        self._transport = httpx.AsyncHTTPTransport(
            verify=tls_context(), limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def __aenter__(self) -> Self:
        self._deadline = asyncio.get_running_loop().time() + self._timeout_s
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def post_json(self, url: str, payload: object, headers: Mapping[str, str] | None = None) -> object:
        """POST `payload`, return the JSON value of the reply. A refusal (4xx) in JSON is returned as well."""
        content = json.dumps(payload).encode()
        sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        async with self._exchange("POST", parse_url(url), sent, content) as response:
            refuse_status(response)
            body = await read(response, self._max_bytes + 1)
        if len(body) > self._max_bytes:
            raise Inconclusive(f"the reply is larger than {self._max_bytes} bytes")
        return parse_json(body, response.status_code)

    async def post(
        self,
        url: str,
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        ok_statuses: Container[int] = (),
        method: str = "POST",
    ) -> Reply:
        """Hand a message over; a status other than 2xx and `ok_statuses` is a DeliveryError."""
        sent = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        if not all(value.isascii() for value in sent.values()):
            raise DeliveryError("a header is not ASCII", permanent=True)
        try:
            async with self._exchange(
                method, _web_url(url), sent, _as_json(json) if content is None else content
            ) as response:
                reply = await reply_of(response)
        except ObservationError as error:
            raise DeliveryError(
                scrub(error.reason, self._secrets), permanent=isinstance(error, NotAllowed)
            ) from None
        if 200 <= reply.status < 300 or reply.status in ok_statuses:
            return reply
        raise refusal(reply, self._secrets)

    async def probe(self, url: str, method: str = "GET", body_bytes: int = 0) -> Probe:
        """Ask once; any HTTP status is an answer. Reads at most `body_bytes` of the body, none by default."""
        target = parse_url(url)
        started = time.perf_counter()
        if target.scheme == "tcp":
            await self._connect(target)
            return Probe(url=url, reached=True, latency_ms=_ms_since(started))
        async with self._exchange(method, target) as response:
            latency_ms = _ms_since(started)
            expiry = tls_not_after(response)
            body = await read(response, body_bytes) if body_bytes else b""
        return Probe(
            url=url,
            reached=True,
            status=response.status_code,
            latency_ms=latency_ms,
            body=body[:body_bytes].decode(errors="replace"),
            tls_not_after=expiry,
        )

    @asynccontextmanager
    async def _exchange(
        self, method: str, url: httpx.URL, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> AsyncIterator[httpx.Response]:
        addresses = await self._resolve(url)
        requests = [_request(method, url, address, headers or {}, content) for address in addresses]
        async with self._until_deadline():
            response = await self._send(requests)
            try:
                yield response
            finally:
                await response.aclose()

    async def _send(self, requests: list[httpx.Request]) -> httpx.Response:
        """The first address that lets us connect answers; nothing was sent to the others."""
        errors: list[Exception] = []
        for request in requests:
            try:
                return await self._transport.handle_async_request(request)
            except httpx.ConnectError as error:
                errors.append(error)
        raise _most_telling(errors)

    async def _connect(self, url: httpx.URL) -> None:
        addresses = await self._resolve(url)
        errors: list[Exception] = []
        async with self._until_deadline():
            for address in addresses:
                try:
                    _, writer = await asyncio.open_connection(address, _port(url))
                except OSError as error:
                    errors.append(error)
                else:
                    writer.close()
                    return
            raise _most_telling(errors)

    async def _resolve(self, url: httpx.URL) -> list[str]:
        try:
            async with asyncio.timeout_at(self._deadline):
                addresses = await resolve(url.host, _port(url), self._private_targets)
        except TimeoutError:
            raise Inconclusive(f"DNS: no answer about {url.host} in time") from None
        return addresses[:MAX_ADDRESSES]

    @asynccontextmanager
    async def _until_deadline(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(self._deadline):
                yield
        except TimeoutError:
            raise Unreachable(f"no answer within {self._timeout_s:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise translate(error) from error


def parse_url(url: str) -> httpx.URL:
    """An http(s):// or tcp://host:port URL; Inconclusive with the reason for anything else."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise Inconclusive(f"the endpoint is not a URL: {redact(url)}") from error
    if not 0 < (parsed.port or 1) < 65536:
        raise Inconclusive(f"the endpoint has no possible port: {redact(url)}")
    if parsed.scheme not in ("http", "https", "tcp") or not parsed.host:
        raise Inconclusive(f"the endpoint must be http(s)://host or tcp://host:port, not {redact(url)}")
    if parsed.scheme == "tcp" and parsed.port is None:
        raise Inconclusive(f"the endpoint has no port: {redact(url)}")
    return parsed


def translate(error: Exception) -> ObservationError:
    """What a failed exchange says: a fact about the target (Unreachable), or nothing (Inconclusive)."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return Unreachable(f"TLS failed: {getattr(cause, 'verify_message', '') or cause.reason or cause}")
        if isinstance(cause, OSError) and cause.errno in OUR_ERRNOS:
            return Inconclusive(f"our network: {os.strerror(cause.errno)}")
        if isinstance(cause, ConnectionRefusedError):
            return Unreachable("refused the connection")
    if isinstance(error, httpx.RemoteProtocolError):
        return _broken_reply(str(error))
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
        return Inconclusive(f"the request cannot be made: {error}")
    return Unreachable("the connection was lost")


def _broken_reply(problem: str) -> ObservationError:
    if "without sending a response" in problem:
        return Unreachable("closed the connection without an answer")
    if "closed connection" in problem:
        return Inconclusive("the reply broke off")
    return Inconclusive(f"the reply is not HTTP: {problem}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _most_telling(errors: list[Exception]) -> Exception:
    """Without a way out over IPv6, what the IPv4 address said counts."""
    return next((error for error in errors if isinstance(translate(error), Unreachable)), errors[0])


def _request(
    method: str, url: httpx.URL, address: str, headers: Mapping[str, str], content: bytes
) -> httpx.Request:
    """A request to the checked address in the name of the host: a later DNS answer has no say."""
    own = {"Host": url.netloc.decode(), "User-Agent": "watchkeeper", "Accept-Encoding": "identity"}
    if url.userinfo:
        own["Authorization"] = "Basic " + b64encode(f"{url.username}:{url.password}".encode()).decode()
    try:
        return httpx.Request(
            method,
            url.copy_with(host=address, userinfo=b""),
            headers={**own, **headers},
            content=content,
            extensions={"sni_hostname": url.host},
        )
    except ValueError as error:
        raise Inconclusive("the settings' headers cannot be sent") from error


def _web_url(url: str) -> httpx.URL:
    """Like parse_url, but says nothing of the address: it may be all secret."""
    try:
        parsed = parse_url(url)
    except Inconclusive:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https"):
        raise NotAllowed("the address is not an http(s) URL")
    return parsed


def _as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def _port(url: httpx.URL) -> int:
    return url.port or DEFAULT_PORTS[url.scheme]


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
