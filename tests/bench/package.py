"""`make bench`: the zip's size, what importing each handler costs, and what its work costs; for `make cost`, too.

Asserts nothing. Imports are told as multiples of the floor: of importing json, logging and urllib.request.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from infra.cost.usage import FIGURES
from infra.local.build import ZIP, build
from infra.local.steps import say
from tests.support.package import invoke_from, link_runtime, pretended

ROUNDS = 7
AGAIN = 20
TASKS = 17  # of a hundred targets at 30 s, what falls due within five
FLOOR = "json, logging, urllib.request"
IMPORT = """
import sys, time
sys.path[:0] = {path!r}
started, used = time.perf_counter(), time.process_time()
import {module}
print(time.perf_counter() - started, time.process_time() - used, len(sys.modules))
"""


def main() -> None:
    file = build() / ZIP
    with tempfile.TemporaryDirectory() as folder:
        tree, runtime = Path(folder) / "tree", Path(folder) / "runtime"
        runtime.mkdir()
        with zipfile.ZipFile(file) as archive:
            archive.extractall(tree)
            size = sum(each.file_size for each in archive.infolist())
        link_runtime(runtime)
        say(f"zip                      {file.stat().st_size / 1e6:6.1f} MB, {size / 1e6:.1f} MB unpacked")
        handlers = sorted(f"handlers.{path.stem}" for path in (tree / "handlers").glob("[!_]*.py"))
        import_figures([str(tree), str(runtime)], handlers)
        work_figures(tree, runtime)


def import_figures(path: list[str], handlers: list[str]) -> None:
    """In turn, so that what else the machine does meets all of them alike."""
    found: dict[str, list[tuple[float, float, int]]] = {}
    for _ in range(ROUNDS):
        for module in (FLOOR, *handlers, "boto3"):
            found.setdefault(module, []).append(time_import(module, path))
    floor = min(used for _, used, _ in found[FLOOR])
    say("\ncold import                   wall, median    processor, best   modules")
    for module, rounds in found.items():
        wall, used = median(r[0] for r in rounds), min(r[1] for r in rounds)
        say(
            f"{module:30}{wall * 1000:9.0f} ms {used * 1000:9.0f} ms = {used / floor:4.1f} floors {rounds[0][2]:6}"
        )


def time_import(module: str, path: list[str]) -> tuple[float, float, int]:
    words = [sys.executable, "-I", "-S", "-c", IMPORT.format(path=path, module=module)]
    told = subprocess.run(words, check=True, capture_output=True, text=True, env={"PATH": os.defpath}).stdout
    wall, used, modules = told.split()
    return float(wall), float(used), int(modules)


def work_figures(tree: Path, runtime: Path) -> None:
    """Processor time of one warm invocation, and what it logs; kept for `make cost`."""
    cpu_s, log_bytes = {}, {}
    task = a_task("http://127.0.0.1:1")
    for name in ("schedule_checks", "run_checks", "deliver_notifications", "make_reports"):
        with pretended() as world:
            counts = {"recorded": TASKS, "repeated": 0, "late": 0, "dropped": 0, "transitions": []}
            world.always = {
                "claim_due_checks": [task] * 2 * TASKS, "record_check_results": counts, "claim_report": None,
                "claim_deliveries": [], "settle_deliveries": {"settled": 0, "stale": 0},
            }  # fmt: skip
            event = {"Records": [{"messageId": "m", "body": message(world.url)}]}
            said = invoke_from(tree, runtime, world, name, event, AGAIN)
        cpu_s[name] = round(median(said["cpu_s"]), 4)
        log_bytes[name] = round(said["bytes"])
    say("\nprocessor time of a warm invocation, and what it logs")
    for name, seconds in cpu_s.items():
        say(f"{name:30}{seconds * 1000:9.0f} ms {log_bytes[name]:9} bytes")
    figures = {
        "measured": datetime.now(UTC).date(), "task_bytes": len(json.dumps(task)), "cpu_s": cpu_s,
        "log_bytes": log_bytes,
    }  # fmt: skip
    head = "# Written by make bench: per warm invocation. What is not here runs once a day.\n"
    FIGURES.write_text(head + yaml.safe_dump(figures, sort_keys=False))
    say(f"kept in {FIGURES.name} for make cost")


def message(url: str) -> str:
    return json.dumps({"kind": "uptime", "tasks": [a_task(url)] * TASKS})


def a_task(url: str) -> dict[str, Any]:
    return {
        "check_id": "5f0c4f1e-0000-4000-8000-000000000001", "target_id": "5f0c4f1e-0000-4000-8000-000000000002",
        "target": "a service of some name", "kind": "uptime", "due_at": "2100-01-01T00:00:00.000000+00:00",
        "delay_s": 12.345678, "interval_s": 30, "timeout_s": 10, "chain": None, "network": None,
        "endpoint": f"{url}/health", "settings": {}, "params": {},
    }  # fmt: skip


if __name__ == "__main__":
    main()
