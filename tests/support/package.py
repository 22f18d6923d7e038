"""The functions as they are packaged, run in an interpreter that has nothing else, against a pretended world."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

# What the runtime of Lambda brings along.
RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
SENTRY = "/api/7/envelope/"
RUN = """
import importlib, json, os, sys
sys.path[:0] = {path!r}
class Context:
    function_name, memory_limit_in_mb, aws_request_id = "f", 512, "r"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:f"
    def get_remaining_time_in_millis(self): return 300_000 if {name!r} == "make_reports" else 200_000
module = importlib.import_module("handlers.{name}")
told = module.handler(json.loads({event!r}), Context())
import time
spent = []
for _ in range({again}):
    started = time.process_time()
    module.handler(json.loads({event!r}), Context())
    spent.append(time.process_time() - started)
theirs = [m.__file__ for m in list(sys.modules.values()) if "site-packages" in (getattr(m, "__file__", "") or "")]
print(json.dumps({{"told": told, "theirs": theirs, "cpu_s": spent}}))
"""
IMPORT = """
import json, sys
sys.path[:0] = {path!r}
import handlers.{name}
print(json.dumps(sorted(set(sys.modules))))
"""


class World:
    """A database, AWS and whoever is called, all at one address; what they were asked is kept."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self.once: dict[str, Any] = {}
        self.always: dict[str, Any] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                outer.asked.append((self.command, path, body))
                found = {} if path.startswith(SENTRY) else outer.reply(path.rpartition("/")[2], body)
                reply = b"" if self.command == "PUT" else json.dumps(found).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_POST = do_PUT = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def reply(self, name: str, body: bytes) -> Any:
        if name == "":  # SQS
            entries = json.loads(body).get("Entries", [])
            return {"Successful": [{"Id": entry["Id"], "MessageId": "m"} for entry in entries], "Failed": []}
        if name in self.once:
            return self.once.pop(name)
        return self.always.get(name, {})

    def to(self, name: str) -> list[bytes]:
        return [body for _, path, body in self.asked if path.rpartition("/")[2] == name]


@contextmanager
def pretended() -> Iterator[World]:
    """A world that answers while it is needed."""
    world = World()
    thread = Thread(target=world.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield world
    world.server.shutdown()
    world.server.server_close()
    thread.join()


def link_runtime(folder: Path) -> Path:
    """The part of this environment that Lambda has as well."""
    for name in RUNTIME:
        spec = find_spec(name)
        assert spec
        assert spec.origin
        origin = Path(spec.origin)
        found = origin.parent if origin.name == "__init__.py" else origin
        (folder / found.name).symlink_to(found)
    return folder


def python(script: str, env: dict[str, str] | None = None) -> list[str]:
    """Runs it with no site-packages at all; returns the lines it wrote."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    return done.stdout.splitlines()


def modules_after_import(tree: Path, runtime: Path, name: str) -> list[str]:
    """What is loaded when a handler is."""
    loaded: list[str] = json.loads(python(IMPORT.format(path=[str(tree), str(runtime)], name=name))[-1])
    return loaded


def invoke_from(
    tree: Path,
    runtime: Path,
    world: World,
    name: str,
    event: dict[str, Any],
    again: int = 0,
    settings: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Runs a handler: what it `told`, modules that are not of the zip (`theirs`), and how many `bytes` it logged.

    `again`: so often, for the processor time of each (`cpu_s`).
    """
    env = {
        "SUPABASE_URL": world.url, "SUPABASE_SECRET_KEY": "key", "PRIVATE_TARGETS": "loopback",
        "AWS_ENDPOINT_URL": world.url, "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t",
        "AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true",
        "NOTIFY_QUEUE_URL": f"{world.url}/", "UPTIME_QUEUE_URL": f"{world.url}/", "REPORTS_BUCKET": "reports",
        "SPOOL_QUEUE_URL": f"{world.url}/", "AUDIT_HEADS_BUCKET": "heads", "POWERTOOLS_LOG_LEVEL": "INFO",
        "CHANNEL_URL": f"{world.url}/hook", "PATH": os.defpath,
        **(settings or {}),
    }  # fmt: skip
    path = [str(tree), str(runtime)]
    lines = python(RUN.format(path=path, name=name, event=json.dumps(event), again=again), env)
    said: dict[str, Any] = json.loads(lines[-1])
    return {**said, "bytes": sum(len(line) + 1 for line in lines[:-1]) / (1 + again)}
