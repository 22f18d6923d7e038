"""`watchkeeper check`: probe a target from this machine and say what each rule makes of it."""

import argparse
import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from infra.cli import env
from infra.cli.api import OperatorStore
from infra.cli.names import NotThere, find_target
from infra.cli.render import Screen, clean, label, number
from watchkeeper.model import CheckResult, Task
from watchkeeper.run import Access, run_all

Json = dict[str, Any]


def add_commands(commands: Any) -> None:
    """Add `check`."""
    command = commands.add_parser(
        "check",
        help="probe a target from this machine",
        description="Probes with the target's stored settings and prints what each rule makes of it; "
        "records nothing. Exit code 0 only if every check is ok.",
    )
    command.add_argument("target", metavar="TARGET")
    command.add_argument("--kind", metavar="K", help="only this kind of check")
    command.add_argument("--json", action="store_true", help="print the results as they would be recorded")
    command.add_argument(
        "--record",
        action="store_true",
        help="instead make the checks due: the next tick runs and records them",
    )
    command.set_defaults(run=run)


def run(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    target = find_target(store, args.target)
    if args.record:
        due = store.run_check_now(target["id"], args.kind)["due"]
        one = "1 check is due; the next tick runs and records it"
        screen.line(one if due == 1 else f"{due} checks are due; the next tick runs and records them")
        return 0
    found = tasks(target, args.kind)
    access = Access(store.observe_chain_tables, env.load().private_targets)
    results = asyncio.run(run_all(found, access))
    if args.json:
        screen.line(json.dumps([result.to_json() for result in results], indent=2))
    else:
        for task, result in zip(found, results, strict=True):
            show(task, result, screen)
    return 0 if all(result.outcome == "ok" for result in results) else 1


def tasks(target: Json, kind: str | None) -> list[Task]:
    """The target's checks as a tick would hand them out, due now."""
    kinds = [kind] if kind else sorted(target["checks"])
    if missing := [k for k in kinds if k not in target["checks"]]:
        has = ", ".join(sorted(target["checks"])) or "none"
        raise NotThere(f"{target['name']} has no {missing[0]} check; it has {has}")
    if not kinds:
        raise NotThere(f"{target['name']} has no checks")
    return [task(target, kind) for kind in kinds]


def task(target: Json, kind: str) -> Task:
    check = target["checks"][kind]
    shared = {key: target[key] for key in ("chain", "network", "endpoint", "settings")}
    own = {key: check[key] for key in ("check_id", "interval_s", "timeout_s", "params")}
    now = datetime.now(UTC)
    return Task(target_id=target["id"], target=target["name"], kind=kind, due_at=now, **shared, **own)


def show(task: Task, result: CheckResult, screen: Screen) -> None:
    """The outcome with its reason, what was measured, and what each rule says."""
    took_ms = (result.finished_at - result.started_at).total_seconds() * 1000
    reason = f"  {clean(result.reason)}" if result.reason else ""
    screen.line(
        f"{clean(task.target)} {task.kind}  {screen.status(result.outcome)}  {took_ms:.0f} ms{reason}"
    )
    screen.table([[label(s.name), number(s.value, s.unit), s.severity] for s in result.samples])
    screen.table(
        [[f.state, f.alert_type, f.severity, f.message] for f in result.findings],
        status_column=0,
    )
