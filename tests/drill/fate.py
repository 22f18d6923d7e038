"""Where a worker of the drill dies. It kills itself with SIGKILL, so nothing of ours runs after that moment."""

from __future__ import annotations

import os
import re
import select
import signal
import smtplib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NoReturn

import httpx

from tests.drill.receivers import UNANSWERED
from watchkeeper import http

AFTER_CLAIM = "claimed, not sent"
MID_SEND = "in the middle of a send"
UNREAD = "kept by the receiver, answer not read"
UNSETTLED = "sent, not settled"
UNTOLD = "settled, reply not read"
AT_RANDOM = "at random"
BOUNDARIES = (AFTER_CLAIM, MID_SEND, UNREAD, UNSETTLED, UNTOLD, AT_RANDOM)


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()
    raise AssertionError


class Fate:
    """Strikes once, the nth time its boundary is reached; a boundary of None never."""

    def __init__(self, boundary: str | None, nth: int) -> None:
        self._boundary = boundary
        self._left = nth

    def strikes(self, boundary: str) -> bool:
        if boundary != self._boundary:
            return False
        self._left -= 1
        return self._left == 0

    def at(self, boundary: str) -> None:
        if self.strikes(boundary):
            die()


class Half(httpx.AsyncByteStream):
    """Half of a request's body, and then no more."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content[: len(self._content) // 2]
        die()


def haunt_http(fate: Fate) -> None:
    """The door as it is, but for a worker that dies in it."""
    real_request, real_send = http._request, http.Door._send

    def request(
        method: str, url: httpx.URL, address: str, headers: Mapping[str, str], content: bytes
    ) -> httpx.Request:
        made = real_request(method, url, address, headers, content)
        if fate.strikes(MID_SEND):
            made.stream = Half(content)
        elif fate.strikes(UNREAD):
            made.headers[UNANSWERED] = "1"
        return made

    async def send(door: http.Door, requests: list[httpx.Request]) -> httpx.Response:
        try:
            return await real_send(door, requests)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            if UNANSWERED in requests[0].headers:
                die()
            raise

    http._request = request
    http.Door._send = send  # type: ignore[method-assign, assignment]


def haunt_smtp(fate: Fate) -> None:
    """The same for mail: after half of it, or when the server's answer has come and nobody has read it."""
    real_data: Callable[[smtplib.SMTP, Any], Any] = smtplib.SMTP.data

    def data(server: smtplib.SMTP, msg: bytes) -> Any:
        half, unread = fate.strikes(MID_SEND), fate.strikes(UNREAD)
        if not half and not unread:
            return real_data(server, msg)
        server.putcmd("data")
        server.getreply()
        if half:
            server.send(msg[: len(msg) // 2])
            die()
        server.send(re.sub(rb"(?m)^\.", b"..", msg) + b"\r\n.\r\n")
        assert server.sock
        select.select([server.sock], [], [], 5)
        die()

    smtplib.SMTP.data = data  # type: ignore[assignment, method-assign]
