"""The zip: built for the platform of Lambda, the same twice, and all that its functions need is in it."""

import gzip
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.build import PLATFORMS, UNUSED, gather, package
from tests.support.package import SENTRY, World, invoke_from, link_runtime, modules_after_import, pretended
from tests.watchkeeper.reports import samples

# Importing any of these, which every handler does, costs a fifth of a second in all.
LIBRARIES = {
    "annotated_types", "aws_lambda_powertools", "deprecation", "httpx", "idna", "multidict", "packaging",
    "postgrest", "propcache", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection", "yarl",
}  # fmt: skip
COMMON = {"errors", "faults", "keys", "model", "redact", "settings", "store", "telemetry"}
CALLS = COMMON | {"addresses", "aws", "http", "protocols", "replies", "threads"}
# Of our own, what each handler imports before it knows what there is to do.
PARTS = {
    "close_books": COMMON | {"aws"},
    "deliver_notifications": CALLS
    | {"deliver", "messages", "notices", "notifiers", "secrets", "text", "words"},
    "make_reports": COMMON | {"aws", "report_names"},
    "prune_history": COMMON,
    "record_spooled": COMMON | {"aws", "queues", "record"},
    "run_checks": CALLS | {"chains", "checks", "clock", "queues", "record", "run"},
    "schedule_checks": COMMON | {"aws", "queues"},
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
    return link_runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture
def world() -> Iterator[World]:
    with pretended() as world:
        yield world


@pytest.fixture
def invoke(tree: Path, runtime: Path, world: World) -> Any:
    """Runs a handler of the zip against the world."""

    def run(name: str, event: dict[str, Any], **settings: str) -> Any:
        said = invoke_from(tree, runtime, world, name, event, settings=settings)
        assert said["theirs"] == [], "from somewhere else than the zip"
        return said["told"]

    return run


def test_checks_that_fall_due_are_sent(invoke: Any, world: World) -> None:
    task = {"check_id": IDS[0], "kind": "uptime", "delay_s": 3}
    world.always = {"claim_due_checks": [task]}
    assert invoke("schedule_checks", {}) == {"claimed": 1, "sent": 1}
    assert b"networks" in world.to("publish_catalog")[0]


def test_an_error_of_our_own_is_told_to_sentry(invoke: Any, world: World) -> None:
    world.always = {"claim_due_checks": [{"check_id": IDS[0], "kind": "mempool", "delay_s": 3}]}
    dsn = world.url.replace("://", f"://{'a' * 32}@") + "/7"
    assert invoke("schedule_checks", {}, SENTRY_DSN=dsn) == {"claimed": 1, "sent": 0}
    (envelope,) = [body for _, path, body in world.asked if path == SENTRY]
    assert b'"formatted":"not sent"' in gzip.decompress(envelope)


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


def test_what_waited_in_the_spool_is_recorded(invoke: Any, world: World) -> None:
    world.always = {
        "record_check_results": {"recorded": 1, "repeated": 0, "late": 0, "dropped": 0, "transitions": []}
    }
    message = {
        "messageId": "m", "receiptHandle": "h", "attributes": {"ApproximateReceiveCount": "1"},
        "body": json.dumps({"results": [{"check_id": IDS[0], "due_at": NOW}]}),
    }  # fmt: skip
    assert invoke("record_spooled", {"Records": [message]}) == {"batchItemFailures": []}
    assert len(world.to("record_check_results")) == 1


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
    assert {file.stem for file in (tree / "handlers").glob("*.py")} - {"__init__"} == set(PARTS)


@pytest.mark.parametrize("name", PARTS)
def test_a_handler_imports_what_it_needs_and_no_more(name: str, tree: Path, runtime: Path) -> None:
    """Lists, since times depend on the machine: what is not here is imported when it is needed, or not at all."""
    loaded = modules_after_import(tree, runtime, name)
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
