"""Microsoft Teams, through a workflow's webhook ("when a Teams webhook request is received"), as an Adaptive Card.

Limit: 28 KB a message (learn.microsoft.com, connectors and workflows); it may count two bytes a character.
"""

import json
from typing import Any

from watchkeeper.errors import DeliveryError
from watchkeeper.messages import Receipt
from watchkeeper.model import Model
from watchkeeper.protocols import Errand, Notifier
from watchkeeper.text import Markup, Wording, body, cut, harmless, plain_link

TEXT_BYTES = 8_000
TITLE_BYTES = 1_500
STYLES = {"critical": "attention", "error": "attention", "warning": "warning", "info": "accent"}


class TeamsConfig(Model):
    pass


async def send(errand: Errand[TeamsConfig]) -> Receipt:
    reply = await errand.poster.post(errand.secrets["webhook_url"], json=_content(errand.wording))
    # The older connectors answer 200 and tell the failure in words.
    said = reply.text()
    if "Microsoft Teams endpoint returned HTTP error" in said:
        raise DeliveryError(f"Teams: {said[:200]}", permanent="HTTP error 4" in said and "429" not in said)
    return Receipt()


def _content(wording: Wording) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            {
                "type": "Container",
                "style": "good" if wording.event == "resolve" else STYLES[wording.severity],
                "items": [_text(cut(wording.title, TITLE_BYTES, MARKUP), weight="Bolder")],
            },
            *(_text(line) for line in body(_without_links(wording), TEXT_BYTES, MARKUP).splitlines()),
        ],
        "actions": [{"type": "Action.OpenUrl", "title": label, "url": url} for label, url in wording.links],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _text(line: str, **look: str) -> dict[str, Any]:
    """Runs of rich text are shown as they are; text blocks would read them as Markdown."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line or " ", **look}]}


def _without_links(wording: Wording) -> Wording:
    return Wording(wording.title, wording.lines, wording.facts, (), wording.severity, wording.event)


def escape(text: str) -> str:
    return harmless(text).replace("<at>", "<\u200bat>")


def as_sent(text: str) -> int:
    """Bytes of the text in JSON, where an emoji is twelve."""
    return len(json.dumps(text)) - 2


MARKUP = Markup(escape, plain_link, as_sent)

NOTIFIER = Notifier(
    kind="teams",
    Config=TeamsConfig,
    send=send,
    secrets=("webhook_url",),
    required_secrets=("webhook_url",),
    merges=True,
)
