"""Messages as the database hands them out, and real receivers on this machine to send them to."""

import asyncio
import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.watchkeeper.servers import Talk, read_request, reply, serving
from watchkeeper.deliver import Access, deliver
from watchkeeper.messages import Message, Settlement
from watchkeeper.notifiers import NOTIFIERS
from watchkeeper.protocols import Errand, Reply
from watchkeeper.secrets import Secrets
from watchkeeper.settings import DeliverySettings
from watchkeeper.words import wording

Json = dict[str, Any]

LEASE = "00000000-0000-4000-8000-00000000aaaa"
NOW = datetime(2026, 11, 23, 12, 5, 30, tzinfo=UTC)
SETTINGS = DeliverySettings(
    dashboard_url="https://watch.example.com",
    runbook_url="https://runbooks.example.com/",
    email_from="Watchkeeper <watch@example.com>",
)
HOSTILE = (
    "@everyone @here <!channel> <@U024BE7LH> <@&42> <#C1> <at>Ann</at> @ann /start {{DATE(2026)}} ${env} "
    "*b* _i_ ~s~ `c` |s| [x](http://evil.example) <http://evil.example|ok> <b>&amp;<script>alert(1)</script>"
    "\r\nBcc: all@example.com\r\n\x00\x1b[31m \u202etxt.exe\u202c \u2066x\u2069 שלום 👩‍🚀 " + "x" * 100_000
)


def alert(n: int = 0, **changes: object) -> Json:
    """An alert document, as list_alerts and claim_deliveries write it."""
    seen = NOW - timedelta(minutes=5)
    return {
        "id": f"00000000-0000-4000-8000-{n:012d}",
        "target_id": "00000000-0000-4000-8000-00000000bbbb",
        "target": f"node-{n}" if n else "anvil",
        "alert_type": "chain_stalled",
        "severity": "critical",
        "message": "no block for 75 s, expected one every 12 s",
        "source": "anvil",
        "status": "firing",
        "occurrences": 1,
        "first_seen_at": seen.isoformat(),
        "last_seen_at": NOW.isoformat(),
        "created_at": seen.isoformat(),
        "resolved_at": None,
        "resolution": None,
        "acknowledged": False,
        "acknowledged_by": None,
        "acknowledged_by_email": None,
        "acknowledged_at": None,
        "metadata": {"kind": "blockchain", "chain": "evm", "network": "anvil", "labels": {"env": "dev"}},
        "held_by": None,
        "values": [
            {"name": "height", "value": "123", "unit": "blocks", "observed_at": NOW.isoformat(), "known": True},
            {"name": "active_peers", "value": "5", "unit": "peers", "observed_at": seen.isoformat(), "known": False},
        ],
        **changes,
    }  # fmt: skip


RESOLVED: Json = {"status": "resolved", "resolved_at": NOW.isoformat(), "resolution": "the rule is clear"}
TAKEN: Json = {
    "acknowledged": True,
    "acknowledged_at": NOW.isoformat(),
    "acknowledged_by_email": "ann@example.com",
}
OF_EVENT: dict[str, Json] = {"resolve": RESOLVED, "acknowledge": TAKEN}


SIGNED = "https://files.example.com/r/october.pdf?X-Amz-Signature=" + "a" * 1400


def incident(n: int = 0, **changes: object) -> Json:
    """What claim_deliveries tells of an incident."""
    return {
        "id": f"00000000-0000-4000-b000-{n:012d}",
        "incident_type": "policy",
        "title": "3 targets of anvil fail",
        "severity": "critical",
        "status": "open",
        "description": "They all went within a minute.",
        "affected_systems": ["node-1", "node-2", "node-3"],
        "network": "anvil",
        "assigned_to_email": None,
        "created_at": (NOW - timedelta(minutes=5)).isoformat(),
        "updated_at": NOW.isoformat(),
        "resolved_at": None,
        "resolution_notes": None,
        "change": "opened",
        **changes,
    }


