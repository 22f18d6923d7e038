"""Discord, through a webhook. Nobody is ever mentioned, and the first message is kept up to date.

Limits: title 256, description 4,096, all of an embed 6,000 characters (discord.com/developers/docs, message).
"""

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import Field

from watchkeeper.errors import DeliveryError
from watchkeeper.messages import Receipt
from watchkeeper.model import Model
from watchkeeper.protocols import Errand, Notifier
from watchkeeper.text import Markup, body, cut, harmless, utf16

TITLE_CHARS = 256
DESCRIPTION_CHARS = 4096


class DiscordConfig(Model):
    thread_id: str | None = Field(
        default=None, pattern="^[0-9]{1,20}$", description="Post into this thread of the webhook's channel"
    )


async def send(errand: Errand[DiscordConfig]) -> Receipt:
    if first := errand.message.outdated:
        # Deleted meanwhile (404): the new message below says it anyway.
        await errand.poster.post(
            _address(errand, f"/messages/{first.get('message_id')}"),
            json=_content(errand),
            method="PATCH",
            ok_statuses=range(400, 429),
        )
    reply = await errand.poster.post(_address(errand, "", wait="true"), json=_content(errand))
    message_id = str(reply.json().get("id", ""))[:20] or None
    shared = {"shared": True} if errand.message.merged else {}
    return Receipt(
        provider_id=message_id,
        thread={"message_id": message_id, **shared} if message_id and not errand.message.thread else None,
    )


def _address(errand: Errand[DiscordConfig], path: str, **query: str) -> str:
    try:
        url = urlsplit(errand.secrets["webhook_url"])
    except ValueError:
        raise DeliveryError("the secret webhook_url is not a URL", permanent=True) from None
    thread = {"thread_id": errand.config.thread_id} if errand.config.thread_id else {}
    words = urlencode({**dict(parse_qsl(url.query)), **thread, **query})
    return url._replace(path=url.path.rstrip("/") + path, query=words).geturl()


def _content(errand: Errand[DiscordConfig]) -> dict[str, Any]:
    wording = errand.wording
    embed = {
        "title": cut(wording.title, TITLE_CHARS, MARKUP),
        "description": body(wording, DESCRIPTION_CHARS, MARKUP),
        "color": wording.colour,
    }
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def escape(text: str) -> str:
    return re.sub(r"([\\*_~`|<>\[\]#])", r"\\\1", harmless(text))


MARKUP = Markup(escape, lambda label, url: f"[{label}]({url.replace('(', '%28').replace(')', '%29')})", utf16)

NOTIFIER = Notifier(
    kind="discord",
    Config=DiscordConfig,
    send=send,
    secrets=("webhook_url",),
    required_secrets=("webhook_url",),
    merges=True,
)
