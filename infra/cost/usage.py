"""What a month of watching uses: counted from template.yaml and the functions' own constants.

Where AWS decides, the dearer case is taken: no two messages share an invocation, and checks fall due spread evenly.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from samtranslator.yaml_helper import yaml_parse

from handlers.schedule_checks import SWEEPS_S
from infra.local.paths import ROOT, TEMPLATE
from watchkeeper.queues import MESSAGES_PER_BATCH, TASKS_PER_MESSAGE
from watchkeeper.telemetry import METRICS

Json = dict[str, Any]

FIGURES = Path(__file__).with_name("figures.yaml")
MONTH_S = 730 * 3600  # as AWS counts
GRID_S = 15  # watchkeeper.grid_s of the database
CHUNK_BYTES = 64 * 1024  # SQS bills each of a request's
# An event source mapping asks an empty queue five times in parallel, 20 s each. Seen by others as 15 empty receives
# a minute and queue: https://github.com/getlift/lift/issues/132
IDLE_RECEIVES_PER_MINUTE = 15
PLATFORM_LOG_BYTES = 350  # START, END and REPORT of one invocation
# What nobody can measure here: how long a message's slowest target takes to answer, and a round trip to the database.
TARGET_S = 0.5
DATABASE_S = 0.05
PAGE_GB = 0.001  # one load of the page
ENVIRONMENT_S = 7200  # Lambda renews a warm process within hours; each reads the key once
VCPU_MB = 1769  # with less memory, a function has so much less of a processor
DAILY_CPU_S = 10.0  # what runs once a day is not measured


@dataclass(frozen=True)
class Plan:
    """What is watched, and how much happens."""

    targets: int = 100
    interval_s: int = 30
    checks: int = 1  # kinds per target: a service has one, an EVM node up to four
    # In so many different seconds they were saved. What falls due in one second travels together.
    seconds: int = 30
    alerts_per_day: int = 20
    page_loads_per_day: int = 50

    @property
    def slots(self) -> float:
        """How often each check falls due in a month."""
        return MONTH_S / self.interval_s

    @property
    def messages_per_slot(self) -> int:
        """Of one kind: tasks of one second travel together, at most 25 of them, and all fall due on one grid."""
        seconds = min(self.targets, self.seconds, self.interval_s // math.gcd(self.interval_s, GRID_S))
        return seconds * math.ceil(self.targets / seconds / TASKS_PER_MESSAGE) if seconds else 0


class Template:
    """What is deployed."""

    def __init__(self, *files: Path) -> None:
        self._documents: list[Json] = [yaml_parse(file.read_text()) for file in files]

    @classmethod
    def own(cls) -> Template:
        """The stack and those nested in it."""
        return cls(TEMPLATE, *sorted((ROOT / "infra").glob("*.yaml")))

    def of_type(self, kind: str) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for document in self._documents:
            resources = document.get("Resources", {})
            found |= {name: r.get("Properties", {}) for name, r in resources.items() if r["Type"] == kind}
        return found

    def parameter(self, name: str) -> float:
        """The default of a number."""
        return float(self._documents[0]["Parameters"][name]["Default"])

    @cached_property
    def functions(self) -> dict[str, Json]:
        usual = self._documents[0]["Globals"]["Function"]
        return {name: {**usual, **f} for name, f in self.of_type("AWS::Serverless::Function").items()}

    def events(self, kind: str) -> dict[str, Json]:
        """The functions that this kind of event wakes."""
        return {
            name: event["Properties"]
            for name, function in self.functions.items()
            for event in function.get("Events", {}).values()
            if event["Type"] == kind
        }


def module(function: Json) -> str:
    return str(function["Handler"].split(".")[1])


def runs_per_month(expression: str) -> float:
    """Of a schedule: rate(n unit), or a cron expression that fires once a day."""
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        return MONTH_S / (int(rate[1]) * {"minute": 60, "hour": 3600, "day": 86400}[rate[2]])
    if re.fullmatch(r"cron\(\d+ \d+ \* \* \? \*\)", expression):
        return MONTH_S / 86400
    raise ValueError(f"{expression}: cannot tell how often that is")


def invocations(plan: Plan, template: Template) -> dict[str, float]:
    """How often each function runs in a month."""
    found = dict.fromkeys(template.functions, 0.0)
    for name, event in template.events("ScheduleV2").items():
        found[name] += runs_per_month(event["ScheduleExpression"])
    ticks = found["ScheduleChecks"]
    found["DeliverNotifications"] += ticks * len(SWEEPS_S) + plan.alerts_per_day * 2 * days()
    for name in kinds(template)[: plan.checks]:
        found[name] += plan.slots * plan.messages_per_slot
    return found


def kinds(template: Template) -> list[str]:
    """The functions that run checks, one for each kind."""
    return sorted(name for name, f in template.functions.items() if module(f) == "run_checks")


def days() -> float:
    return MONTH_S / 86400


def sqs_requests(plan: Plan, template: Template, figures: Mapping[str, Any]) -> dict[str, float]:
    """Of a month, by what asks."""
    runs = invocations(plan, template)
    ticks = runs["ScheduleChecks"]
    used = min(plan.checks, len(kinds(template)))
    # Of one kind, what a tick sends: two slots' worth of ticks may lie in a minute, or a slot in several ticks.
    messages = plan.messages_per_slot * plan.slots / ticks
    tasks_bytes = plan.targets * plan.slots / ticks * figures["task_bytes"]
    sends = max(math.ceil(messages / MESSAGES_PER_BATCH), math.ceil(tasks_bytes / CHUNK_BYTES))
    consumers = list(template.events("SQS"))
    received = sum(runs[name] for name in consumers)
    return {
        "sent": ticks * (used * (sends if messages else 0) + 1) + plan.alerts_per_day * 2 * days(),
        "received": received,
        "deleted": received,
        "asked in vain": len(consumers) * IDLE_RECEIVES_PER_MINUTE * MONTH_S / 60,
    }


def gb_seconds(plan: Plan, template: Template, figures: Mapping[str, Any]) -> float:
    total = 0.0
    for name, runs in invocations(plan, template).items():
        function = template.functions[name]
        memory = int(function["MemorySize"])
        cpu_s = figures["cpu_s"].get(module(function), DAILY_CPU_S) * max(1.0, VCPU_MB / memory)
        waits_s = DATABASE_S + (TARGET_S if module(function) == "run_checks" else 0)
        total += runs * (cpu_s + waits_s) * memory / 1024
    return total


def log_gb(plan: Plan, template: Template, figures: Mapping[str, Any]) -> float:
    runs = invocations(plan, template)
    lines = figures["log_bytes"]
    written = sum(
        n * (PLATFORM_LOG_BYTES + lines.get(module(template.functions[name]), 0)) for name, n in runs.items()
    )
    return float(written / 1e9)


def metrics_of(alarm: Mapping[str, Any]) -> int:
    """How many metrics it looks at. One that computes costs as many alarms as it reads metrics."""
    return sum("MetricStat" in metric for metric in alarm.get("Metrics", [])) or 1


def usage(plan: Plan, template: Template, figures: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """Each line of the bill: its price, what it is for, and how much."""
    runs = invocations(plan, template)
    yield "lambda_requests", "invocations", sum(runs.values())
    yield "lambda_gb_s", "computing, GB-s", gb_seconds(plan, template, figures)
    for what, count in sqs_requests(plan, template, figures).items():
        yield "sqs_requests", f"queues: {what}", count
    schedules = template.events("ScheduleV2").values()
    yield (
        "scheduler_invocations",
        "schedules",
        sum(runs_per_month(s["ScheduleExpression"]) for s in schedules),
    )
    gb = log_gb(plan, template, figures)
    retention = template.parameter("LogRetentionDays")
    yield "log_gb_ingested", "logs, GB written", gb
    yield "log_gb_kept", "logs, GB kept", gb * retention / days()
    yield "metrics", "custom metrics", len(METRICS)
    yield (
        "alarms",
        "alarms, metrics",
        sum(map(metrics_of, template.of_type("AWS::CloudWatch::Alarm").values())),
    )
    yield "dashboards", "dashboards", len(template.of_type("AWS::CloudWatch::Dashboard"))
    yield "parameters", "parameters", 1
    yield "kms_requests", "decrypting the key", len(template.functions) * MONTH_S / ENVIRONMENT_S
    yield "s3_puts", "files written", days() + 8
    yield "cloudfront_gb", "the page, GB", plan.page_loads_per_day * days() * PAGE_GB
    yield "sns_emails", "operators' e-mails", days()


def read_figures(file: Path = FIGURES) -> Json:
    """What make bench measured."""
    figures: Json = yaml.safe_load(file.read_text())
    return figures
