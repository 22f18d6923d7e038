import asyncio
import logging
import sys
from typing import Any

import pytest

from tests.watchkeeper.notifiers.support import HOSTILE, SECRET, SETTINGS, Receiver, claimed
from tests.watchkeeper.servers import reply, serving
from watchkeeper.deliver import Access, deliver
from watchkeeper.messages import Settlement
from watchkeeper.secrets import Secrets


def notify(
    answer: bytes, url: str = "json://127.0.0.1:{port}/x", private: Any = "loopback", **given: Any
) -> tuple[Settlement, Receiver]:
    receiver = Receiver([answer])

    async def go() -> list[Settlement]:
        async with serving(receiver.talk) as port:
            env = {"CHANNEL_APPRISE_URL": url.replace("{port}", str(port))}
            access = Access(SETTINGS, private, Secrets(env))
            return await deliver(claimed("apprise", secrets={"apprise_url": ""}, **given), access)

    return asyncio.run(go())[0], receiver


def test_it_reaches_what_apprise_reaches() -> None:
    settlement, receiver = notify(reply())
    assert settlement.outcome == "sent"
    (request,) = receiver.requests
    assert request.json["title"] == "CRITICAL anvil: chain stalled"
    assert request.json["type"] == "failure"
    assert "no block for 75 s" in request.json["message"]


@pytest.mark.parametrize("event", ["trigger", "escalate", "remind", "acknowledge", "resolve", "test"])
def test_every_event(event: str) -> None:
    settlement, receiver = notify(reply(), event=event)
    assert settlement.outcome == "sent"
    assert receiver.requests[0].json["type"] == {"resolve": "success", "test": "info"}.get(event, "failure")


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "429 Too Many", "500 Oops"])
def test_it_cannot_tell_what_passes_so_all_is_tried_again(status: str) -> None:
    settlement, _ = notify(reply(status))
    assert (settlement.outcome, settlement.error) == ("retry", "Apprise: the service did not take it")


@pytest.mark.parametrize("url", ["nonsense", "nosuchservice://abc", "json://", "slack://x"])
def test_a_url_that_apprise_does_not_know_is_permanent_and_not_logged(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        settlement, _ = notify(reply(), url)
    assert url not in caplog.text
    assert settlement.outcome == "dead"
    assert url not in (settlement.error or "")


def test_private_addresses_need_permission() -> None:
    settlement, receiver = notify(reply(), private="none")
    assert (settlement.outcome, receiver.requests) == ("dead", [])
    assert "PRIVATE_TARGETS is none" in (settlement.error or "")


def test_a_token_where_others_have_a_host_is_no_address() -> None:
    settlement, _ = notify(reply(), f"json://{SECRET}/x", private="none", message="x")
    assert settlement.outcome == "retry"


def test_hostile_text_and_storms() -> None:
    for given in ({"message": HOSTILE}, {"count": 30}):
        settlement, receiver = notify(reply(), **given)
        assert settlement.outcome == "sent"
        assert len(receiver.requests[0].json["message"]) <= 3000
        assert "@everyone" not in receiver.requests[0].json["message"]


def test_without_apprise_it_says_how_to_add_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    settlement, _ = notify(reply())
    assert settlement.outcome == "dead"
    assert (settlement.error or "").startswith("apprise is not installed: add it to `dependencies`")