OVER: Json = {
    "status": "resolved",
    "resolved_at": NOW.isoformat(),
    "resolution_notes": "the switch was replaced",
    "change": "resolved",
}


def report(n: int = 0, **changes: object) -> Json:
    """What claim_deliveries tells of a report."""
    return {
        "id": f"00000000-0000-4000-c000-{n:012d}",
        "title": "Service levels of October",
        "kind": "sla",
        "from": "2026-10-01T00:00:00+00:00",
        "to": "2026-11-01T00:00:00+00:00",
        "summary": {"availability_percent": 99.9512, "objective_percent": 99.9, "met": True, "incidents": 3},
        "links": {"html": "http://files.example.com/october.html", "pdf": SIGNED},
        "links_expire_at": (NOW + timedelta(days=7)).isoformat(),
        "files": [{"format": "pdf", "key": "reports/1.pdf", "bytes": 52000, "sha256": "ab" * 32}],
        **changes,
    }


def delivery(n: int, event: str, about: str, thread: Json | None, changes: Json) -> Json:
    told: Json = {"alert": None, "incident": None, "report": None}
    if about == "alert":
        told["alert"] = alert(n, **OF_EVENT.get(event, {}), **changes)
    elif about == "incident":
        told["incident"] = incident(n, **{**(OVER if event == "resolve" else {}), **changes})
    else:
        told["report"] = report(n, **changes)
    return {
        "id": f"00000000-0000-4000-9000-{n:012d}",
        "dedup_key": f"{alert(n)['id']}:channel:{event}",
        "attempt": 1,
        "why": "route: everything",
        "created_at": NOW.isoformat(),
        "thread": thread,
        **({} if event == "test" else told),
    }


def claimed(
    kind: str = "slack",
    event: str = "trigger",
    *,
    about: str = "alert",
    count: int = 1,
    thread: Json | None = None,
    config: Json | None = None,
    secrets: Json | None = None,
    **changes: object,
) -> Json:
    """One message as claim_deliveries returns it."""
    channel = {
        "id": "00000000-0000-4000-8000-00000000cccc",
        "name": "ops",
        "kind": kind,
        "config": config or {},
        "secrets": {name: f"env:CHANNEL_{name.upper()}" for name in secrets or {}},
    }
    deliveries = [delivery(n, event, about, thread, changes) for n in range(count)]
    return {"lease_id": LEASE, "event": event, "channel": channel, "deliveries": deliveries}


def message(*args: Any, **kwargs: Any) -> Message:
    return Message.model_validate(claimed(*args, **kwargs))


