"""Sends claimed messages, and says how each delivery ended. Whatever goes wrong costs that message only."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from traceback import format_exception
from typing import Any, Protocol

from pydantic import ValidationError

from watchkeeper.errors import DeliveryError, clean
from watchkeeper.http import Door
from watchkeeper.messages import Message, Receipt, Settlement
from watchkeeper.model import Model
from watchkeeper.notifiers import NOTIFIERS
from watchkeeper.protocols import Errand, Notifier
from watchkeeper.redact import scrub
from watchkeeper.secrets import Secrets, forms
from watchkeeper.settings import DeliverySettings, PrivateTargets
from watchkeeper.threads import in_thread
from watchkeeper.words import wording

log = logging.getLogger(__name__)

Json = dict[str, Any]

SEND_S = 15.0
"""All of one message, secrets and answers included; well below the lease."""
ERROR_CHARS = 500
THREAD_CHARS = 1000


class Outbox(Protocol):
    """The part of the store that holds the ledger. Blocking."""

    def claim_deliveries(self, most: int = 100, lease_s: int = 60) -> list[Json]: ...

    def settle_deliveries(self, settlements: list[Json]) -> Json: ...


@dataclass(frozen=True)
class Access:
    """How messages get out."""

    settings: DeliverySettings = field(default_factory=DeliverySettings)
    private_targets: PrivateTargets = "none"
    secrets: Secrets = field(default_factory=Secrets)
    notifiers: Mapping[str, Notifier[Any]] = field(default_factory=lambda: NOTIFIERS)
    send_s: float = SEND_S


async def deliver_all(documents: Iterable[Json], access: Access) -> list[Settlement]:
    """All at once. Never raises for a message."""
    groups = await asyncio.gather(*(deliver(document, access) for document in documents))
    return [settlement for group in groups for settlement in group]


async def deliver(document: Json, access: Access) -> list[Settlement]:
    """How each delivery of one claimed message ended."""
    try:
        message = Message.model_validate(document)
    except ValidationError as error:
        return _unreadable(document, error)
    groups = await asyncio.gather(*(_deliver_part(part, access) for part in _parts(message, access)))
    return [settlement for group in groups for settlement in group]


def _parts(message: Message, access: Access) -> list[Message]:
    """A message that a service cannot merge goes out in its parts; the database may know an older version.

    Likewise reports: each has its own links.
    """
    notifier = access.notifiers.get(message.channel.kind)
    if notifier is None or (notifier.merges and message.event != "report"):
        return [message]
    return [message.model_copy(update={"deliveries": (delivery,)}) for delivery in message.deliveries]


async def _deliver_part(message: Message, access: Access) -> list[Settlement]:
    secrets: dict[str, str] = {}
    try:
        async with asyncio.timeout(access.send_s):
            receipt = await _send_with_fresh_secrets(message, access, secrets)
    except DeliveryError as error:
        return _failed(message, error, secrets)
    except TimeoutError:
        return _failed(message, DeliveryError(f"not finished within {access.send_s:g} s"), secrets)
    except Exception as error:  # noqa: BLE001 - a bug costs its message only, and its traceback is scrubbed
        trace = scrub("".join(format_exception(error)), forms(secrets.values()))
        log.error("channel %s (%s) broke: %s", message.channel.id, message.channel.kind, trace)  # noqa: TRY400 - its own would not be scrubbed
        return _failed(message, DeliveryError(f"internal error: {type(error).__name__}"), secrets)
    return _sent(message, receipt, secrets)


async def _send_with_fresh_secrets(message: Message, access: Access, secrets: dict[str, str]) -> Receipt:
    """A service that refuses a secret we kept may know a newer one: that is asked for before giving up."""
    secrets |= await _read_secrets(message, access)
    try:
        return await _send(message, access, secrets)
    except DeliveryError as error:
        if not error.unauthorized:
            raise
        access.secrets.forget(message.channel.secrets.values())
        newer = await _read_secrets(message, access)
        if newer == secrets:
            raise
        secrets |= newer
        return await _send(message, access, secrets)


async def _read_secrets(message: Message, access: Access) -> dict[str, str]:
    references = message.channel.secrets
    values = await asyncio.gather(
        *(in_thread(partial(access.secrets.read, reference)) for reference in references.values())
    )
    return dict(zip(references, values, strict=True))


async def _send(message: Message, access: Access, secrets: Mapping[str, str]) -> Receipt:
    notifier = access.notifiers.get(message.channel.kind)
    if notifier is None:
        raise DeliveryError(f"this version has no notifier {message.channel.kind!r}")
    if message.event == "report" and not notifier.takes_reports:
        return Receipt(provider_id=f"not sent: {notifier.kind} is for what somebody has to act upon")
    if missing := [name for name in notifier.required_secrets if name not in secrets]:
        raise DeliveryError(f"secrets.{missing[0]}: is missing", permanent=True)
    settings = access.settings
    async with Door(access.send_s, access.private_targets, secrets=forms(secrets.values())) as door:
        return await notifier.send(
            Errand(
                message=message,
                wording=wording(message, datetime.now(UTC), settings.dashboard_url, settings.runbook_url),
                config=_config(notifier, message),
                secrets=secrets,
                poster=door,
                settings=settings,
                private_targets=access.private_targets,
            )
        )


def _config(notifier: Notifier[Any], message: Message) -> Model:
    try:
        config: Model = notifier.Config.model_validate(message.channel.config)
    except ValidationError as error:
        raise DeliveryError(f"config{_first_problem(error)}", permanent=True) from None
    return config


# What is written into the ledger ---------------------------------------------------------------------------------


def _sent(message: Message, receipt: Receipt, secrets: Mapping[str, str]) -> list[Settlement]:
    """What the service said is a stranger's word: it may be long, and may echo what it was sent."""
    said = scrub(receipt.provider_id or "", forms(secrets.values()))
    thread = str(receipt.thread)
    fits = len(thread) <= THREAD_CHARS and scrub(thread, forms(secrets.values())) == thread
    return [
        Settlement(
            delivery_id=delivery.id,
            lease_id=message.lease_id,
            outcome="sent",
            provider_id=clean(said, ERROR_CHARS) or None,
            thread=receipt.thread if fits else None,
        )
        for delivery in message.deliveries
    ]


def _failed(message: Message, error: DeliveryError, secrets: Mapping[str, str]) -> list[Settlement]:
    """The one place where permanent and temporary are acted upon."""
    reason = clean(scrub(error.reason, forms(secrets.values())), ERROR_CHARS)
    return [
        Settlement(
            delivery_id=delivery.id,
            lease_id=message.lease_id,
            outcome="dead" if error.permanent else "retry",
            error=reason,
            retry_after_s=None if error.permanent else error.retry_after_s,
        )
        for delivery in message.deliveries
    ]


def _unreadable(document: Json, error: ValidationError) -> list[Settlement]:
    """What can be told apart is tried again, by a version that may understand it; the rest ends with its lease."""
    problem = clean(f"this version cannot read the message: {_first_problem(error)}", ERROR_CHARS)
    log.error("%s", problem)
    rows = document.get("deliveries")
    ids = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    found: list[Settlement] = []
    for delivery_id in ids:
        row = {"delivery_id": delivery_id, "lease_id": document.get("lease_id")}
        with suppress(ValidationError):
            found.append(Settlement.model_validate({**row, "outcome": "retry", "error": problem}))
    return found


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return "".join(f".{part}" for part in first["loc"]) + f": {first['msg']}"
