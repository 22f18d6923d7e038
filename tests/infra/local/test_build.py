"""The zip: built for the platform of Lambda, the same twice, and all that its functions need is in it."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from infra.local.build import PLATFORMS, UNUSED, gather, package
from tests.watchkeeper.reports import samples

HANDLERS = (
    "close_books", "deliver_notifications", "make_reports", "prune_history", "run_checks", "schedule_checks",
)  # fmt: skip
# What the runtime of Lambda brings along.
RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
# Importing any of these, which every handler does, costs a fifth of a second in all.
LIBRARIES = {
    "annotated_types", "aws_lambda_powertools", "deprecation", "httpx", "idna", "multidict", "packaging",
    "postgrest", "propcache", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection", "yarl",
}  # fmt: skip
COMMON = {"errors", "model", "settings", "store"}
CALLS = COMMON | {"addresses", "aws", "http", "protocols", "redact", "text", "threads"}
# Of our own, what each handler imports before it knows what there is to do.
PARTS = {
    "close_books": COMMON | {"aws"},
    "deliver_notifications": CALLS | {"deliver", "notifiers", "secrets", "words"},
    "make_reports": COMMON | {"aws", "report_names"},
    "prune_history": COMMON,
    "run_checks": CALLS | {"chains", "checks", "queues", "run"},
    "schedule_checks": CALLS - {"http", "redact"} | {"catalog", "chains", "checks", "notifiers", "queues"},
}
# What the compiled parts of multidict and propcache put there.
CYTHON = ("_cython_", "cython_runtime")

REPORT = {
    "id": "5f0c4f1e-0000-4000-8000-000000000001", "lease_id": "5f0c4f1e-0000-4000-8000-000000000002",
    "kind": "sla", "title": "Zoë's nodes", "from_time": "2026-10-01T00:00:00+00:00",
    "to_time": "2026-11-01T00:00:00+00:00", "formats": ["html", "pdf", "csv", "json"], "files": [], "attempt": 1,
}  # fmt: skip
IDS = [f"5f0c4f1e-0000-4000-8000-00000000000{n}" for n in range(5)]
NOW = "2026-11-02T00:00:00+00:00"

RUN = """
import importlib, json, os, sys
sys.path[:0] = {path!r}
class Context:
    function_name, memory_limit_in_mb, aws_request_id = "f", 512, "r"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:f"
    def get_remaining_time_in_millis(self): return 300_000 if {name!r} == "make_reports" else 200_000
module = importlib.import_module("handlers.{name}")
told = module.handler(json.loads({event!r}), Context())
theirs = [m.__file__ for m in list(sys.modules.values()) if "site-packages" in (getattr(m, "__file__", "") or "")]
print(json.dumps({{"told": told, "theirs": theirs}}))
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
                found = outer.reply(path.rpartition("/")[2], body)
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


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in the zip for this machine."""
    folder = tmp_path_factory.mktemp("zip") / "tree"
    file = folder.with_name("functions.zip")
    package(file)
    zipfile.ZipFile(file).extractall(folder)
    return folder


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part of this environment that Lambda has as well."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME:
        spec = find_spec(name)
        assert spec
        assert spec.origin
        origin = Path(spec.origin)
        found = origin.parent if origin.name == "__init__.py" else origin
        (folder / found.name).symlink_to(found)
    return folder


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    thread = Thread(target=world.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield world
    world.server.shutdown()
    world.server.server_close()
    thread.join()


def python(script: str, env: dict[str, str] | None = None) -> Any:
    """Runs it with no site-packages at all, and returns the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def invoke(tree: Path, runtime: Path, world: World) -> Any:
    """Runs a handler of the zip against the world."""
    env = {
        "SUPABASE_URL": world.url, "SUPABASE_SECRET_KEY": "key", "PRIVATE_TARGETS": "loopback",
        "AWS_ENDPOINT_URL": world.url, "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t",
        "AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true",
        "NOTIFY_QUEUE_URL": f"{world.url}/", "UPTIME_QUEUE_URL": f"{world.url}/", "REPORTS_BUCKET": "reports",
        "AUDIT_HEADS_BUCKET": "heads", "POWERTOOLS_LOG_LEVEL": "WARNING", "POWERTOOLS_METRICS_DISABLED": "true",
        "CHANNEL_URL": f"{world.url}/hook", "PATH": "/usr/bin:/bin",
    }  # fmt: skip

    def run(name: str, event: dict[str, Any]) -> Any:
        path = [str(tree), str(runtime)]
        said = python(RUN.format(path=path, name=name, event=json.dumps(event)), env)
        assert said["theirs"] == [], "from somewhere else than the zip"
        return said["told"]

    return run


def test_checks_that_fall_due_are_sent(invoke: Any, world: World) -> None:
    task = {"check_id": IDS[0], "kind": "uptime", "delay_s": 3}
    world.always = {"claim_due_checks": [task]}
    assert invoke("schedule_checks", {}) == {"claimed": 1, "sent": 1}
    assert b"networks" in world.to("publish_catalog")[0]


