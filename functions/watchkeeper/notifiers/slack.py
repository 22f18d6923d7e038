"""Slack, through an incoming webhook or as a bot. Only a bot can answer under its own message.

Limits: 3,000 characters a section, about 4,000 of text (docs.slack.dev/reference/block-kit, chat.postMessage).
"""

from typing import Any

from pydantic import Field

from watchkeeper.errors import DeliveryError
from watchkeeper.messages import Receipt
from watchkeeper.model import Model
from watchkeeper.protocols import Errand, Notifier
from watchkeeper.text import Markup, body, cut, harmless

TITLE_CHARS = 1000
SECTION_CHARS = 3000
UNAUTHORIZED = {"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"}
LATER = {
    "ratelimited", "rate_limited", "message_limit_exceeded", "internal_error", "fatal_error",
    "service_unavailable", "request_timeout", "team_added_to_org",
}  # fmt: skip
# The message to answer under is gone: better a new one than none.
NO_THREAD = {"thread_not_found", "message_not_found", "cannot_reply_to_message"}
LOUD = ("escalate", "remind")


class SlackConfig(Model):
    channel: str | None = Field(
        default=None, min_length=1, max_length=80, description="Bot only: the channel's id, such as C024BE91L"
    )
    api_url: str = Field(
        default="https://slack.com/api", pattern="^https?://", max_length=300, description="The Web API"
    )


async def send(errand: Errand[SlackConfig]) -> Receipt:
    if "bot_token" in errand.secrets:
        return await _as_bot(errand)
    if "webhook_url" not in errand.secrets:
        raise DeliveryError("slack needs the secret webhook_url or bot_token", permanent=True)
    await errand.poster.post(errand.secrets["webhook_url"], json=_content(errand))
    return Receipt()


async def _as_bot(errand: Errand[SlackConfig]) -> Receipt:
    thread = errand.message.thread
    if thread is None:
        return await _post(errand, errand.config.channel, {})
    if first := errand.message.outdated:
        await _update(errand, first)
    reply = {"thread_ts": thread.get("ts"), "reply_broadcast": errand.message.event in LOUD}
    try:
        posted = await _post(errand, thread.get("channel"), reply)
    except SlackRefusal as error:
        if error.code not in NO_THREAD:
            raise
        return await _post(errand, thread.get("channel"), {})
    return Receipt(provider_id=posted.provider_id)


async def _post(errand: Errand[SlackConfig], channel: str | None, extra: dict[str, Any]) -> Receipt:
    if not channel:
        raise DeliveryError("slack needs config.channel to post as a bot", permanent=True)
    said = await _call(errand, "chat.postMessage", {"channel": channel, **extra})
    thread = {"channel": said.get("channel", channel), "ts": said.get("ts")}
    shared = {"shared": True} if errand.message.merged else {}
    return Receipt(provider_id=said.get("ts"), thread={**thread, **shared})


async def _update(errand: Errand[SlackConfig], thread: dict[str, Any]) -> None:
    """Let the first message say how it stands. Where that is not possible, the answer below it says so anyway."""
    try:
        await _call(errand, "chat.update", {"channel": thread.get("channel"), "ts": thread.get("ts")})
    except DeliveryError as error:
        if not error.permanent:
            raise


async def _call(errand: Errand[SlackConfig], method: str, args: dict[str, Any]) -> dict[str, Any]:
    reply = await errand.poster.post(
        f"{errand.config.api_url}/{method}",
        json={**_content(errand), **args},
        headers={"Authorization": f"Bearer {errand.secrets['bot_token']}"},
    )
    said = reply.json()
    if said.get("ok") is not True:
        raise SlackRefusal(str(said.get("error", "")))
    return said


class SlackRefusal(DeliveryError):  # noqa: N818 - as Slack has it: the call was made, the answer is no
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(
            f"Slack: {code or 'the reply makes no sense'}",
            permanent=bool(code) and code not in LATER,
            unauthorized=code in UNAUTHORIZED,
        )


def _content(errand: Errand[SlackConfig]) -> dict[str, Any]:
    wording = errand.wording
    title = cut(wording.title, TITLE_CHARS, MARKUP)
    text = {"type": "mrkdwn", "text": body(wording, SECTION_CHARS, MARKUP), "verbatim": True}
    return {
        "text": title,
        "mrkdwn": False,
        "link_names": False,
        "unfurl_links": False,
        "attachments": [
            {
                "color": f"#{wording.colour:06x}",
                "blocks": [{"type": "section", "text": text}],
            }
        ],
    }


def escape(text: str) -> str:
    """Mentions and links need angle brackets, so without these there are none."""
    return harmless(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


MARKUP = Markup(escape, lambda label, url: f"<{url.replace('&', '&amp;')}|{label}>")

NOTIFIER = Notifier(
    kind="slack", Config=SlackConfig, send=send, secrets=("webhook_url", "bot_token"), merges=True
)
