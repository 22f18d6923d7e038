"""The receivers of the drill: HTTP and SMTP servers as unreliable as receivers get, which note what they kept."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from infra.local.ports import HOST, free_ports

UNANSWERED = "x-drill-unanswered"
"""A request with this header is kept and never answered: the worker that sent it dies waiting."""
MAIL = "mail"
GONE = "gone"
HANG_S = 30.0

# How often each does what, the rest of the time it keeps the message and says so.
MOODS: dict[str, dict[str, float]] = {
    "steady": {},
    "away": {},
    "busy": {"later": 0.5},
    "broken": {"error": 0.5},
    "hanging": {"hang": 0.04, "keep and hang": 0.04},
    "closing": {"close": 0.5},
    "liar": {"close": 0.1, "keep and close": 0.3, "keep and garble": 0.3},
    GONE: {"gone": 1.0},
    MAIL: {"later": 0.15, "close": 0.1, "keep and close": 0.15},
}
ANSWERS = {
    "keep": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "keep and garble": b"220 what do you want from me\r\n\r\n",
    "later": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "error": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "gone": b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
}


@dataclass(frozen=True)
class Arrival:
    """What a receiver kept. Mails say only the key; webhooks also what they are about."""

    channel: str
    key: str
    event: str | None = None
    alert_ids: tuple[str, ...] = ()


class Receivers:
    """All of them, on one event loop in a thread."""

    def __init__(self, seed: int) -> None:
        self.arrivals: list[Arrival] = []
        self.answers = 0
        self.ports = dict(zip(MOODS, free_ports(len(MOODS)), strict=True))
        self._healthy = False
        self._random = random.Random(seed)  # noqa: S311  (a drill wants to be repeatable)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: dict[str, asyncio.Server] = {}

    def start(self) -> None:
        self._thread.start()
        for name in MOODS:
            self.open(name)

    def stop(self) -> None:
        for name in list(self._servers):
            self.close(name)
        self._wait(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def heal(self) -> None:
        """From now on all keep what they get and say so, but for the one that is gone for good."""
        self._healthy = True

    def open(self, name: str) -> None:
        self._servers[name] = self._wait(self._serve(name))

    def close(self, name: str) -> None:
        """Nobody listens there until it is opened again."""
        self._loop.call_soon_threadsafe(self._servers.pop(name).close)

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self.ports[name]}/{name}"

    async def _serve(self, name: str) -> asyncio.Server:
        if name == MAIL:
            mailbox = Mailbox(self)
            return await self._loop.create_server(
                lambda: SMTP(mailbox, hostname="drill", loop=self._loop), HOST, self.ports[name]
            )

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._talk(name, reader, writer)
            writer.close()

        return await asyncio.start_server(talk, HOST, self.ports[name])

    def mood(self, name: str) -> str:
        self.answers += 1
        if self._healthy and name != GONE:
            return "keep"
        moods = MOODS[name]
        rest = 1.0 - sum(moods.values())
        return self._random.choices([*moods, "keep"], [*moods.values(), rest])[0]

    async def _talk(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        # Half of a message is none: this raises if the sender dies on the way.
        body = await reader.readexactly(int(headers["content-length"]))
        mood = "keep and close" if UNANSWERED in headers and name != GONE else self.mood(name)
        if mood.startswith("keep"):
            told = json.loads(body)
            ids = tuple(alert["id"] for alert in told["alerts"])
            self.arrivals.append(Arrival(name, headers["x-watchkeeper-delivery"], told["event"], ids))
        if mood.endswith("hang"):
            await asyncio.sleep(HANG_S)
        writer.write(ANSWERS.get(mood, b""))
        await writer.drain()

    async def _cancel_all(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class Mailbox:
    """The mail server's side of it."""

    def __init__(self, receivers: Receivers) -> None:
        self._receivers = receivers

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        mood = self._receivers.mood(MAIL)
        if mood == "later":
            return "451 4.3.0 not now"
        if mood.startswith("keep"):
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=default)
            self._receivers.arrivals.append(Arrival(MAIL, str(mail["X-Watchkeeper-Delivery"]).strip()))
        if mood.endswith("close"):
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 OK"
