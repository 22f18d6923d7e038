import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import boto3
import pytest
from aiosmtpd import smtp as aiosmtp
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from moto import mock_aws
from moto.ses.models import ses_backends

from infra.local.ports import free_ports
from tests.watchkeeper.notifiers.support import HOSTILE, SETTINGS, SIGNED, claimed
from watchkeeper import aws
from watchkeeper.deliver import Access, deliver
from watchkeeper.messages import Settlement
from watchkeeper.secrets import Secrets
from watchkeeper.settings import DeliverySettings

TO = {"to": ["ann@example.com", "bob@example.com"]}
EVENTS = ("trigger", "escalate", "remind", "acknowledge", "resolve")


class Mailbox:
    """Keeps what it is sent; `refuse` maps a recipient to the reply it gets."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.refuse: dict[str, str] = {}
        self.answer = "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: aiosmtp.SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: aiosmtp.SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        if self.answer == "250 OK":
            self.raw.append(content)
            mail = message_from_bytes(content, policy=SMTP)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.answer


@contextmanager
def server(mailbox: Mailbox, **options: Any) -> Iterator[DeliverySettings]:
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_ports(1)[0], **options)
    controller.start()
    try:
        yield replace(
            SETTINGS,
            email_transport="smtp",
            smtp_host="127.0.0.1",
            smtp_port=controller.port,
            smtp_security="none",
        )
    finally:
        controller.stop()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def smtp(mailbox: Mailbox) -> Iterator[DeliverySettings]:
    with server(mailbox) as settings:
        yield settings


def mail_out(
    settings: DeliverySettings, event: str = "trigger", env: dict[str, str] | None = None, **given: Any
) -> Settlement:
    document = claimed("email", event, config=TO | given.pop("config", {}), **given)
    access = Access(settings, secrets=Secrets(env or {}), send_s=given.pop("send_s", 10))
    return asyncio.run(deliver(document, access))[0]


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found
    return str(found.get_content())


@pytest.mark.parametrize("event", EVENTS)
def test_a_mail_has_text_and_html_and_says_the_same(
    mailbox: Mailbox, smtp: DeliverySettings, event: str
) -> None:
    assert mail_out(smtp, event).outcome == "sent"
    (mail,) = mailbox.mails
    assert mail["To"] == "ann@example.com, bob@example.com"
    assert mail["From"] == "Watchkeeper <watch@example.com>"
    assert "anvil: chain stalled" in mail["Subject"]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "no block for 75 s" in part(mail, "plain")
    assert "no block for 75 s" in part(mail, "html")
    assert '<a href="https://runbooks.example.com/chain_stalled">Runbook</a>' in part(mail, "html")


def test_all_mails_of_an_alert_are_one_thread(mailbox: Mailbox, smtp: DeliverySettings) -> None:
    first = mail_out(smtp)
    mail_out(smtp, "resolve", thread=first.thread)
    trigger, resolve = mailbox.mails
    assert trigger["Message-ID"] == (first.thread or {})["message_id"]
    assert resolve["In-Reply-To"] == trigger["Message-ID"]
    assert trigger["References"] in resolve["References"]
    assert trigger["Message-ID"] in resolve["References"]
    assert trigger["Message-ID"] != resolve["Message-ID"]


def test_all_mails_of_an_incident_are_one_thread(mailbox: Mailbox, smtp: DeliverySettings) -> None:
    first = mail_out(smtp, about="incident")
    for event in ("update", "resolve"):
        mail_out(smtp, event, about="incident", thread=first.thread)
    trigger, update, resolve = mailbox.mails
    for later in (update, resolve):
        assert later["References"] == f"{trigger['References']} {trigger['Message-ID']}"
    assert update["Subject"] == "Update: CRITICAL incident: 3 targets of anvil fail"
    mail_out(smtp)
    assert mailbox.mails[-1]["References"] != trigger["References"]


def test_a_report_has_links_to_its_files(mailbox: Mailbox, smtp: DeliverySettings) -> None:
    assert mail_out(smtp, "report", about="report").outcome == "sent"
    (mail,) = mailbox.mails
    assert mail["Subject"] == "Report: Service levels of October"
    assert "Files can be fetched until: 2026-11-30 12:05:30 UTC" in part(mail, "plain")
    assert f'<a href="{SIGNED}">PDF</a>' in part(mail, "html")


def test_a_repeat_carries_the_same_id(mailbox: Mailbox, smtp: DeliverySettings) -> None:
    mail_out(smtp)
    mail_out(smtp)
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 1


def test_a_storm_is_one_mail(mailbox: Mailbox, smtp: DeliverySettings) -> None:
    mail_out(smtp, count=30)
    (mail,) = mailbox.mails
    assert mail["Subject"] == "30 alerts, the worst is critical"
    assert part(mail, "plain").count("CRITICAL node-") == 29


def test_hostile_text_adds_no_header_and_no_html(mailbox: Mailbox, smtp: DeliverySettings) -> None:
    assert (
        mail_out(smtp, message=HOSTILE, target=HOSTILE[-100300:-100200], alert_type="a\r\nBcc: b").outcome
        == "sent"
    )
    (mail,) = mailbox.mails
    assert mail["Bcc"] is None
    assert re.search(rb"(?m)^Bcc:", mailbox.raw[0]) is None
    assert "<script" not in part(mail, "html")
    assert "&lt;script&gt;" in part(mail, "html")
    assert all(len(line) <= 998 for line in mailbox.raw[0].split(b"\r\n"))
    assert mailbox.raw[0].isascii()
    assert len(mailbox.raw[0]) < 200_000


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("451 try later", "retry"), ("554 no", "dead"), ("421 closing", "retry"), ("552 too big", "dead")],
)
def test_what_the_servers_replies_mean(
    mailbox: Mailbox, smtp: DeliverySettings, answer: str, outcome: str
) -> None:
    mailbox.answer = answer
    settlement = mail_out(smtp)
    assert settlement.outcome == outcome
    assert (settlement.error or "").startswith(f"SMTP {answer[:3]}: ")


def test_recipients_who_are_not_taken(mailbox: Mailbox, smtp: DeliverySettings) -> None:
    mailbox.refuse = {"bob@example.com": "550 no such user"}
    settlement = mail_out(smtp)
    assert settlement.outcome == "sent"
    assert "(1 recipients refused)" in (settlement.provider_id or "")
    mailbox.refuse = {"bob@example.com": "450 greylisted"}
    assert mail_out(smtp).outcome == "retry"
    mailbox.refuse |= {"ann@example.com": "550 no such user"}
    assert mail_out(smtp).outcome == "retry"
    mailbox.refuse = dict.fromkeys(TO["to"], "550 no such user")
    assert mail_out(smtp).outcome == "dead"


WITHOUT_TLS = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")


def authenticate(
    _server: aiosmtp.SMTP, _session: Session, _envelope: Envelope, _method: str, data: Any
) -> AuthResult:
    known = LoginPassword(b"me", b"Sup3rS3cretPassw0rd")
    return AuthResult(success=data == known, handled=False)


CREDENTIALS = {"smtp_user": "", "smtp_password": ""}
ENV = {"CHANNEL_SMTP_USER": "me", "CHANNEL_SMTP_PASSWORD": "Sup3rS3cretPassw0rd"}


@WITHOUT_TLS
def test_it_signs_in(mailbox: Mailbox) -> None:
    with server(mailbox, authenticator=authenticate, auth_require_tls=False, auth_required=True) as smtp:
        assert mail_out(smtp, secrets=CREDENTIALS, env=ENV).outcome == "sent"


def test_a_wrong_password_is_permanent_and_not_repeated(mailbox: Mailbox) -> None:
    with server(mailbox, authenticator=authenticate, auth_require_tls=False) as smtp:
        env = ENV | {"CHANNEL_SMTP_PASSWORD": "wr0ngS3cretPassw0rd"}
        settlement = mail_out(smtp, secrets=CREDENTIALS, env=env)
    assert settlement.outcome == "dead"
    assert "wr0ng" not in (settlement.error or "")


def test_a_server_that_does_not_encrypt_is_refused(mailbox: Mailbox, smtp: DeliverySettings) -> None:
    settlement = mail_out(replace(smtp, smtp_security="starttls"))
    assert settlement.outcome == "dead"
    assert "STARTTLS" in (settlement.error or "")
    assert mailbox.mails == []


def test_nobody_there_is_tried_again() -> None:
    settings = replace(SETTINGS, email_transport="smtp", smtp_host="127.0.0.1", smtp_port=free_ports(1)[0])
    settlement = mail_out(settings)
    assert (settlement.outcome, settlement.error) == (
        "retry",
        "SMTP: ConnectionRefusedError: [Errno 111] Connection refused",
    )


def test_a_server_that_hangs_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = replace(
            SETTINGS, email_transport="smtp", smtp_host="127.0.0.1", smtp_port=listener.getsockname()[1]
        )
        document = claimed("email", config=TO)
        access = Access(settings, secrets=Secrets({}), send_s=0.3)
        (settlement,) = asyncio.run(deliver(document, access))
    assert (settlement.outcome, settlement.error) == ("retry", "not finished within 0.3 s")


def test_a_key_is_written_as_it_is_however_long(mailbox: Mailbox, smtp: DeliverySettings) -> None:
    """The standard library would encode it, and then no filter finds it."""
    key = f"{'a' * 36}:{'b' * 36}:remind-1795441849.703000"
    document = claimed("email", config=TO)
    document["deliveries"][0]["dedup_key"] = key
    asyncio.run(deliver(document, Access(smtp, secrets=Secrets({}))))
    assert f"\r\nX-Watchkeeper-Delivery: {key}\r\n".encode() in mailbox.raw[0]


def hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()


def test_a_server_that_hangs_up_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=hang_up, args=(listener,), daemon=True).start()
        settings = replace(
            SETTINGS, email_transport="smtp", smtp_host="127.0.0.1", smtp_port=listener.getsockname()[1]
        )
        assert mail_out(settings).outcome == "retry"


@pytest.mark.parametrize("sender", [None, "", "no address", "a@b\r\nBcc: c@d", "Ann <"])
def test_a_sender_that_is_none_is_permanent(sender: str | None, smtp: DeliverySettings) -> None:
    settlement = mail_out(replace(smtp, email_from=sender))
    assert settlement.outcome == "dead"
    assert settlement.error == "EMAIL_FROM is not set to an e-mail address"


@pytest.mark.parametrize("to", ["ann", "a@b\r\nBcc: c@d", "Ann <a@b>", "a@b, c@d", "@"])
def test_a_recipient_that_is_none_is_permanent(to: str, smtp: DeliverySettings) -> None:
    settlement = mail_out(smtp, config={"to": [to]})
    assert settlement.outcome == "dead"
    assert (settlement.error or "").startswith("config.to.0: ")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        aws._make.cache_clear()
        yield ses_backends["123456789012"]["eu-central-1"]
    aws._make.cache_clear()


@pytest.mark.parametrize("name", ["Watchkeeper", "Wächter", ""])
def test_ses_takes_the_same_mail(cloud: Any, name: str) -> None:
    boto3.client("ses", "eu-central-1").verify_email_identity(EmailAddress="watch@example.com")
    settlement = mail_out(replace(SETTINGS, email_from=f"{name} <watch@example.com>"))
    assert settlement.outcome == "sent"
    assert (settlement.thread or {})["message_id"] == f"<{settlement.provider_id}@eu-central-1.amazonses.com>"
    (kept,) = cloud.sent_messages
    assert "X-Watchkeeper-Delivery" in kept.raw_data


def test_a_sender_that_ses_does_not_know_is_permanent(cloud: Any) -> None:
    settlement = mail_out(SETTINGS)
    assert settlement.outcome == "dead"
    assert (settlement.error or "").startswith("SES: MessageRejected")
    assert cloud.sent_messages == []