def test_a_check_is_run_and_recorded(invoke: Any, world: World) -> None:
    counts = {"recorded": 1, "repeated": 0, "late": 0, "dropped": 0, "transitions": [{"alert_type": "x"}]}
    world.always = {"record_check_results": counts}
    task = {
        "check_id": IDS[0], "target_id": IDS[1], "target": "site", "kind": "uptime", "due_at": "2100-01-01T00:00:00Z",
        "interval_s": 60, "timeout_s": 5, "endpoint": f"{world.url}/site",
    }  # fmt: skip
    body = json.dumps({"kind": "uptime", "tasks": [task]})
    assert invoke("run_checks", {"Records": [{"messageId": "m", "body": body}]}) == {"batchItemFailures": []}
    (recorded,) = world.to("record_check_results")
    assert json.loads(recorded)["results"][0]["outcome"] == "ok"
    assert len(world.to("")) == 1, "who delivers is woken"


def test_a_message_is_sent_and_settled(invoke: Any, world: World) -> None:
    channel = {"id": IDS[1], "name": "tool", "kind": "webhook", "secrets": {"url": "env:CHANNEL_URL"}}
    delivery = {"id": IDS[2], "dedup_key": "k", "created_at": NOW}
    message = {"lease_id": IDS[3], "event": "test", "channel": channel, "deliveries": [delivery]}
    world.once = {"claim_deliveries": [message]}
    world.always = {"claim_deliveries": [], "settle_deliveries": {"settled": 1, "stale": 0}}
    assert invoke("deliver_notifications", {"Records": []}) == {"batchItemFailures": []}
    assert len(world.to("hook")) == 1
    (settled,) = world.to("settle_deliveries")
    assert json.loads(settled)["settlements"][0]["outcome"] == "sent"


def test_a_report_is_made_in_every_format(invoke: Any, world: World) -> None:
    world.once = {"claim_report": REPORT}
    world.always = {
        "claim_report": None,
        "get_report_data": samples.sla(),
        "settle_report": {"settled": True},
    }
    assert invoke("make_reports", {}) == {"made": 1}, world.to("settle_report")
    files = {path.rpartition(".")[2]: body for verb, path, body in world.asked if verb == "PUT"}
    assert sorted(files) == ["csv", "html", "json", "pdf"]
    assert b"%PDF-" in files["pdf"]


def test_the_books_are_closed(invoke: Any, world: World) -> None:
    world.always = {
        "roll_up_days": {"days": 1, "more": False},
        "close_months": {"closed": []},
        "audit_head": {"seq": 7, "hash": "ab", "at": NOW},
    }
    assert invoke("close_books", {})["head"]["written"] is True
    assert [verb for verb, path, _ in world.asked if path.startswith("/heads/audit/")] == ["PUT"]


def test_history_is_pruned(invoke: Any, world: World) -> None:
    world.always = {"prune_history": {"runs": 3, "more": False}}
    assert invoke("prune_history", {}) == {"rows": {"runs": 3}, "more": False}


def test_every_handler_is_tried_here(tree: Path) -> None:
    assert (
        {file.stem for file in (tree / "handlers").glob("*.py")} - {"__init__"} == set(HANDLERS) == set(PARTS)
    )


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_imports_what_it_needs_and_no_more(name: str, tree: Path, runtime: Path) -> None:
    """Lists, since times depend on the machine: what is not here is imported when it is needed, or not at all."""
    loaded = python(IMPORT.format(path=[str(tree), str(runtime)], name=name))
    tops = {module.partition(".")[0] for module in loaded} - set(sys.stdlib_module_names)
    tops = {top for top in tops if not top.startswith((*CYTHON, "_sysconfigdata"))}
    # Powertools look whether botocore is there; that alone loads nothing of it.
    assert tops - {"__main__", "botocore", "jmespath"} <= LIBRARIES | {"handlers", "watchkeeper"}
    assert [module for module in loaded if module.startswith(("botocore.", "httpcore", "anyio"))] == []
    assert {module.split(".")[1] for module in loaded if module.startswith("watchkeeper.")} == PARTS[name]


def test_nothing_is_in_it_that_does_not_run(tree: Path) -> None:
    assert [path for pattern in UNUSED for path in tree.glob(pattern)] == []
    assert not (tree / "boto3").exists()
    assert not (tree / "infra").exists()
    assert not [path for path in tree.rglob("*") if path.name in ("tests", "test", "conftest.py")]


def test_every_module_is_compiled_and_needs_no_look_at_its_source(tree: Path) -> None:
    modules = sorted(tree.rglob("*.py"))
    assert modules
    for module in modules:
        (compiled,) = (module.parent / "__pycache__").glob(f"{module.stem}.cpython-*.pyc")
        assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00", "unchecked hash"


def test_the_same_sources_make_the_same_zip(tmp_path: Path, tree: Path) -> None:
    package(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == tree.with_name("functions.zip").read_bytes()


@pytest.mark.parametrize(("arch", "machine"), [("arm64", 183), ("x86_64", 62)])
def test_it_is_built_for_the_processor_that_was_asked_for(arch: str, machine: int, tmp_path: Path) -> None:
    gather(tmp_path, PLATFORMS[arch])
    compiled = sorted(tmp_path.rglob("*.so"))
    assert len(compiled) >= 3
    assert {int.from_bytes(file.read_bytes()[18:20], "little") for file in compiled} == {machine}, (
        "ELF e_machine"
    )
