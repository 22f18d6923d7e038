"""Records what waited in the spool while the database was away. What cannot be recorded yet waits on, for 14 days."""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from watchkeeper import aws, faults, telemetry
from watchkeeper.errors import SettingsError
from watchkeeper.queues import nudge, pack_results, send, unpack_results
from watchkeeper.record import Recording, record
from watchkeeper.settings import DeliverySettings, Settings, SpoolSettings
from watchkeeper.store import Json, Store, StoreUnreachable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

PATIENCE_S = 10
# A result that the database refuses may be one that it understands after its next migration. So often it is offered.
TRIES = 5
# How long a message waits for its next try: short at first, as most outages are.
FIRST_WAIT_S = 30
LONGEST_WAIT_S = 1260

logger = telemetry.logger("record_spooled")
meter = telemetry.Meter("record_spooled")


@cache
def store() -> Store:
    settings = Settings.from_env()
    key = telemetry.hide(settings.supabase_secret_key)
    newer = telemetry.hiding(settings.newer_key)
    return Store(settings.supabase_url, key, patience_s=PATIENCE_S, newer_key=newer)


@cache
def spool() -> SpoolSettings:
    return SpoolSettings.from_env()


@cache
def notify_queue_url() -> str | None:
    return DeliverySettings.from_env().notify_queue_url


@cache
def sqs() -> "SQSClient":
    client: SQSClient = aws.client("sqs", connect_s=1, read_s=3, tries=2)
    return client


@logger.inject_lambda_context
@meter.told
@faults.reporting(logger)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS passes both
    """Entry point. A message is done when each of its results is recorded, or given up for good."""
    messages = [Spooled(each) for each in event["Records"]]
    logger.set_correlation_id(telemetry.correlation(each["body"] for each in event["Records"]))
    results = sorted((r for each in messages for r in each.results), key=lambda r: str(r.get("due_at")))
    recording = record(store(), results)
    tell(recording)
    for message in messages:
        message.settle(recording)
    again = [message for message in messages if message.comes_again]
    put_off(again)
    return {"batchItemFailures": [{"itemIdentifier": each.id} for each in again]}


class Spooled:
    """One message, and what became of its results."""

    def __init__(self, message: Json) -> None:
        self.id: str = message["messageId"]
        self.receipt: str = message["receiptHandle"]
        self.tries = int(message["attributes"]["ApproximateReceiveCount"])
        self.comes_again = False
        self.results: list[Json] = []
        self._body: str = message["body"]
        self._unreadable: str | None = None
        try:
            self.results = unpack_results(self._body)
        except ValueError as error:
            self._unreadable = str(error)

    def settle(self, recording: Recording) -> None:
        """Results are told apart by themselves, not by what they say: another message may hold the same."""
        mine = {id(result) for result in self.results}
        refused = [(result, why) for result, why in recording.refused if id(result) in mine]
        if any(id(result) in mine for result in recording.left):
            self.comes_again = True
        elif refused or self._unreadable:
            why = self._unreadable or refused[0][1]
            self.comes_again = self.tries < TRIES or not self._give_up([r for r, _ in refused])
            logger.warning(
                "refused", extra={"id": self.id, "why": why, "tries": self.tries, "again": self.comes_again}
            )

    def _give_up(self, refused: list[Json]) -> bool:
        """Whether they are kept where dead letters are; what else was in the message is recorded."""
        url = spool().dead_queue_url
        if url is None:
            return False
        try:
            if self._unreadable:
                sqs().send_message(QueueUrl=url, MessageBody=self._body)
                return True
            return not send(sqs(), url, pack_results(refused, logger.get_correlation_id())).refusals
        except aws.errors():
            logger.exception("no dead letter")
            return False


def tell(recording: Recording) -> None:
    for name, count in recording.counts.items():
        meter.add(f"Results{name.title()}", count)
    meter.add("ResultsRefused", len(recording.refused))
    if recording.error:
        meter.add("StoreUnreachable", isinstance(recording.error, StoreUnreachable))
        logger.warning("not yet", extra={"why": str(recording.error), "results": len(recording.left)})
    for transition in recording.transitions:
        logger.warning("alert", extra=transition)
    if recording.transitions:
        wake_delivery()


def wake_delivery() -> None:
    """If it cannot be woken, the sweep comes within 15 s."""
    try:
        url = notify_queue_url()
        refusals = nudge(sqs(), url, correlation_id=logger.get_correlation_id()) if url else ()
    except SettingsError as error:
        refusals = (str(error),)
    if refusals:
        logger.error("no nudge; the sweep goes on with it", extra={"why": refusals})


def put_off(messages: Iterable[Spooled]) -> None:
    """Each try is later than the one before. If that cannot be said, the queue's own time holds."""
    entries: list[Any] = [
        {"Id": str(n), "ReceiptHandle": each.receipt, "VisibilityTimeout": wait_s(each.tries)}
        for n, each in enumerate(messages)
    ]
    url = spool().queue_url
    for start in range(0, len(entries) if url else 0, 10):
        try:
            sqs().change_message_visibility_batch(QueueUrl=str(url), Entries=entries[start : start + 10])
        except aws.errors():
            logger.exception("the next try is when the queue says")


def wait_s(tries: int) -> int:
    return min(FIRST_WAIT_S << min(tries - 1, 16), LONGEST_WAIT_S)
