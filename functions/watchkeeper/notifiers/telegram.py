"""Telegram, as a bot. Plain text without a parse mode, so nothing in it is markup.

Limits: 4,096 characters a message, an emoji counts two (core.telegram.org/bots/api#sendmessage).
"""

import re
from typing import Any

from pydantic import Field

from watchkeeper.errors import DeliveryError
from watchkeeper.messages import Receipt
from watchkeeper.model import Model
from watchkeeper.protocols import Errand, Notifier, Reply
from watchkeeper.text import Markup, body, cut, harmless, plain_link, utf16

MESSAGE_CHARS = 4096
TITLE_CHARS = 500


class TelegramConfig(Model):
    chat_id: str = Field(
        pattern="^(-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31})$",
        description="The chat: a number (groups start with -), or @name of a public channel",
    )
    message_thread_id: int | None = Field(default=None, ge=1, lt=2**31, description="A topic of the group")
    api_url: str = Field(
        default="https://api.telegram.org",
        pattern="^https?://",
        max_length=300,
        description="A Bot API server of your own",
    )


async def send(errand: Errand[TelegramConfig]) -> Receipt:
    url = f"{errand.config.api_url}/bot{errand.secrets['bot_token']}/sendMessage"
    reply = await errand.poster.post(url, json=_content(errand), ok_statuses=range(400, 500))
    said = reply.json()
    if said.get("ok") is not True:
        raise _refusal(reply, said)
    result = said.get("result")
    message_id = result.get("message_id") if isinstance(result, dict) else None
    thread = {"message_id": message_id} if message_id and not errand.message.thread else None
    return Receipt(provider_id=str(message_id or "")[:100] or None, thread=thread)


def _refusal(reply: Reply, said: dict[str, Any]) -> DeliveryError:
    """How long to wait stands in the body, not in a header."""
    parameters = said.get("parameters")
    hints = parameters if isinstance(parameters, dict) else {}
    if moved := hints.get("migrate_to_chat_id"):
        return DeliveryError(f"Telegram: the group has a new chat_id: {moved}", permanent=True)
    wait = hints.get("retry_after")
    return DeliveryError(
        f"Telegram: HTTP {reply.status}: {said.get('description', 'the reply makes no sense')}",
        permanent=400 <= reply.status < 500 and reply.status not in (408, 425, 429),
        retry_after_s=min(float(wait), 86400.0) if isinstance(wait, int) and wait >= 0 else None,
        unauthorized=reply.status in (401, 404),  # a token that is no longer valid is "Not Found"
    )


def _content(errand: Errand[TelegramConfig]) -> dict[str, Any]:
    wording, thread = errand.wording, errand.message.thread
    title = cut(wording.title, TITLE_CHARS, MARKUP)
    room = MESSAGE_CHARS - utf16(title) - 2
    content: dict[str, Any] = {
        "chat_id": errand.config.chat_id,
        "text": f"{title}\n\n{body(wording, room, MARKUP)}".strip(),
        "link_preview_options": {"is_disabled": True},
    }
    if errand.config.message_thread_id:
        content["message_thread_id"] = errand.config.message_thread_id
    if thread and "message_id" in thread:
        above = {"message_id": thread["message_id"], "allow_sending_without_reply": True}
        content["reply_parameters"] = above
    return content


def escape(text: str) -> str:
    """A word after a slash is a command that every bot in the group would hear."""
    return re.sub(r"(?<!\S)/(?=\w)", "/\u200b", harmless(text))


MARKUP = Markup(escape, plain_link, utf16)

NOTIFIER = Notifier(
    kind="telegram",
    Config=TelegramConfig,
    send=send,
    secrets=("bot_token",),
    required_secrets=("bot_token",),
    merges=True,
)
