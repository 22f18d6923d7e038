"""Endpoints of the stories' own: a node that can be made to lie, and one that never answers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

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
    """Speaks JSON-RPC as `say` makes it; `missing` bytes less than it announces. A GET gets a plain 200."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.say: Lie = truth
        self.missing = 0
        self.requests = 0


@contextmanager
def node() -> Iterator[Node]:
    """A node on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            served.requests += 1
            body = served.say(self.rfile.read(int(self.headers["content-length"])))
            self._reply(body, len(body) + served.missing)

        def do_GET(self) -> None:
            served.requests += 1
            self._reply(b"well", 4)

        def _reply(self, body: bytes, announced: int) -> None:
            self.send_response(200)
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
