"""Any HTTP receiver: the alert, incident or report as JSON, signed so that the receiver knows who sent it, and when.

    X-Watchkeeper-Signature: t=<unix seconds>,v1=<hex of HMAC-SHA256(signing_key, "<t>.<raw body>")>
    X-Watchkeeper-Delivery: the same for every attempt; who has seen it answers 200 and does nothing

Receivers recompute v1 over the raw body, compare in constant time and refuse a `t` more than 5 minutes off.
"""

import hashlib
import hmac
import json
import re
import time
from typing import Annotated

from pydantic import Field, field_validator

from watchkeeper.messages import Receipt
from watchkeeper.model import Model
from watchkeeper.notices import IncidentNotice, ReportNotice
from watchkeeper.protocols import Errand, Notifier
from watchkeeper.text import PLAIN, body

TEXT_CHARS = 20_000
METADATA_BYTES = 100_000
# They frame the request, so they are not for a channel's settings.
OURS = {"host", "content-length", "transfer-encoding", "connection", "content-type", "authorization"}

HeaderValue = Annotated[str, Field(max_length=1000, pattern="^[!-~]([ -~]*[!-~])?$")]


class WebhookConfig(Model):
    headers: dict[str, HeaderValue] = Field(
        default={}, description="More headers; what is secret belongs into the secret `authorization`"
    )

    @field_validator("headers")
    @classmethod
    def _names(cls, headers: dict[str, str]) -> dict[str, str]:
        for name in headers:
            if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", name) or name.lower() in OURS:
                raise ValueError(f"{name[:100]!r} cannot be set")
        return headers


async def send(errand: Errand[WebhookConfig]) -> Receipt:
    content = json.dumps(document(errand)).encode()
    headers = {**errand.config.headers, "X-Watchkeeper-Delivery": errand.message.dedup_key}
    headers |= {"X-Watchkeeper-Event": errand.message.event}
    if authorization := errand.secrets.get("authorization"):
        headers["Authorization"] = authorization
    if key := errand.secrets.get("signing_key"):
        headers["X-Watchkeeper-Signature"] = sign(key, content, int(time.time()))
    reply = await errand.poster.post(errand.secrets["url"], content=content, headers=headers)
    return Receipt(provider_id=f"HTTP {reply.status}")


def sign(key: str, content: bytes, at: int) -> str:
    """The value of X-Watchkeeper-Signature."""
    digest = hmac.new(key.encode(), f"{at}.".encode() + content, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def document(errand: Errand[WebhookConfig]) -> dict[str, object]:
    """What is sent. Texts are as they are: it is for the receiver to escape them for wherever they go."""
    message, subject = errand.message, errand.message.subject
    alerts = [alert.model_dump(mode="json") for alert in message.alerts()]
    for alert in alerts:
        if len(json.dumps(alert["metadata"])) > METADATA_BYTES:
            alert["metadata"] = {}
    return {
        "version": 1,
        "event": message.event,
        "dedup_key": message.dedup_key,
        "channel": message.channel.name,
        "title": errand.wording.title,
        "text": body(errand.wording, TEXT_CHARS, PLAIN),
        "links": dict(errand.wording.links),
        "why": message.deliveries[0].why,
        "alerts": alerts,
        "incident": subject.model_dump(mode="json") if isinstance(subject, IncidentNotice) else None,
        # Without its links: those above are the ones that were looked at.
        "report": subject.model_dump(mode="json", by_alias=True, exclude={"links"})
        if isinstance(subject, ReportNotice)
        else None,
    }


NOTIFIER = Notifier(
    kind="webhook",
    Config=WebhookConfig,
    send=send,
    secrets=("url", "signing_key", "authorization"),
    required_secrets=("url",),
)
