"""How due checks and unrecorded results travel: many in one SQS message. And how workers are woken."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from watchkeeper import aws

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Json = dict[str, Any]
T = TypeVar("T")

MAX_DELAY_S = 900
TASKS_PER_MESSAGE = 25
RESULTS_PER_MESSAGE = 100
MESSAGE_BYTES = 200_000
MESSAGES_PER_BATCH = 10
# SQS takes 1 MiB since 2025; emulators and older endpoints stop at 256 KiB, and a tick rarely has more.
BATCH_BYTES = 256 * 1024


@dataclass(frozen=True)
class Message:
    """One queue message: the JSON of `count` tasks that fall due together, or of so many results."""

    body: str
    delay_s: int
    count: int


@dataclass(frozen=True)
class Sent:
    """How many tasks the queue took, and why it refused the others."""

    tasks: int
    refusals: tuple[str, ...] = ()


def pack(kind: str, tasks: Iterable[Json], correlation_id: str | None = None) -> list[Message]:
    """The tasks of one kind as messages; a task comes up to a second early, never late."""
    seconds: dict[int, list[str]] = defaultdict(list)
    for task in tasks:
        delay_s = math.floor(task["delay_s"])
        seconds[max(0, min(delay_s, MAX_DELAY_S))].append(json.dumps(task))
    return [
        Message(_body({"kind": kind}, "tasks", group, correlation_id), delay_s, len(group))
        for delay_s, texts in sorted(seconds.items())
        for group in _groups(texts, len, TASKS_PER_MESSAGE, MESSAGE_BYTES)
    ]


def unpack(body: str) -> tuple[str, list[Json]]:
    """The kind and the tasks of a message; ValueError if it is not one of ours."""
    message = json.loads(body)
    if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
        raise ValueError("not a message of tasks: `kind` is missing")  # noqa: TRY004 - what callers catch
    tasks = message.get("tasks")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise ValueError("not a message of tasks: `tasks` is not a list of objects")
    return message["kind"], tasks


def pack_results(results: Iterable[Json], correlation_id: str | None = None) -> list[Message]:
    """Results that wait for the database, as messages."""
    groups = _groups(map(json.dumps, results), len, RESULTS_PER_MESSAGE, MESSAGE_BYTES)
    return [Message(_body({}, "results", group, correlation_id), 0, len(group)) for group in groups]


def unpack_results(body: str) -> list[Json]:
    """The results of a message; ValueError if it is not one of ours."""
    message = json.loads(body)
    results = message.get("results") if isinstance(message, dict) else None
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise ValueError("not a message of results: `results` is not a list of objects")
    return results


def _body(head: Json, name: str, texts: list[str], correlation_id: str | None) -> str:
    """The parts are JSON already."""
    known = {**head, **({"correlation_id": correlation_id} if correlation_id else {})}
    return f'{json.dumps(known)[:-1]}{", " if known else ""}"{name}": [{", ".join(texts)}]}}'


def send(sqs: "SQSClient", queue_url: str, messages: list[Message]) -> Sent:
    """Send the messages; what the queue refuses is offered once more, then given up."""
    sent, refused = _offer(sqs, queue_url, messages)
    if refused:
        again, refused = _offer(sqs, queue_url, list(refused))
        sent += again
    return Sent(sent, tuple(sorted(set(refused.values()))))


def nudge(
    sqs: "SQSClient", queue_url: str, delays_s: Iterable[int] = (0,), correlation_id: str | None = None
) -> tuple[str, ...]:
    """Messages that wake a worker, each after its delay; returns why any of them was refused.

    They say nothing but who woke it.
    """
    body = json.dumps({"correlation_id": correlation_id} if correlation_id else {})
    return send(sqs, queue_url, [Message(body, delay_s, 1) for delay_s in delays_s]).refusals


def _offer(sqs: "SQSClient", queue_url: str, messages: list[Message]) -> tuple[int, dict[Message, str]]:
    refused: dict[Message, str] = {}
    for batch in _groups(messages, lambda m: len(m.body), MESSAGES_PER_BATCH, BATCH_BYTES):
        refused |= _offer_batch(sqs, queue_url, batch)
    return sum(message.count for message in messages if message not in refused), refused


def _offer_batch(sqs: "SQSClient", queue_url: str, batch: list[Message]) -> dict[Message, str]:
    try:
        reply = sqs.send_message_batch(
            QueueUrl=queue_url,
            Entries=[
                {"Id": str(n), "MessageBody": message.body, "DelaySeconds": message.delay_s}
                for n, message in enumerate(batch)
            ],
        )
    except aws.errors() as error:
        return dict.fromkeys(batch, str(error))
    return {batch[int(f["Id"])]: f"{f['Code']}: {f.get('Message', '')}" for f in reply.get("Failed", [])}


def _groups(items: Iterable[T], size_of: Callable[[T], int], most: int, most_bytes: int) -> Iterator[list[T]]:
    """Groups of at most that many items and bytes; what is too large alone makes a group of its own."""
    group: list[T] = []
    size = 0
    for item in items:
        if group and (len(group) == most or size + size_of(item) > most_bytes):
            yield group
            group, size = [], 0
        group.append(item)
        size += size_of(item)
    if group:
        yield group
