"""Every minute: wake who delivers, claim the checks that fall due and send each to its queue, at its second."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from watchkeeper import aws, faults, telemetry
from watchkeeper.errors import SettingsError, StoreError, Unreachable
from watchkeeper.queues import Sent, nudge, pack, send
from watchkeeper.settings import DeliverySettings, Settings, outside_heartbeat_url, region_name
from watchkeeper.store import Json, Store, StoreUnreachable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

CHECKS_PER_CLAIM = 10_000  # the most that claim_due_checks takes at once
PATIENCE_S = 5  # the next tick comes in a minute, and the function has half of it
# When, in the minute, the outbox is looked through, whatever else wakes its worker.
SWEEPS_S = (0, 15, 30, 45)
HEARTBEAT_S = 3
RESERVE_MS = 10_000  # a claim that there is no time to send would only be missed

logger = telemetry.logger("schedule_checks")
meter = telemetry.Meter("schedule_checks")


@cache
def settings() -> Settings:
    return Settings.from_env()


@cache
def notify_queue_url() -> str | None:
    return DeliverySettings.from_env().notify_queue_url


@cache
def store() -> Store:
    key = telemetry.hide(settings().supabase_secret_key)
    newer = telemetry.hiding(settings().newer_key)
    return Store(settings().supabase_url, key, patience_s=PATIENCE_S, newer_key=newer)


@cache
def sqs() -> "SQSClient":
    client: SQSClient = aws.client("sqs", connect_s=2, read_s=5, tries=5)
    return client


@logger.inject_lambda_context
@meter.told
@faults.reporting(logger)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Entry point. The event's time is only logged: what is due is for the database's clock to say.

    The tick's own id goes with the messages, so that what came of it can be followed.
    """
    logger.set_correlation_id(context.aws_request_id)
    sweep(context.aws_request_id)
    claimed = sent = 0
    try:
        publish_catalog()
        for tasks in claims(context):
            claimed += len(tasks)
            sent += sum(send_kind(kind, group, context) for kind, group in by_kind(tasks).items())
    except StoreUnreachable:
        meter.add("StoreUnreachable")
        raise
    meter.add("Ticks")
    meter.add("ChecksClaimed", claimed)
    meter.add("ChecksNotSent", claimed - sent)
    logger.info("tick", extra={"claimed": claimed, "sent": sent, "tick": event.get("scheduled_time")})
    tell_outside()
    return {"claimed": claimed, "sent": sent}


def sweep(correlation_id: str) -> None:
    """First of all: what waits to be delivered needs neither the catalog nor the checks."""
    url = notify_queue_url()
    refusals = nudge(sqs(), url, SWEEPS_S, correlation_id) if url else ("NOTIFY_QUEUE_URL is not set",)
    if refusals:
        logger.error("not all sweeps of this minute are sent", extra={"why": refusals})
    meter.add("SweepsRefused", len(refusals))


def tell_outside() -> None:
    """Last of all: somebody else's monitor hears that a tick was good. If it does not, that is for it to say."""
    try:
        if url := outside_heartbeat_url():
            asyncio.run(ping(telemetry.hide(url)))
    except Exception as error:  # noqa: BLE001 - nothing of it may harm a tick
        logger.warning("no heartbeat", extra={"why": str(error)})
        meter.add("HeartbeatsLost")


async def ping(url: str) -> None:
    # Only who has an address pays for the import.
    from watchkeeper.http import Door  # noqa: PLC0415

    async with Door(HEARTBEAT_S, settings().private_targets) as door:
        probe = await door.probe(url)
    if probe.status is None or not 200 <= probe.status < 300:
        raise Unreachable(probe.error or f"HTTP {probe.status}")


def publish_catalog() -> None:
    """Once per process, tell the database what this version can check; a failure waits for the next tick."""
    try:
        publish_catalog_once()
    except StoreError:
        logger.exception("catalog not published; targets are validated against the one before")
        meter.add("CatalogNotPublished")


@cache
def publish_catalog_once() -> None:
    # After the sweep is sent: importing all that it tells of takes a while.
    from watchkeeper.catalog import catalog  # noqa: PLC0415

    store().publish_catalog(catalog(settings().private_targets))


def claims(context: LambdaContext) -> Iterator[list[Json]]:
    """Claim again while claims come back full and there is time to send them."""
    while True:
        tasks = store().claim_due_checks(region=region_name())
        yield tasks
        checks = {task["check_id"] for task in tasks if "probe_id" not in task}
        if len(checks) < CHECKS_PER_CLAIM or context.get_remaining_time_in_millis() < RESERVE_MS:
            return


def by_kind(tasks: Iterable[Json]) -> dict[str, list[Json]]:
    groups: dict[str, list[Json]] = defaultdict(list)
    for task in tasks:
        groups[task["kind"]].append(task)
    return groups


def send_kind(kind: str, tasks: list[Json], context: LambdaContext) -> int:
    """Send one kind's tasks. What is not sent is not undone: the database counts the slot as missed."""
    try:
        sent = send(sqs(), settings().queue_url(kind), pack(kind, tasks, context.aws_request_id))
    except SettingsError as error:
        sent = Sent(0, (str(error),))
    if sent.refusals:
        logger.error("not sent", extra={"kind": kind, "tasks": len(tasks) - sent.tasks, "why": sent.refusals})
    return sent.tasks
