"""PagerDuty Events API v2. An incident is one alert: trigger, acknowledge and resolve share the alert's id.

Limits: summary 1,024 characters, dedup_key 255, an event 512 KB (developer.pagerduty.com/docs, send-alert-event).
"""

from typing import Any

from pydantic import Field

from watchkeeper.model import Event, Model, Receipt
from watchkeeper.protocols import Errand, Notifier
from watchkeeper.text import PLAIN, cut, field_text, place

SUMMARY_CHARS = 1024
ACTIONS: dict[Event, str] = {"acknowledge": "acknowledge", "resolve": "resolve"}


class PagerDutyConfig(Model):
    events_url: str = Field(
        default="https://events.pagerduty.com/v2/enqueue",
        pattern="^https?://",
        max_length=300,
        description="In the EU service region: https://events.eu.pagerduty.com/v2/enqueue",
    )


async def send(errand: Errand[PagerDutyConfig]) -> Receipt:
    event = errand.message.event
    reply = await _enqueue(errand, ACTIONS.get(event, "trigger"))
    if event == "test":
        await _enqueue(errand, "resolve")  # a test leaves no incident behind
    return Receipt(provider_id=str(reply.get("dedup_key") or _dedup_key(errand))[:255])


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
    alerts = errand.message.alerts()
    return str(alerts[0].id) if len(alerts) == 1 else errand.message.dedup_key[:255]


def _payload(errand: Errand[PagerDutyConfig]) -> dict[str, Any]:
    wording = errand.wording
    details = {label: cut(text, 2000, PLAIN) for label, text in wording.facts}
    payload: dict[str, Any] = {
        "summary": cut(" - ".join((wording.title, *wording.lines)), SUMMARY_CHARS, PLAIN),
        "severity": wording.severity,
        "source": "watchkeeper",
        "custom_details": {"Message": cut(" ".join(wording.lines), 20000, PLAIN), **details},
    }
    for alert in errand.message.alerts()[:1]:
        payload |= {
            "source": field_text(place(alert), 200),
            "class": field_text(alert.alert_type, 100),
            "group": field_text(alert.metadata.get("network"), 100),
            "timestamp": alert.first_seen_at.isoformat(),
        }
    return payload


def _links(errand: Errand[PagerDutyConfig]) -> list[dict[str, str]]:
    return [{"href": url, "text": label} for label, url in errand.wording.links]


NOTIFIER = Notifier(
    kind="pagerduty",
    Config=PagerDutyConfig,
    send=send,
    secrets=("routing_key",),
    required_secrets=("routing_key",),
)
