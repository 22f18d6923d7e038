"""`make bench`: how long an event's walk takes and what it costs, on the laptop stack. Prints figures, asserts nothing.

About a minute and a half, longer where the package has to be built first. The functions, their emulator, the API and
Postgres share this machine's processors, so latencies are upper bounds of what a real deployment shows.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any, LiteralString

import psycopg

from infra.local.ports import Ports
from infra.local.stack import Stack
from infra.local.steps import say
from tests.stories.endpoints import node
from tests.support.scratch import scratch
from watchkeeper.catalog import catalog
from watchkeeper.model import KINDS

Db = psycopg.Connection[tuple[Any, ...]]

TARGETS = 40
INTERVAL_S = 20  # two slots of each check are measured: those that the tick sent ahead of their time
WAIT_S = 60
TICKS = 10

MEASURED: LiteralString = (
    "due_at > claimed_at and due_at <= claimed_at + interval '41 seconds' and claimed_at <= %s"
)


def main() -> None:
    began = time.monotonic()
    with scratch() as folder, deployed(folder) as stack:
        pipeline_figures(stack)
    say(f"\nmeasured in {time.monotonic() - began:.0f} s on {os.cpu_count()} cores, emulators included")


@contextmanager
def deployed(folder: Path) -> Iterator[Stack]:
    """The laptop stack on free ports; removed afterwards."""
    stack = Stack(folder / "stack", Ports.free(), durable=False)
    try:
        stack.start_postgres()
        stack.migrate()
        stack.gateway.start()
        stack.start_aws()
        yield stack
    finally:
        stack.stop()
        stack.postgres.erase()


# --- the walk ---


def pipeline_figures(stack: Stack) -> None:
    with (
        node() as served,
        stack.store() as store,
        psycopg.connect(stack.postgres.url(), autocommit=True) as db,
    ):
        store.publish_catalog(catalog("loopback"))
        stack.aws.schedule_checks()  # warm, and nothing is due yet
        store.apply_targets([target(n, served.url) for n in range(TARGETS)])
        called = time.time()
        told = stack.aws.schedule_checks()
        replied_ms = (time.time() - called) * 1000
        claimed = [
            row[0] for row in db.execute("select distinct claimed_at from watchkeeper.runs").fetchall()
        ]
        say(
            f"tick -> claimed          {since(called, claimed):6.0f} ms, all sent after {replied_ms:.0f} ms   {told}"
        )
        wait_for(db, "cold", "due_at <= claimed_at")
        used = cpu_by_part(stack)
        wait_for(db, "warm", MEASURED, max(claimed))
        spent = {part: seconds - used[part] for part, seconds in cpu_by_part(stack).items()}
        latency_figures(db)
        cpu_figures(db, spent)
        say(f"idle tick, in all        {median(idle_tick_ms(stack) for _ in range(TICKS)):6.0f} ms")


def target(number: int, url: str) -> dict[str, object]:
    """Chain targets for all kinds: a node for the first three, tables for the next two, and a service."""
    on_tables = number % 2 == 1
    kinds = ("quantum", "economics") if on_tables else ("blockchain", "p2p", "mempool", "uptime")
    return {
        "name": f"bench {number}",
        "chain": "supabase" if on_tables else "evm",
        "endpoint": None if on_tables else url,
        "checks": {kind: {"interval_s": INTERVAL_S} for kind in kinds},
    }


def since(moment: float, moments: list[datetime]) -> float:
    return (max(moments).timestamp() - moment) * 1000


def wait_for(db: Db, which: str, condition: LiteralString, *arguments: object) -> None:
    """Until these slots are recorded. The Scheduler's own tick claims more, and those are not waited for."""
    query = "select count(*) from watchkeeper.runs where outcome is null and " + condition  # noqa: S608
    deadline = time.monotonic() + WAIT_S
    while left := one(db, query, *arguments):
        if time.monotonic() > deadline:
            say(f"not measured             {left} {which} slots were still open after {WAIT_S} s")
            return
        time.sleep(0.05)


def one(db: Db, query: LiteralString, *arguments: object) -> int:
    row = db.execute(query, arguments).fetchone()
    assert row
    return int(row[0])


def latency_figures(db: Db) -> None:
    """Only slots that were claimed before they were due: the others measure our own waiting."""
    say("\ndue -> recorded              p50       p95    started p50       p95")
    for kind in KINDS:
        rows = db.execute(
            "select extract(epoch from r.recorded_at - r.due_at)::float8, "
            "extract(epoch from r.started_at - r.due_at)::float8, r.outcome "
            "from watchkeeper.runs r join watchkeeper.checks c on c.id = r.check_id "
            "where c.kind = %s and r.claimed_at < r.due_at - interval '1 second' and r.started_at is not null",
            [kind],
        ).fetchall()
        if len(rows) < 2:
            say(f"  {kind:12}          not measured: {len(rows)} slots")
            continue
        recorded, started, outcomes = (list(column) for column in zip(*rows, strict=True))
        counts = ", ".join(f"{count} {outcome}" for outcome, count in Counter(outcomes).items())
        say(f"  {kind:12}          {milliseconds(recorded)}   {milliseconds(started)}   {counts}")
    say("")


def milliseconds(seconds: list[float]) -> str:
    return f"{median(seconds) * 1000:5.0f} ms  {quantiles(seconds, n=20)[-1] * 1000:5.0f} ms"


def cpu_figures(db: Db, spent: dict[str, float]) -> None:
    runs = one(db, "select count(*) from watchkeeper.runs where due_at > claimed_at and outcome is not null")
    per_thousand = ", ".join(
        f"{part} {seconds / max(runs, 1) * 1000:.1f} s" for part, seconds in spent.items()
    )
    say(f"CPU per 1,000 checks     {per_thousand}   ({runs} runs)")


def idle_tick_ms(stack: Stack) -> float:
    started = time.perf_counter()
    stack.aws.schedule_checks()
    return (time.perf_counter() - started) * 1000


# --- processor time, from /proc ---


def cpu_by_part(stack: Stack) -> dict[str, float]:
    """Seconds each part has used so far, its ended children included."""
    if not Path("/proc/self/stat").exists():
        say("not measured             processor time: this system has no /proc")
        return {}
    emulator = family(noted_pid(stack.aws.process.name, stack))
    functions = {pid for pid in emulator if is_function(pid)}
    parts = {
        "functions": functions,
        "emulator": emulator - functions,
        "API": family(noted_pid(stack.gateway.process.name, stack)),
        "Postgres": family(noted_pid(stack.postgres.process.name, stack)),
    }
    tick = os.sysconf("SC_CLK_TCK")
    return {part: sum(sum(map(int, stat(pid)[11:15])) for pid in pids) / tick for part, pids in parts.items()}


def is_function(pid: int) -> bool:
    """Whether the emulator runs one of our functions in it."""
    try:
        return b"_worker.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def noted_pid(name: str, stack: Stack) -> int:
    return int(json.loads((stack.state / "run" / f"{name}.json").read_text())["pid"])


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    parents = {
        int(path.name): int(stat(int(path.name))[1])
        for path in Path("/proc").iterdir()
        if path.name.isdigit()
    }
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the name, state first; zeros for one that has just ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X"] + ["0"] * 49


if __name__ == "__main__":
    main()
