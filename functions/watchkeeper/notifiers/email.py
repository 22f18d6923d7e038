"""E-mail, through SES on AWS or any SMTP server: text and HTML, one thread per alert or incident.

Every mail about one refers to the same id, which no mail has: clients thread by it, even though SES gives
each mail an id of its own. A repeated attempt carries the same id, so that mailboxes can tell it is one.
"""

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.headerregistry import Address, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime, parseaddr
from hashlib import sha256
from html import escape
from typing import Annotated

from pydantic import Field

from watchkeeper.aws import client, translate
from watchkeeper.errors import DeliveryError
from watchkeeper.messages import Receipt
from watchkeeper.model import Model
from watchkeeper.protocols import Errand, Notifier
from watchkeeper.settings import DeliverySettings
from watchkeeper.text import Markup, body, cut, plain_link
from watchkeeper.threads import in_thread

TEXT_CHARS = 20_000
SUBJECT_CHARS = 200
TIMEOUT_S = 8
KEY_HEADER = "X-Watchkeeper-Delivery"


class OneLine(UnstructuredHeader):
    """A key in ASCII, longer than a line should be. The standard library would encode it to fold it."""

    def fold(self, *, policy: EmailPolicy) -> str:
        return f"{KEY_HEADER}: {self}{policy.linesep}"


HEADERS = HeaderRegistry()
HEADERS.map_to_type(KEY_HEADER, OneLine)  # type: ignore[arg-type]  # as documented; the stub knows better
# Bodies in 7 bits, so that no server on the way has to be able to do more.
POLICY = SMTP.clone(cte_type="7bit", header_factory=HEADERS)

ADDRESS = (
    "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+([.][A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*"
)
MailAddress = Annotated[str, Field(max_length=254, pattern=f"^{ADDRESS}$")]


class EmailConfig(Model):
    to: list[MailAddress] = Field(min_length=1, max_length=50, description="Who gets it")


async def send(errand: Errand[EmailConfig]) -> Receipt:
    mail = compose(errand)
    deliver = _by_smtp if errand.settings.email_transport == "smtp" else _by_ses
    return await in_thread(lambda: deliver(errand, mail))


def compose(errand: Errand[EmailConfig]) -> EmailMessage:
    """The mail. The standard library refuses line breaks in headers; foreign words have none by now."""
    wording, message = errand.wording, errand.message
    sender = _sender(errand)
    mail = EmailMessage(POLICY)
    mail["From"] = sender
    mail["To"] = ", ".join(errand.config.to)
    mail["Subject"] = cut(wording.title, SUBJECT_CHARS)
    mail["Date"] = format_datetime(message.deliveries[0].created_at)
    mail["Message-ID"] = _id(message.dedup_key, sender)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail[KEY_HEADER] = message.dedup_key
    if references := _references(errand, sender):
        mail["In-Reply-To"] = references[-1]
        mail["References"] = " ".join(references)
    mail.set_content(body(wording, TEXT_CHARS, TEXT))
    mail.add_alternative(_html(errand), subtype="html")
    return mail


def _sender(errand: Errand[EmailConfig]) -> Address:
    given = errand.settings.email_from or ""
    name, address = parseaddr(given)
    if not re.fullmatch(ADDRESS, address) or not given.isprintable():
        raise DeliveryError("EMAIL_FROM is not set to an e-mail address", permanent=True)
    return Address(display_name=name or "Watchkeeper", addr_spec=address)


def _id(seed: str, sender: Address) -> str:
    return f"<{sha256(seed.encode()).hexdigest()[:40]}@{sender.domain}>"


def _references(errand: Errand[EmailConfig], sender: Address) -> list[str]:
    subject, thread = errand.message.subject, errand.message.thread or {}
    root = [_id(f"{subject.noun}:{subject.id}", sender)] if subject else []
    above = thread.get("message_id")
    return root + ([above] if isinstance(above, str) and above.isprintable() and above != "" else [])


def _html(errand: Errand[EmailConfig]) -> str:
    wording = errand.wording
    lines = body(wording, TEXT_CHARS, HTML).splitlines()
    return (
        '<!doctype html><html><body style="font-family:sans-serif">'
        f'<h2 style="border-left:6px solid #{wording.colour:06x};padding-left:10px">{escape(wording.title)}</h2>'
        f"{''.join(f'<p>{line}</p>' for line in lines)}</body></html>"
    )


def _by_ses(errand: Errand[EmailConfig], mail: EmailMessage) -> Receipt:
    ses = client("sesv2")
    try:
        reply = ses.send_email(
            FromEmailAddress=mail["From"].addresses[0].addr_spec,
            Destination={"ToAddresses": errand.config.to},
            Content={"Raw": {"Data": mail.as_bytes()}},
        )
    except Exception as error:  # noqa: BLE001 - boto3's own are not importable before it is needed
        raise translate(error, "SES") from None
    region = ses.meta.region_name
    host = "email" if region == "us-east-1" else region
    return _receipt(errand, reply["MessageId"], f"<{reply['MessageId']}@{host}.amazonses.com>")


def _by_smtp(errand: Errand[EmailConfig], mail: EmailMessage) -> Receipt:
    try:
        with _connected(errand) as server:
            refused = server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        # If one of them may be taken later, that one must not be given up.
        raise _refusal(min(code for code, _ in error.recipients.values()), "no recipient was taken") from None
    except smtplib.SMTPResponseException as error:
        raise _refusal(error.smtp_code, str(error.smtp_error)) from None
    except smtplib.SMTPNotSupportedError as error:
        raise DeliveryError(f"SMTP: {error}", permanent=True) from None
    except (smtplib.SMTPException, OSError) as error:
        raise DeliveryError(f"SMTP: {type(error).__name__}: {error}") from None
    if any(code < 500 for code, _ in refused.values()):
        # Not yet, says the server for some; the others know the mail by its id.
        raise DeliveryError(f"SMTP: {len(refused)} recipients were not taken yet")
    note = f" ({len(refused)} recipients refused)" if refused else ""
    return _receipt(errand, mail["Message-ID"] + note, mail["Message-ID"])


@contextmanager
def _connected(errand: Errand[EmailConfig]) -> Iterator[smtplib.SMTP]:
    server = _open(errand.settings)
    try:
        if errand.settings.smtp_security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if "smtp_user" in errand.secrets:
            server.login(errand.secrets["smtp_user"], errand.secrets.get("smtp_password", ""))
        yield server
    finally:
        # The mail is taken by now, or refused: a goodbye that fails changes nothing.
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
        server.close()


def _open(settings: DeliverySettings) -> smtplib.SMTP:
    host, port = settings.smtp_host, settings.smtp_port
    if settings.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
    return smtplib.SMTP(host, port, timeout=TIMEOUT_S)


def _refusal(code: int, said: str) -> DeliveryError:
    return DeliveryError(f"SMTP {code}: {said}", permanent=code >= 500, unauthorized=code == 535)


def _receipt(errand: Errand[EmailConfig], provider_id: str, message_id: str) -> Receipt:
    thread = None if errand.message.thread else {"message_id": message_id}
    return Receipt(provider_id=provider_id[:500], thread=thread)


TEXT = Markup(str, plain_link)
HTML = Markup(escape, lambda label, url: f'<a href="{escape(url)}">{escape(label)}</a>')

NOTIFIER = Notifier(
    kind="email",
    Config=EmailConfig,
    send=send,
    secrets=("smtp_user", "smtp_password"),
    merges=True,
)
