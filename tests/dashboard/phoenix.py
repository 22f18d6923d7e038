"""Supabase Realtime, played before the local API, which has none: a real WebSocket server that speaks Phoenix 1.0.0.

It has the API's address, as in a project: what is for /realtime is its own, all else is handed on as it is.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from threading import Event, Thread
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve

from infra.local.ports import HOST, free_ports

TOPIC = "realtime:watchkeeper"


class Phoenix:
    """One project's Realtime. What pages said is in `heard`, in order."""

    def __init__(self, api_port: int) -> None:
        self.port, self._own_port = free_ports(2)
        self.url = f"http://{HOST}:{self.port}"
        self.heard: list[dict[str, Any]] = []
        self.pages: set[ServerConnection] = set()
        self._api_port = api_port
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        is_open = Event()
        self._thread = Thread(target=lambda: asyncio.run(self._live(is_open)), daemon=True)
        self._thread.start()
        assert is_open.wait(10)
        self.start()

    def start(self) -> None:
        self._server = self._run(self._serve())

    def stop(self) -> None:
        """It is gone, and every line with it; the API stays."""
        if self._server:
            self._server.close()
            self._run(self._server.wait_closed())
            self._server = None

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def tell(self, event: str = "changed", topic: str = TOPIC) -> None:
        """What the trigger in the database has it say."""
        payload = {"type": "broadcast", "event": event, "payload": {}}
        text = json.dumps({"topic": topic, "event": "broadcast", "payload": payload, "ref": None})
        for page in list(self.pages):
            self._run(page.send(text))

    def events(self, name: str) -> list[dict[str, Any]]:
        return [message for message in self.heard if message["event"] == name]

    def _run(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _live(self, is_open: Event) -> None:
        """Until it is over; what is being handed on then is cut."""
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        door = await asyncio.start_server(self._connected, HOST, self.port)
        is_open.set()
        await self._over.wait()
        door.close()

    async def _serve(self) -> Server:
        return await serve(self._talk, HOST, self._own_port)

    async def _talk(self, page: ServerConnection) -> None:
        try:
            async for text in page:
                message = json.loads(text)
                self.heard.append(message)
                if message["event"] == "phx_join":
                    self.pages.add(page)
                if message["event"] in ("phx_join", "heartbeat"):
                    reply = {"status": "ok", "response": {}}
                    answer = {
                        "topic": message["topic"],
                        "event": "phx_reply",
                        "payload": reply,
                        "ref": message["ref"],
                    }
                    await page.send(json.dumps(answer))
        finally:
            self.pages.discard(page)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            mine = b" /realtime/v1/websocket?" in head.partition(b"\r\n")[0]
            there = await asyncio.open_connection(HOST, self._own_port if mine else self._api_port)
            writers.append(there[1])
            there[1].write(head)
            await asyncio.gather(_pass_on(reader, there[1]), _pass_on(there[0], writer))
        except (asyncio.IncompleteReadError, OSError):
            pass  # one side is gone, or not there
        finally:
            for each in writers:
                each.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
