"""Endpoints of the stories' own: a node that can be made to lie, and one that never answers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

Json = dict[str, Any]
Lie = Callable[[bytes], bytes]


def answer(method: str) -> object:
    """What a healthy node says."""
    block = {"number": "0x64", "timestamp": hex(int(time.time())), "hash": "0x" + "ab" * 32}
    return {
        "eth_getBlockByNumber": block,
        "eth_syncing": False,
        "eth_chainId": "0x1",
        "net_peerCount": "0x7",
        "txpool_status": {"pending": "0x3", "queued": "0x0"},
    }[method]


def truth(request: bytes) -> bytes:
    """A proper reply to a call or to a batch."""
    asked = json.loads(request)
    calls = asked if isinstance(asked, list) else [asked]
    replies = [{"jsonrpc": "2.0", "id": call["id"], "result": answer(call["method"])} for call in calls]
    return json.dumps(replies if isinstance(asked, list) else replies[0]).encode()


class Node:
    """Speaks JSON-RPC as `say` makes it; `missing` bytes less than it announces. A GET gets a plain `status`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.say: Lie = truth
        self.missing = 0
        self.status = 200
        self.requests = 0


@contextmanager
def node() -> Iterator[Node]:
    """A node on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            served.requests += 1
            body = served.say(self.rfile.read(int(self.headers["content-length"])))
            self._reply(200, body, len(body) + served.missing)

        def do_GET(self) -> None:
            served.requests += 1
            self._reply(served.status, b"well", 4)

        def _reply(self, status: int, body: bytes, announced: int) -> None:
            self.send_response(status)
            self.send_header("content-length", str(announced))
            self.end_headers()
            try:
                self.wfile.write(body)
            except ConnectionError:
                self.close_connection = True  # it has heard enough

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # a batch of checks connects at once

    server = Server(("127.0.0.1", 0), Handler)
    served = Node(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def silence() -> Iterator[str]:
    """The URL of a service that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@dataclass
class Receiver:
    """A webhook's other end. While `away` it answers 503."""

    url: str = ""
    away: bool = False
    heard: list[Json] = field(default_factory=list)

    def events(self) -> list[str]:
        return [message["event"] for message in self.heard]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on this machine."""
    served = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if not served.away:
                served.heard.append({**message, "key": self.headers["x-watchkeeper-delivery"]})
            self.send_response(503 if served.away else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Mailbox:
    """Keeps the mails it is sent."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"


@contextmanager
def mailbox(port: int) -> Iterator[Mailbox]:
    """A mail server on this machine."""
    served = Mailbox()
    controller = Controller(served, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield served
    finally:
        controller.stop()
