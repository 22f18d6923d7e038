"""What a reply says: its status, as much of its body as we take, its JSON. The door in `http` asks for it."""

import asyncio
import json
import math
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from watchkeeper.errors import DeliveryError, Inconclusive, Refused, Unreachable, clean
from watchkeeper.protocols import Reply
from watchkeeper.redact import redact, scrub

MAX_REPLY_BYTES = 64 * 1024
MAX_RETRY_AFTER_S = 86400.0
SAID_CHARS = 150
BODY_S = 2.0
# Too slow for them, too early, too many: the same message is welcome later.
LATER_STATUSES = (408, 425, 429)
STATUS_HINTS = {
    401: "the endpoint wants credentials",
    403: "the endpoint refuses us",
    404: "there is nothing at this path",
    429: "the endpoint limits our rate",
}


async def reply_of(response: httpx.Response) -> Reply:
    """The status is the answer: a body that is slow, huge or broken does not undo it."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    body = b""
    try:
        async with asyncio.timeout(BODY_S):
            body = await read(response, MAX_REPLY_BYTES)
    except (TimeoutError, httpx.HTTPError, OSError):
        pass
    return Reply(response.status_code, headers, body[:MAX_REPLY_BYTES])


def refusal(reply: Reply, secrets: Iterable[str]) -> DeliveryError:
    """Why a service did not take a message, in its own words without our secrets, and whether it may later."""
    status = reply.status
    said = clean(scrub(reply.text()[: SAID_CHARS * 20], secrets), SAID_CHARS)
    return DeliveryError(
        f"HTTP {status}" + (f": {said}" if said else ""),
        permanent=status < 500 and status not in LATER_STATUSES,
        retry_after_s=retry_after(reply.headers.get("retry-after", "")),
        unauthorized=status in (401, 403),
    )


def retry_after(text: str, now: datetime | None = None) -> float | None:
    """Seconds from a Retry-After header: a number or an HTTP date, at most a day. None if it says nothing."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None


def refuse_status(response: httpx.Response) -> None:
    """Raises what a status says of the target: Unreachable from 500 on, Inconclusive where it is us who ask wrongly."""
    status = response.status_code
    if status >= 500:
        raise Unreachable(f"HTTP {status} {response.reason_phrase}")
    if 300 <= status < 400:
        location = redact(response.headers.get("location", ""))
        raise Inconclusive(f"HTTP {status}: redirects to {location}; make that the endpoint")
    if hint := STATUS_HINTS.get(status):
        raise Inconclusive(f"HTTP {status}: {hint}")
    if response.headers.get("content-encoding", "identity") != "identity":
        # A few bytes can unpack into gigabytes, and we asked for it plain.
        raise Inconclusive("the reply is compressed, though it was asked for plain")


async def read(response: httpx.Response, limit: int) -> bytes:
    """The body up to `limit` bytes, and the rest of the chunk that reaches them."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= limit:
            break
    return bytes(body)


def parse_json(body: bytes, status: int) -> object:
    """The JSON value; else Inconclusive with the reason, or Refused if the status already says so."""
    problem = _not_json(body)
    if problem is None:
        try:
            value: object = json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            problem = f"the reply is not JSON: {clean(body[:60].decode(errors='replace'), 60)}"
        else:
            return value
    raise Refused(f"HTTP {status}: {problem}") if status >= 400 else Inconclusive(problem)


def _not_json(body: bytes) -> str | None:
    start = body.lstrip()[:1]
    if not start:
        return "the reply is empty"
    return "the reply is a web page, not JSON: is this the right endpoint?" if start == b"<" else None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def tls_not_after(response: httpx.Response) -> datetime | None:
    """When the certificate ends. None: it was no TLS."""
    stream = response.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream else None
    not_after = (tls.getpeercert() or {}).get("notAfter") if tls else None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(not_after), UTC) if not_after else None
