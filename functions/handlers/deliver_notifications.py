"""Woken by a nudge or the sweep: claim what is to be told, send it, settle it, until nothing is left."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from watchkeeper import aws, faults, telemetry
from watchkeeper.deliver import Access, Outbox, deliver
from watchkeeper.errors import StoreError
from watchkeeper.messages import Settlement
from watchkeeper.secrets import Secrets
from watchkeeper.settings import DeliverySettings, Settings
from watchkeeper.store import Json, Store, StoreUnreachable
from watchkeeper.threads import in_thread

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MESSAGES_PER_CLAIM = 100
LEASE_S = 60
RESERVE_MS = 20_000  # what is claimed now must be sent (15 s) and settled before the function is stopped
PATIENCE_S = 3
GATHER_S = 0.2  # what ends within this time is settled together
LOOK_AGAIN_S = 1.0  # while a slow channel is waited for, the others go on

logger = telemetry.logger("deliver_notifications")
meter = telemetry.Meter("deliver_notifications")


@cache
def settings() -> Settings:
    return Settings.from_env()


@cache
def delivery_settings() -> DeliverySettings:
    return DeliverySettings.from_env()


@cache
def outbox() -> Outbox:
    key = telemetry.hide(settings().supabase_secret_key)
    newer = telemetry.hiding(settings().newer_key)
    return Store(settings().supabase_url, key, patience_s=PATIENCE_S, newer_key=newer)


@cache
def secrets() -> Secrets:
    return Secrets()


@cache
def sqs() -> "SQSClient":
    client: SQSClient = aws.client("sqs", connect_s=2, read_s=5, tries=5)
    return client


@cache
def runner() -> asyncio.Runner:
    return asyncio.Runner()


@logger.inject_lambda_context
@meter.told
@faults.reporting(logger)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Entry point. The messages say nothing: the table knows. If it cannot be asked, the nudge comes again."""
    logger.set_correlation_id(telemetry.correlation(r["body"] for r in event.get("Records", [])))
    access = Access(delivery_settings(), settings().private_targets, secrets())
    round_ = Round(outbox(), access, lambda: context.get_remaining_time_in_millis() > RESERVE_MS)
    try:
        runner().run(round_.run())
    except StoreError as error:
        meter.add("StoreUnreachable", isinstance(error, StoreUnreachable))
        logger.exception("not all is claimed or settled; the nudge comes again")
        return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in event.get("Records", [])]}
    finally:
        meter.add("MessagesClaimed", round_.claimed)
    if round_.more:
        nudge()
    return {"batchItemFailures": []}


class Round:
    """One invocation's work. Claims go on while slow channels are waited for, so that these hold up nobody."""

    def __init__(self, ledger: Outbox, access: Access, time_left: Callable[[], bool]) -> None:
        self.more = False
        self.claimed = 0
        self._ledger = ledger
        self._access = access
        self._time_left = time_left
        self._sending: set[asyncio.Task[list[Settlement]]] = set()
        self._unsettled: list[Json] = []
        self._walks: dict[str, str] = {}

    async def run(self) -> None:
        try:
            while await self._claim() or self._sending:
                await self._gather()
                await self._try_to_settle()
        finally:
            await self._finish()

    async def _claim(self) -> bool:
        """Whether there was something. Without time for it, the next invocation claims."""
        if not self._time_left():
            self.more = True
            return False
        messages = await in_thread(lambda: self._ledger.claim_deliveries(MESSAGES_PER_CLAIM, LEASE_S))
        self._sending |= {asyncio.create_task(deliver(message, self._access)) for message in messages}
        self.claimed += len(messages)
        self._walks |= walks(messages)
        return bool(messages)

    async def _gather(self) -> None:
        """Wait for one message to end, and a moment for others to end with it."""
        await asyncio.wait(self._sending, timeout=LOOK_AGAIN_S, return_when=asyncio.FIRST_COMPLETED)
        done, self._sending = await asyncio.wait(self._sending, timeout=GATHER_S)
        for task in done:
            self._unsettled += [note(settlement, self._walks) for settlement in task.result()]

    async def _try_to_settle(self) -> None:
        """What cannot be settled now is offered again with the next group; its lease is still long."""
        try:
            await self._settle()
        except StoreError as error:
            logger.warning("not settled yet", extra={"why": error.message})

    async def _settle(self) -> None:
        """Write down how it ended. A settlement that the database refuses as such costs itself only."""
        while self._unsettled:
            try:
                told = await in_thread(lambda: self._ledger.settle_deliveries(self._unsettled))
            except StoreError as error:
                refused = self._unsettled.pop(refused_index(error, len(self._unsettled)))
                logger.warning("settlement refused", extra={"why": error.message, "settlement": refused})
                meter.add("SettlementsRefused", 1)
            else:
                meter.add("DeliveriesStale", told.get("stale", 0))
                self._unsettled = []

    async def _finish(self) -> None:
        """Whatever happened, what was sent must be written down: else it is sent twice."""
        while self._sending:
            await self._gather()
        await self._settle()


def walks(messages: Iterable[Json]) -> dict[str, str]:
    """The ticks that the claimed deliveries come from, which need not be the one that woke this function."""
    found: dict[str, str] = {}
    for message in messages:
        rows = message.get("deliveries")
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and row.get("correlation_id"):
                found[str(row.get("id"))] = str(row["correlation_id"])
    return found


def note(settlement: Settlement, walks: Mapping[str, str]) -> Json:
    """One line each, in the name of its own walk."""
    meter.add(f"Deliveries{settlement.outcome.title()}", 1)
    delivery_id = str(settlement.delivery_id)
    told: Json = {"delivery_id": delivery_id, "outcome": settlement.outcome}
    if walk := walks.get(delivery_id):
        told["correlation_id"] = walk
    if settlement.outcome == "sent":
        logger.info("delivered", extra=told)
    else:
        logger.warning("not delivered", extra={**told, "why": settlement.error})
    return settlement.to_json()


def refused_index(error: StoreError, length: int) -> int:
    """Which of the settlements the refusal names; any other error is raised again."""
    named = re.match(r"settlements\[(\d+)\]", error.argument or "")
    if error.code != "22023" or not named or int(named[1]) >= length:
        raise error
    return int(named[1])


def nudge() -> None:
    """Go on in another invocation. If that fails, the sweep comes within 15 s."""
    url = delivery_settings().notify_queue_url
    if url is None:
        return
    try:
        sqs().send_message(QueueUrl=url, MessageBody="{}")
    except aws.errors():
        logger.exception("no nudge; the sweep goes on with it")
