"""`watchkeeper heartbeats`: the jobs that report, and when they last did."""

import argparse
from datetime import UTC, datetime
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.lists import add_group, show_json
from infra.cli.render import Screen, age, ago

Json = dict[str, Any]


def add_commands(commands: Any) -> None:
    """Add `heartbeats`."""
    add_group(commands, "heartbeats", "the jobs that report, and when they last did", run_list)


def run_list(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """Exit code 1 if one is late."""
    found = store.list_heartbeats()
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("no heartbeats; `watchkeeper apply FILE` adds some")
    else:
        screen.table([row(heartbeat) for heartbeat in found], status_column=1)
    return int(any(heartbeat["status"] in ("warning", "critical") for heartbeat in found))


def row(heartbeat: Json) -> list[str]:
    """Name, status, how often, what it said last, and when the next success is due."""
    now = datetime.now(UTC).isoformat()
    often = heartbeat.get("cron") or f"every {heartbeat['period_s']} s"
    event = heartbeat.get("last_event")
    last = f"{event} {ago(heartbeat['last_event_at'], now)}" if event else "never reported"
    return [heartbeat["name"], heartbeat["status"], often, last, due(heartbeat, now)]


def due(heartbeat: Json, now: str) -> str:
    at = heartbeat.get("due_at")
    if at is None or heartbeat["status"] == "paused":
        return ""
    late = datetime.fromisoformat(at) < datetime.fromisoformat(now)
    return f"due {ago(at, now)}" if late else f"due in {age(now, at)}"
