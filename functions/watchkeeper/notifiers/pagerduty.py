"""PagerDuty Events API v2. One of its incidents is one alert or incident of ours: all events of it share the id.

Limits: summary 1,024 characters, dedup_key 255, an event 512 KB (developer.pagerduty.com/docs, send-alert-event).
"""

from typing import Any

from pydantic import Field

from watchkeeper.messages import Event, Message, Receipt
from watchkeeper.model import Model
from watchkeeper.notices import IncidentNotice, IncidentStatus
from watchkeeper.protocols import Errand, Notifier
from watchkeeper.text import PLAIN, cut, field_text

SUMMARY_CHARS = 1024
ACTIONS: dict[Event, str] = {"acknowledge": "acknowledge", "resolve": "resolve"}
STATUSES: dict[IncidentStatus, str] = {
    "open": "trigger",
    "investigating": "acknowledge",
    "resolved": "resolve",
    "closed": "resolve",
}


class PagerDutyConfig(Model):
    events_url: str = Field(
        default="https://events.pagerduty.com/v2/enqueue",
        pattern="^https?://",
        max_length=300,
        description="In the EU service region: https://events.eu.pagerduty.com/v2/enqueue",
    )


async def send(errand: Errand[PagerDutyConfig]) -> Receipt:
    reply = await _enqueue(errand, _action(errand.message))
    if errand.message.event == "test":
        await _enqueue(errand, "resolve")  # a test leaves no incident behind
    return Receipt(provider_id=str(reply.get("dedup_key") or _dedup_key(errand))[:255])


def _action(message: Message) -> str:
    """An update of an incident is whatever its status means to PagerDuty; reopened, it pages anew."""
    if message.event == "update" and isinstance(message.subject, IncidentNotice):
        return STATUSES[message.subject.status]
    return ACTIONS.get(message.event, "trigger")


async def _enqueue(errand: Errand[PagerDutyConfig], action: str) -> dict[str, Any]:
    event: dict[str, Any] = {
        "routing_key": errand.secrets["routing_key"],
        "event_action": action,
        "dedup_key": _dedup_key(errand),
    }
    if action == "trigger":
        event |= {"payload": _payload(errand), "client": "Watchkeeper", "links": _links(errand)}
        event |= {"client_url": errand.settings.dashboard_url} if errand.settings.dashboard_url else {}
    reply = await errand.poster.post(errand.config.events_url, json=event)
    return reply.json()


def _dedup_key(errand: Errand[PagerDutyConfig]) -> str:
    subject = errand.message.subject
    return str(subject.id) if subject else errand.message.dedup_key[:255]


def _payload(errand: Errand[PagerDutyConfig]) -> dict[str, Any]:
    wording = errand.wording
    details = {label: cut(text, 2000, PLAIN) for label, text in wording.facts}
    payload: dict[str, Any] = {
        "summary": cut(" - ".join((wording.title, *wording.lines)), SUMMARY_CHARS, PLAIN),
        "severity": wording.severity,
        "source": "watchkeeper",
        "custom_details": {"Message": cut(" ".join(wording.lines), 20000, PLAIN), **details},
    }
    if subject := errand.message.subject:
        payload |= {
            "source": field_text(subject.place, 200),
            "class": field_text(subject.topic, 100),
            "group": field_text(subject.group, 100),
        }
        payload |= {"timestamp": subject.began_at.isoformat()} if subject.began_at else {}
    return payload


def _links(errand: Errand[PagerDutyConfig]) -> list[dict[str, str]]:
    return [{"href": url, "text": label} for label, url in errand.wording.links]


NOTIFIER = Notifier(
    kind="pagerduty",
    Config=PagerDutyConfig,
    send=send,
    secrets=("routing_key",),
    required_secrets=("routing_key",),
    takes_reports=False,
)
