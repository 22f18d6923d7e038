"""What a reply says, without a server; test_http has the same through the door."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from watchkeeper.errors import Inconclusive, Refused, Unreachable
from watchkeeper.protocols import Reply
from watchkeeper.replies import (
    MAX_REPLY_BYTES,
    parse_json,
    read,
    refusal,
    refuse_status,
    reply_of,
    retry_after,
    tls_not_after,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def chunks(*sizes: int, then: Exception | None = None) -> httpx.Response:
    """A reply whose body comes in chunks, and may break off."""

    async def body() -> AsyncIterator[bytes]:
        for size in sizes:
            yield b"1" * size
        if then:
            raise then

    return httpx.Response(202, headers={"X-Id": "7"}, content=body())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ("-3", 0),
        ("999999", 86400),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30),
        ("Mon, 23 Nov 2026 12:00:30", 30),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_when_to_try_again_is_a_number_or_a_date_of_at_most_a_day(header: str, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "permanent", "unauthorized"),
    [
        (400, True, False),
        (401, True, True),
        (403, True, True),
        (408, False, False),
        (425, False, False),
        (429, False, False),
        (500, False, False),
    ],
)
def test_a_refusal_says_whether_it_is_for_good(status: int, permanent: bool, unauthorized: bool) -> None:
    error = refusal(Reply(status, {"retry-after": "9"}, b"no: t0k3n"), ["t0k3n"])
    assert (error.permanent, error.unauthorized, error.retry_after_s) == (permanent, unauthorized, 9)
    assert error.reason.startswith(f"HTTP {status}: no: ")
    assert "t0k3n" not in error.reason


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (503, {}, Unreachable),
        (302, {"location": "http://x/"}, Inconclusive),
        (401, {}, Inconclusive),
        (200, {"content-encoding": "gzip"}, Inconclusive),
    ],
)
def test_a_status_is_a_fact_or_a_riddle(status: int, headers: Any, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        refuse_status(httpx.Response(status, headers=headers))


@pytest.mark.parametrize("status", [200, 400, 418])
def test_another_status_leaves_it_to_the_body(status: int) -> None:
    refuse_status(httpx.Response(status))


def test_a_body_is_read_no_further_than_is_needed() -> None:
    assert asyncio.run(read(chunks(3, 3, then=httpx.ReadError("too far")), 5)) == b"1" * 6


def test_a_body_that_breaks_off_does_not_undo_the_status() -> None:
    found = asyncio.run(reply_of(chunks(3, then=httpx.ReadError("gone"))))
    assert (found.status, found.headers["x-id"], found.body) == (202, "7", b"")
    assert len(asyncio.run(reply_of(chunks(MAX_REPLY_BYTES, 9))).body) == MAX_REPLY_BYTES


def test_what_is_no_json_is_refused_if_the_status_is_a_refusal() -> None:
    assert parse_json(b"[1]", 400) == [1]
    with pytest.raises(Inconclusive, match=r"^the reply is empty"):
        parse_json(b" ", 200)
    with pytest.raises(Refused, match=r"^HTTP 418: the reply is a web page"):
        parse_json(b"<p>", 418)


def test_without_tls_no_certificate_ends() -> None:
    assert tls_not_after(httpx.Response(200)) is None
