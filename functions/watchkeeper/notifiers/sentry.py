"""Sentry, by the DSN of a project. All events about one thing are one issue; Sentry takes no resolve from outside.

Limits: message 8,192 characters, a tag's value 200, an event 1 MB (develop.sentry.dev, data handling, envelopes).
"""

import json
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from watchkeeper.errors import DeliveryError
from watchkeeper.messages import Receipt
from watchkeeper.model import Model
from watchkeeper.protocols import Errand, Notifier
from watchkeeper.text import PLAIN, body, cut, field_text

MESSAGE_CHARS = 8192
TAG_CHARS = 200
LEVELS = {"info": "info", "warning": "warning", "error": "error", "critical": "fatal"}


class SentryConfig(Model):
    pass


async def send(errand: Errand[SentryConfig]) -> Receipt:
    url, key = _endpoint(errand.secrets["dsn"])
    event = _event(errand)
    payload = json.dumps(event).encode()
    heads = ({"event_id": event["event_id"]}, {"type": "event", "length": len(payload)})
    content = b"\n".join([*(json.dumps(head).encode() for head in heads), payload]) + b"\n"
    auth = f"Sentry sentry_version=7, sentry_client=watchkeeper/1.0, sentry_key={key}"
    headers = {"Content-Type": "application/x-sentry-envelope", "X-Sentry-Auth": auth}
    await errand.poster.post(url, content=content, headers=headers)
    return Receipt(provider_id=event["event_id"])


def _endpoint(dsn: str) -> tuple[str, str]:
    """From scheme://key@host/path/project."""
    try:
        parts = urlsplit(dsn)
        key, host = parts.username, parts.netloc.rpartition("@")[2]
    except ValueError:
        key, host = None, ""
    path, _, project = parts.path.rstrip("/").rpartition("/") if host else ("", "", "")
    if not (key and host and project):
        raise DeliveryError("the secret dsn is not a DSN: https://KEY@HOST/PROJECT", permanent=True)
    return f"{parts.scheme}://{host}{path}/api/{project}/envelope/", key


def _event(errand: Errand[SentryConfig]) -> dict[str, Any]:
    wording, message = errand.wording, errand.message
    # A repeat has the id of the first, so Sentry keeps one.
    event: dict[str, Any] = {
        "event_id": sha256(message.dedup_key.encode()).hexdigest()[:32],
        "platform": "other",
        "logger": "watchkeeper",
        "level": "info" if message.event in ("resolve", "acknowledge") else LEVELS[wording.severity],
        "message": {"formatted": cut(wording.title, MESSAGE_CHARS, PLAIN)},
        "extra": {"text": body(wording, MESSAGE_CHARS, PLAIN), **dict(wording.links)},
        "tags": {"event": message.event},
        "fingerprint": ["watchkeeper", message.dedup_key],
    }
    if subject := message.subject:
        event["fingerprint"] = ["watchkeeper", str(subject.id)]
        event["tags"] |= {
            "target": field_text(subject.place, TAG_CHARS),
            f"{subject.noun}_type": field_text(subject.topic, TAG_CHARS),
        }
    return event


NOTIFIER = Notifier(
    kind="sentry",
    Config=SentryConfig,
    send=send,
    secrets=("dsn",),
    required_secrets=("dsn",),
    takes_reports=False,
)
