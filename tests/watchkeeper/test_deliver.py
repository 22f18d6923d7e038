import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.watchkeeper.notifiers.support import SECRET, SETTINGS, Receiver, claimed
from tests.watchkeeper.servers import Talk, read_request, reply, serving, silent
from watchkeeper.deliver import Access, deliver, deliver_all
from watchkeeper.errors import DeliveryError
from watchkeeper.messages import Receipt, Settlement
from watchkeeper.model import Model
from watchkeeper.protocols import Errand, Notifier
from watchkeeper.secrets import Secrets


class Nothing(Model):
    size: int = 1


Send = Callable[[Errand[Nothing]], Awaitable[Receipt]]


def access(
    send: Send, env: dict[str, str] | None = None, *, merges: bool = False, send_s: float = 5
) -> Access:
    notifier = Notifier(
        "pretended", Nothing, send, secrets=("token",), required_secrets=("token",), merges=merges
    )
    secrets = Secrets({"CHANNEL_TOKEN": SECRET} if env is None else env)
    return Access(SETTINGS, "loopback", secrets, {"pretended": notifier}, send_s)


def document(count: int = 1, **given: Any) -> dict[str, Any]:
    return claimed("pretended", secrets={"token": ""}, count=count, **given)


def ended(send: Send, given: dict[str, Any] | None = None, **how: Any) -> list[Settlement]:
    return asyncio.run(deliver(given or document(), access(send, **how)))


async def well(_errand: Errand[Nothing]) -> Receipt:
    return Receipt(provider_id="42", thread={"ts": "1"})


def failing(error: Exception) -> Send:
    async def send(_errand: Errand[Nothing]) -> Receipt:
        raise error

    return send


def test_what_the_service_said_is_kept() -> None:
    (settlement,) = ended(well)
    assert settlement.to_json() == {
        "delivery_id": "00000000-0000-4000-9000-000000000000",
        "lease_id": "00000000-0000-4000-8000-00000000aaaa",
        "outcome": "sent",
        "provider_id": "42",
        "thread": {"ts": "1"},
        "error": None,
        "retry_after_s": None,
    }


def test_a_merged_message_settles_all_its_deliveries() -> None:
    settlements = ended(well, document(30), merges=True)
    assert len({settlement.delivery_id for settlement in settlements}) == 30
    assert {str(settlement.thread) for settlement in settlements} == {"{'ts': '1'}"}


def test_a_part_that_fails_costs_itself_only() -> None:
    async def send(errand: Errand[Nothing]) -> Receipt:
        assert not errand.message.merged
        if errand.message.alerts()[0].target == "node-1":
            raise DeliveryError("no", permanent=True)
        return Receipt()

    assert [settlement.outcome for settlement in ended(send, document(3))] == ["sent", "dead", "sent"]


@pytest.mark.parametrize(
    ("error", "outcome", "reason", "wait"),
    [
        (DeliveryError("gone", permanent=True, retry_after_s=9), "dead", "gone", None),
        (DeliveryError("busy", retry_after_s=9), "retry", "busy", 9),
        (DeliveryError(f"http://x/{SECRET}\nfailed\x00"), "retry", "http://x/*** failed", None),
        (DeliveryError("x" * 9000), "retry", "x" * 499 + "…", None),
        (ZeroDivisionError(SECRET), "retry", "internal error: ZeroDivisionError", None),
        (RecursionError(), "retry", "internal error: RecursionError", None),
    ],
)
def test_what_went_wrong_is_said_without_secrets(
    error: Exception, outcome: str, reason: str, wait: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        (settlement,) = ended(failing(error))
    assert (settlement.outcome, settlement.error, settlement.retry_after_s) == (outcome, reason, wait)
    assert SECRET not in caplog.text


def test_a_notifier_that_hangs_costs_its_time_only() -> None:
    async def send(_errand: Errand[Nothing]) -> Receipt:
        await asyncio.sleep(60)
        return Receipt()

    started = time.monotonic()
    (settlement,) = ended(send, send_s=0.2)
    assert (settlement.outcome, settlement.error) == ("retry", "not finished within 0.2 s")
    assert time.monotonic() - started < 30, "it hangs for a minute"


def test_a_kind_of_another_version_is_tried_again() -> None:
    (settlement,) = asyncio.run(deliver(claimed("pigeon"), access(well)))
    assert (settlement.outcome, settlement.error) == ("retry", "this version has no notifier 'pigeon'")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"config": {"size": None}}, "config.size: Input should be a valid integer"),
        ({"config": {"colour": 1}}, "config.colour: Extra inputs are not permitted"),
        ({"secrets": {}}, "secrets.token: is missing"),
        (
            {"secrets": {"token": "ssm:/elsewhere"}},
            "a secret's reference is not one of env:, ssm: or secretsmanager:",
        ),
        ({"secrets": {"token": "env:CHANNEL_OTHER"}}, "env:CHANNEL_OTHER is not set"),
    ],
)
def test_a_channel_that_cannot_work_is_permanent(change: dict[str, Any], reason: str) -> None:
    given = document()
    given["channel"] |= change
    (settlement,) = ended(well, given)
    assert (settlement.outcome, settlement.error) == ("dead", reason)


