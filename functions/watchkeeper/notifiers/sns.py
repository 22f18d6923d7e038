"""Amazon SNS: to whatever has subscribed to a topic, in this account or another.

Limits: subject 100 ASCII characters, message 256 KB (docs.aws.amazon.com/sns/latest/api/API_Publish.html).
"""

import json
from hashlib import sha256
from typing import Any

from pydantic import Field

from watchkeeper.aws import client, translate
from watchkeeper.messages import Receipt
from watchkeeper.model import Model
from watchkeeper.protocols import Errand, Notifier
from watchkeeper.text import PLAIN, Wording, body, cut
from watchkeeper.threads import in_thread

SUBJECT_CHARS = 100
SMS_CHARS = 140
TEXT_CHARS = 10_000


class SnsConfig(Model):
    topic_arn: str = Field(
        pattern="^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+([.]fifo)?$",
        description="The topic; the function's role needs sns:Publish on it",
    )


async def send(errand: Errand[SnsConfig]) -> Receipt:
    return await in_thread(lambda: _publish(errand))


def _publish(errand: Errand[SnsConfig]) -> Receipt:
    arn = errand.config.topic_arn
    try:
        reply = client("sns", arn.split(":")[3]).publish(TopicArn=arn, **_content(errand))
    except Exception as error:  # noqa: BLE001 - boto3's own are not importable before it is needed
        raise translate(error, "SNS") from None
    return Receipt(provider_id=str(reply["MessageId"]))


def _content(errand: Errand[SnsConfig]) -> dict[str, Any]:
    wording, message = errand.wording, errand.message
    text = f"{cut(wording.title, 1000, PLAIN)}\n\n{body(wording, TEXT_CHARS, PLAIN)}"
    attributes = {"event": message.event, "severity": wording.severity, "dedup_key": message.dedup_key}
    content: dict[str, Any] = {
        "Subject": subject(wording),
        "Message": json.dumps({"default": text, "sms": cut(wording.title, SMS_CHARS, PLAIN)}),
        "MessageStructure": "json",
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    }
    if errand.config.topic_arn.endswith(".fifo"):
        content["MessageGroupId"] = str(message.subject.id) if message.subject else message.event
        content["MessageDeduplicationId"] = sha256(message.dedup_key.encode()).hexdigest()
    return content


def subject(wording: Wording) -> str:
    """ASCII only, beginning with a letter, digit or punctuation mark."""
    ascii_only = wording.title.encode("ascii", "replace").decode()
    return cut(ascii_only, SUBJECT_CHARS).replace("…", "?").strip() or "Watchkeeper"


NOTIFIER = Notifier(kind="sns", Config=SnsConfig, send=send, merges=True)
