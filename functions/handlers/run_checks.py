"""Runs the checks of an SQS batch, all at once, records their results in one call, and wakes who delivers.

Results that cannot be recorded wait in the spool.
"""

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from watchkeeper import aws, faults, telemetry
from watchkeeper.clock import ahead, utc_now
from watchkeeper.errors import SettingsError, StoreError
from watchkeeper.model import CheckResult, Task
from watchkeeper.queues import nudge, pack_results, send, unpack
from watchkeeper.record import Recording, record
from watchkeeper.run import Access, Clock, run_all
from watchkeeper.settings import DeliverySettings, Settings, SpoolSettings
from watchkeeper.store import Json, Store, StoreUnreachable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

PATIENCE_S = 10  # a probe may have taken 60 of the function's 75 seconds
# By then the database has counted the slot as missed and made the check due again (45 s after its timeout, at
# the next tick). Probing now would be late evidence, and a backlog of it would hammer the targets.
STALE_AFTER_S = 120

logger = telemetry.logger("run_checks")
meter = telemetry.Meter("run_checks")


@cache
def settings() -> Settings:
    return Settings.from_env()


@cache
def notify_queue_url() -> str | None:
    return DeliverySettings.from_env().notify_queue_url


@cache
def spool_queue_url() -> str | None:
    return SpoolSettings.from_env().queue_url


@cache
def sqs() -> "SQSClient":
    """Quick to give up: a sweep follows."""
    client: SQSClient = aws.client("sqs", connect_s=1, read_s=2)
    return client


@cache
def store() -> Store:
    key = telemetry.hide(settings().supabase_secret_key)
    newer = telemetry.hiding(settings().newer_key)
    return Store(settings().supabase_url, key, patience_s=PATIENCE_S, newer_key=newer)


@cache
def access() -> Access:
    return Access(store().observe_chain_tables, settings().private_targets)


@cache
def runner() -> asyncio.Runner:
    """One event loop per process, so that what is bound to a loop outlives one batch."""
    return asyncio.Runner()


@logger.inject_lambda_context
@meter.told
@faults.reporting(logger)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS passes both
    """Entry point. A message that nobody can read fails alone. If results can neither be recorded nor kept, all
    messages come again."""
    logger.set_correlation_id(telemetry.correlation(message["body"] for message in event["Records"]))
    unreadable: list[str] = []
    tasks: list[Task] = []
    for message in event["Records"]:
        try:
            walk = {"correlation_id": telemetry.correlation([message["body"]])}
            tasks += readable({**task, **walk} for task in unpack(message["body"])[1])
        except ValueError as error:
            logger.warning("message cannot be read", extra={"id": message["messageId"], "why": str(error)})
            unreadable.append(message["messageId"])
    runs = run_fresh(tasks, clock_of(event["Records"]))
    recording = record_results([to_json(task, result) for task, result in runs if task.probe_id is None])
    safe = recording.error is None or spooled(recording.left, recording.error)
    if not safe or not settle_probes(runs):
        return failures(message["messageId"] for message in event["Records"])
    return failures(unreadable)


def to_json(task: Task, result: CheckResult) -> Json:
    """With the walk it is a part of, so that the ledger names it as the logs do."""
    return result.to_json() | ({"correlation_id": task.correlation_id} if task.correlation_id else {})


def readable(tasks: Iterable[Json]) -> list[Task]:
    """The tasks that make sense. The others are logged, and the database counts their slots as missed."""
    found: list[Task] = []
    for task in tasks:
        try:
            found.append(Task.model_validate(task))
        except ValidationError as error:
            why = error.errors(include_url=False, include_context=False, include_input=False)
            logger.warning("task cannot be read", extra={"check_id": task.get("check_id"), "why": why})
            meter.add("TasksUnreadable")
    return found


def clock_of(messages: Iterable[Json]) -> Clock:
    """Ours, set right if it is far wrong: an old block would look new, and what is due as if its time were over."""
    wrong = ahead(messages, utc_now())
    if wrong:
        logger.error("the clock of this function is wrong", extra={"ahead_s": wrong.total_seconds()})
        meter.add("ClockWrong")
    return lambda: utc_now() - wrong


def run_fresh(tasks: list[Task], clock: Clock) -> list[tuple[Task, CheckResult]]:
    """Run all tasks but the stale ones, concurrently."""
    now = clock()
    fresh = [task for task in tasks if not is_stale(task, now)]
    meter.add("TasksStale", len(tasks) - len(fresh))
    results = runner().run(run_all(fresh, access(), clock)) if fresh else []
    return list(zip(fresh, results, strict=True))


def is_stale(task: Task, now: datetime) -> bool:
    return now - task.due_at > timedelta(seconds=STALE_AFTER_S + task.timeout_s)


def settle_probes(runs: list[tuple[Task, CheckResult]]) -> bool:
    """What a probe found goes to whoever tries it out, and nowhere else. A refusal costs this probe only; false: it
    has to come again.
    """
    for task, result in runs:
        if task.probe_id is None:
            continue
        try:
            store().settle_probe(str(task.probe_id), result.to_json())
        except StoreUnreachable as error:
            logger.warning("probes not settled; the batch comes again", extra={"why": str(error)})
            return False
        except StoreError as error:
            logger.warning("probe not settled", extra={"probe_id": task.probe_id, "why": error.message})
    return True


def record_results(results: list[Json]) -> Recording:
    """Record everything, and tell of it."""
    started = time.monotonic()
    recording = record(store(), results)
    if results:
        meter.add("RecordMs", round(1000 * (time.monotonic() - started), 1))
    for name, count in recording.counts.items():
        meter.add(f"Results{name.title()}", count)
    for refused, why in recording.refused:
        logger.warning("result refused", extra={"check_id": refused["check_id"], "why": why})
        meter.add("ResultsRefused")
    for transition in recording.transitions:
        logger.warning("alert", extra=transition)
    if recording.transitions:
        wake_delivery()
    return recording


def spooled(results: list[Json], error: StoreError) -> bool:
    """Whether they are safe in the spool, from which they are recorded when the database is back."""
    if isinstance(error, StoreUnreachable):
        meter.add("StoreUnreachable")
    why = {"why": str(error), "results": len(results)}
    url = spool_queue_url()
    # 22023: what was sent makes no sense to the database, and will make none later.
    if url is None or error.code == "22023":
        logger.error("nothing recorded; the batch comes again", extra=why)
        return False
    refusals = send(sqs(), url, pack_results(results, logger.get_correlation_id())).refusals
    if refusals:
        logger.error("neither recorded nor spooled; the batch comes again", extra={**why, "spool": refusals})
        return False
    logger.warning("spooled", extra=why)
    meter.add("ResultsSpooled", len(results))
    return True


def wake_delivery() -> None:
    """One empty message. If it cannot be sent, the sweep comes within 15 s: no reason to run the checks again."""
    try:
        url = notify_queue_url()
        refusals = nudge(sqs(), url, correlation_id=logger.get_correlation_id()) if url else ()
    except aws.errors(SettingsError) as error:
        refusals = (str(error),)
    if refusals:
        logger.error("no nudge; the sweep goes on with it", extra={"why": refusals})


def failures(message_ids: Iterable[str]) -> dict[str, Any]:
    """SQS keeps these messages and deletes the others of the batch."""
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in message_ids]}