def test_a_secret_that_was_changed_is_read_again_before_giving_up() -> None:
    env = {"CHANNEL_TOKEN": "old"}
    seen: list[str] = []

    async def send(errand: Errand[Nothing]) -> Receipt:
        seen.append(errand.secrets["token"])
        if errand.secrets["token"] != "new":
            raise DeliveryError("who are you?", permanent=True, unauthorized=True)
        return Receipt()

    way = access(send, env)
    assert asyncio.run(deliver(document(), way))[0].outcome == "dead"
    assert seen == ["old"]
    env["CHANNEL_TOKEN"] = "new"
    assert asyncio.run(deliver(document(), way))[0].outcome == "sent"
    assert seen == ["old", "old", "new"]


@pytest.mark.parametrize(
    "spoil",
    [
        {"event": "explode"},
        {"channel": None},
        {"deliveries": [{"id": "00000000-0000-4000-9000-000000000000"}]},
        {"deliveries": [{**document()["deliveries"][0], "alert": None}]},
        {"deliveries": [{**document()["deliveries"][0], "alert": {"id": 1}}]},
    ],
)
def test_a_message_that_this_version_cannot_read_is_tried_again(spoil: dict[str, Any]) -> None:
    (settlement,) = ended(well, document() | spoil)
    assert settlement.outcome == "retry"
    assert (settlement.error or "").startswith("this version cannot read the message: ")


NONSENSE = [{"x": 1}, {"deliveries": 5}, {"deliveries": [None, 1, {"id": "x"}]}, {"deliveries": []}]


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_a_message_that_nobody_can_read_settles_nothing(nonsense: dict[str, Any]) -> None:
    assert ended(well, nonsense) == []


def test_a_receipt_that_is_too_large_for_the_ledger_is_trimmed() -> None:
    async def send(_errand: Errand[Nothing]) -> Receipt:
        return Receipt(provider_id="\x00a" * 4000, thread={"ts": "x" * 4000})

    (settlement,) = ended(send)
    assert settlement.outcome == "sent"
    assert settlement.thread is None
    assert len(settlement.provider_id or "") <= 500
    assert "\x00" not in (settlement.provider_id or "")


def test_a_receipt_that_echoes_a_secret_is_not_kept() -> None:
    async def send(_errand: Errand[Nothing]) -> Receipt:
        return Receipt(provider_id=f"id-{SECRET}", thread={"ts": SECRET})

    (settlement,) = ended(send)
    assert (settlement.outcome, settlement.provider_id, settlement.thread) == ("sent", "id-***", None)


def test_a_poison_message_and_a_slow_channel_cost_themselves_only() -> None:
    receiver = Receiver([reply()])

    async def go() -> tuple[list[Settlement], float]:
        async with serving(receiver.talk) as good, serving(silent) as slow:
            env = {
                f"CHANNEL_{n}": f"http://127.0.0.1:{port}/" for n, port in (("GOOD", good), ("SLOW", slow))
            }
            documents = [claimed("webhook"), {"poison": True}, claimed("webhook")]
            for document_, name in zip((documents[0], documents[2]), env, strict=True):
                document_["channel"]["secrets"] = {"url": f"env:{name}"}
            started = time.monotonic()
            way = Access(SETTINGS, "loopback", Secrets(env), send_s=0.4)
            return await deliver_all(documents, way), time.monotonic() - started

    settlements, took = asyncio.run(go())
    assert [settlement.outcome for settlement in settlements] == ["sent", "retry"]
    assert took < 30, "the slow one says nothing for a minute"


def test_the_credentials_of_one_message_are_not_those_of_another() -> None:
    heads: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(reply())

    async def go(answer: Talk) -> None:
        async with serving(answer) as port:
            env = {
                "CHANNEL_URL": f"http://127.0.0.1:{port}/",
                "CHANNEL_A": "Bearer a",
                "CHANNEL_B": "Bearer b",
            }
            documents = [claimed("webhook"), claimed("webhook")]
            for given, name in zip(documents, "AB", strict=True):
                given["channel"]["secrets"] = {
                    "url": "env:CHANNEL_URL",
                    "authorization": f"env:CHANNEL_{name}",
                }
            await deliver_all(documents, Access(SETTINGS, "loopback", Secrets(env)))

    asyncio.run(go(talk))
    assert sorted(line for head in heads for line in head.splitlines() if line.startswith("Auth")) == [
        "Authorization: Bearer a",
        "Authorization: Bearer b",
    ]