@dataclass
class Request:
    """What a receiver was sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        value: Json = json.loads(self.body)
        return value


@dataclass
class Receiver:
    """An HTTP server that gives one answer after the other, the last again and again."""

    answers: Sequence[bytes | Talk]
    requests: list[Request] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        if not isinstance(answer, bytes):
            self.requests.append(Request("", "", {}, b""))
            await answer(reader, writer)
            return
        head, body = await read_request(reader)
        first, *lines = head.splitlines()
        headers = dict(line.split(": ", 1) for line in lines if line)
        method, path, _ = first.split(" ")
        self.requests.append(Request(method, path, {k.lower(): v for k, v in headers.items()}, body))
        writer.write(answer)
        await writer.drain()


@dataclass(frozen=True)
class Service:
    """How a channel of one kind is pointed at a receiver: {url} stands for its address."""

    kind: str
    secrets: Json
    config: Json
    ok: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


SECRET = "Sup3rS3cretT0kenXyZ0123456789abcdef"
SLACK_OK = reply(body=b'{"ok": true, "channel": "C1", "ts": "17.01"}')
TELEGRAM_OK = reply(body=b'{"ok": true, "result": {"message_id": 7}}')
DISCORD_OK = reply(body=b'{"id": "998877"}')
SERVICES = {
    "slack": Service("slack", {"webhook_url": f"{{url}}/services/T0/B0/{SECRET}"}, {}),
    "slack bot": Service(
        "slack", {"bot_token": f"xoxb-{SECRET}"}, {"channel": "C1", "api_url": "{url}/api"}, SLACK_OK
    ),
    "discord": Service("discord", {"webhook_url": f"{{url}}/api/webhooks/1/{SECRET}"}, {}, DISCORD_OK),
    "pagerduty": Service(
        "pagerduty", {"routing_key": SECRET}, {"events_url": "{url}/v2/enqueue"}, reply("202 Accepted", b"{}")
    ),
    "webhook": Service("webhook", {"url": f"{{url}}/hook?token={SECRET}", "signing_key": "k3y"}, {}),
    "sentry": Service("sentry", {"dsn": "{sentry}"}, {}, reply(body=b'{"id": "1"}')),
    "teams": Service("teams", {"webhook_url": f"{{url}}/workflows/{SECRET}?sig=x"}, {}, reply("202 Accepted")),
    "telegram": Service(
        "telegram", {"bot_token": f"42:{SECRET}"}, {"chat_id": "-1001", "api_url": "{url}"}, TELEGRAM_OK
    ),
}  # fmt: skip


def filled(given: Json, url: str) -> Json:
    sentry = url.replace("://", f"://{SECRET}@") + "/42"
    return {name: value.replace("{url}", url).replace("{sentry}", sentry) for name, value in given.items()}


def deliver_to(
    service: Service | str, *answers: bytes | Talk, event: str = "trigger", send_s: float = 5, **given: Any
) -> tuple[list[Settlement], list[Request]]:
    """How a message ended, and what the receiver was sent."""
    service = SERVICES[service] if isinstance(service, str) else service
    receiver = Receiver(answers or (service.ok,))

    async def go() -> list[Settlement]:
        async with serving(receiver.talk) as port:
            url = f"http://127.0.0.1:{port}"
            secrets = filled({**service.secrets, **given.pop("secrets", {})}, url)
            config = filled(service.config, url) | given.pop("config", {})
            document = claimed(service.kind, event, secrets=secrets, config=config, **given)
            env = {f"CHANNEL_{name.upper()}": value for name, value in secrets.items()}
            access = Access(SETTINGS, "loopback", Secrets(env), send_s=send_s)
            return await deliver(document, access)

    return asyncio.run(go()), receiver.requests


def sent(service: Service | str, *answers: bytes, **given: Any) -> list[Request]:
    """What the receiver was sent, all being well."""
    settlements, requests = deliver_to(service, *answers, **given)
    assert {settlement.outcome for settlement in settlements} == {"sent"}, settlements
    return requests


@dataclass
class Captured:
    """Takes every message at once, without a net: for properties that need thousands of them."""

    body: bytes
    sent: list[Json] = field(default_factory=list)

    async def post(
        self,
        url: str,
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        ok_statuses: Container[int] = (),  # noqa: ARG002 - all is well here
        method: str = "POST",
    ) -> Reply:
        self.sent.append({"url": url, "json": json, "content": content, "headers": headers, "method": method})
        return Reply(200, {}, self.body)


def written(name: str, event: str = "trigger", **given: Any) -> list[Json]:
    """What a service would be sent."""
    service = SERVICES[name]
    notifier = NOTIFIERS[service.kind]
    secrets = filled(service.secrets, "https://service.example")
    told = message(service.kind, event, **given)
    captured = Captured(service.ok.rpartition(b"\r\n\r\n")[2])
    errand = Errand(
        message=told,
        wording=wording(told, NOW, SETTINGS.dashboard_url, SETTINGS.runbook_url),
        config=notifier.Config.model_validate(filled(service.config, "https://service.example")),
        secrets=secrets,
        poster=captured,
        settings=SETTINGS,
    )

    async def go() -> None:
        await notifier.send(errand)

    asyncio.run(go())
    return captured.sent
