"""Runs the checks of an SQS batch, all at once, records their results in one call, and wakes who delivers."""

import asyncio
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from watchkeeper import aws
from watchkeeper.errors import SettingsError, StoreError
from watchkeeper.model import CheckResult, Task
from watchkeeper.queues import nudge, unpack
from watchkeeper.run import Access, run_all
from watchkeeper.settings import DeliverySettings, Settings
from watchkeeper.store import Json, Store

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

RESULTS_PER_CALL = 1000
PATIENCE_S = 10  # a probe may have taken 60 of the function's 75 seconds
# By then the database has counted the slot as missed and made the check due again (45 s after its timeout, at
# the next tick). Probing now would be late evidence, and a backlog of it would hammer the targets.
STALE_AFTER_S = 120

logger = Logger(service="run_checks")
metrics = Metrics(namespace="Watchkeeper", service="run_checks")


@cache
def settings() -> Settings:
    return Settings.from_env()


@cache
def notify_queue_url() -> str | None:
    return DeliverySettings.from_env().notify_queue_url


@cache
def sqs() -> "SQSClient":
    """Quick to give up: a sweep follows."""
    client: SQSClient = aws.client("sqs", connect_s=1, read_s=2)
    return client


@cache
def store() -> Store:
    return Store(settings().supabase_url, settings().supabase_secret_key, patience_s=PATIENCE_S)


@cache
def access() -> Access:
    return Access(store().observe_chain_tables, settings().private_targets)


@cache
def runner() -> asyncio.Runner:
    """One event loop per process, so that what is bound to a loop outlives one batch."""
    return asyncio.Runner()


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS passes both
    """Entry point. A message that nobody can read fails alone; if recording fails, all come again."""
    unreadable: list[str] = []
    tasks: list[Task] = []
    for record in event["Records"]:
        try:
            tasks += readable(unpack(record["body"])[1])
        except ValueError as error:
            logger.warning("message cannot be read", extra={"id": record["messageId"], "why": str(error)})
            unreadable.append(record["messageId"])
    try:
        record_results(run_fresh(tasks))
    except StoreError:
        logger.exception("nothing recorded; the batch comes again")
        return failures(record["messageId"] for record in event["Records"])
    return failures(unreadable)


def readable(tasks: Iterable[Json]) -> list[Task]:
    """The tasks that make sense. The others are logged, and the database counts their slots as missed."""
    found: list[Task] = []
    for task in tasks:
        try:
            found.append(Task.model_validate(task))
        except ValidationError as error:
            why = error.errors(include_url=False, include_context=False, include_input=False)
            logger.warning("task cannot be read", extra={"check_id": task.get("check_id"), "why": why})
            metrics.add_metric("TasksUnreadable", MetricUnit.Count, 1)
    return found


def run_fresh(tasks: list[Task]) -> list[CheckResult]:
    """Run all tasks but the stale ones, concurrently."""
    now = datetime.now(UTC)
    fresh = [task for task in tasks if not is_stale(task, now)]
    metrics.add_metric("TasksStale", MetricUnit.Count, len(tasks) - len(fresh))
    return runner().run(run_all(fresh, access())) if fresh else []


def is_stale(task: Task, now: datetime) -> bool:
    return now - task.due_at > timedelta(seconds=STALE_AFTER_S + task.timeout_s)


def record_results(results: list[CheckResult]) -> None:
    """Record everything, a thousand a call."""
    for start in range(0, len(results), RESULTS_PER_CALL):
        record_page([result.to_json() for result in results[start : start + RESULTS_PER_CALL]])


def record_page(results: list[Json]) -> None:
    """Record one page. A result that the database refuses costs itself only: it is logged and left out."""
    while results:
        try:
            recorded = store().record_check_results(results)
        except StoreError as error:
            refused = results.pop(refused_index(error, len(results)))
            logger.warning("result refused", extra={"check_id": refused["check_id"], "why": error.message})
            metrics.add_metric("ResultsRefused", MetricUnit.Count, 1)
        else:
            note(recorded)
            return


def refused_index(error: StoreError, length: int) -> int:
    """Which of the results the refusal names; any other error is raised again."""
    named = re.match(r"results\[(\d+)\]", error.argument or "")
    if error.code != "22023" or not named or int(named[1]) >= length:
        raise error
    return int(named[1])


def note(recorded: Json) -> None:
    for name in ("recorded", "repeated", "late", "dropped"):
        metrics.add_metric(f"Results{name.title()}", MetricUnit.Count, recorded[name])
    for transition in recorded["transitions"]:
        logger.warning("alert", extra=transition)
    if recorded["transitions"]:
        wake_delivery()


def wake_delivery() -> None:
    """One empty message. If it cannot be sent, the sweep comes within 15 s: no reason to run the checks again."""
    try:
        url = notify_queue_url()
        refusals = nudge(sqs(), url) if url else ()
    except aws.errors(SettingsError) as error:
        refusals = (str(error),)
    if refusals:
        logger.error("no nudge; the sweep goes on with it", extra={"why": refusals})


def failures(message_ids: Iterable[str]) -> dict[str, Any]:
    """SQS keeps these messages and deletes the others of the batch."""
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in message_ids]}
