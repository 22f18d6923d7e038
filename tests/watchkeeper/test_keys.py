"""A key that was rotated while the process runs: against the real gateway, with the parameter in an emulated SSM."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import boto3
import httpx
import pytest
from moto import mock_aws

from tests.support.parts import Api
from watchkeeper.errors import SettingsError, StoreError
from watchkeeper.keys import ASK_EVERY_S, Key
from watchkeeper.settings import Settings
from watchkeeper.store import Store

OLD, NEW = "sb_secret_" + "a" * 30, "sb_secret_" + "b" * 30
PARAMETER = "/watchkeeper/prod/supabase-secret-key"


class Gateway:
    """Takes one key, which can be changed; keeps those that it was shown."""

    def __init__(self, takes: str) -> None:
        self.takes = takes
        self.shown: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        key = request.headers["apikey"]
        assert request.headers["Authorization"] == f"Bearer {key}"
        self.shown.append(key)
        refusal = {"message": f"Invalid API key {key}"}
        return httpx.Response(200, json=[]) if key == self.takes else httpx.Response(401, json=refusal)

    def store(self, newer: Callable[[], str] | None) -> Store:
        return Store("http://db", OLD, newer_key=newer, transport=httpx.MockTransport(self))


class Parameter:
    """Says what the key is now, and counts how often it was asked."""

    def __init__(self, value: str, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.value = value
        self.asked: list[float] = []
        self._clock = clock

    def __call__(self) -> str:
        self.asked.append(self._clock())
        return self.value


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield boto3.client("ssm")


def test_a_rotated_key_is_read_again_while_running(api: Api, ssm: Any) -> None:
    """The gateway takes its key only; what the process started with is no longer one."""
    env = {"SUPABASE_URL": api.url, "SUPABASE_SECRET_KEY_PARAMETER": PARAMETER}
    ssm.put_parameter(Name=PARAMETER, Value=OLD, Type="SecureString")
    settings = Settings.from_env(env)
    with Store(settings.supabase_url, settings.supabase_secret_key, newer_key=settings.newer_key) as store:
        ssm.put_parameter(Name=PARAMETER, Value=api.secret_key, Type="SecureString", Overwrite=True)
        assert isinstance(store.audit_head(), dict)
        ssm.delete_parameter(Name=PARAMETER)
        assert isinstance(store.audit_head(), dict), "it stays with what works"


def test_a_refusal_by_the_real_gateway_is_told_when_there_is_no_newer_key(api: Api) -> None:
    with Store(api.url, OLD) as store, pytest.raises(StoreError, match="Invalid API key"):
        store.audit_head()


def test_it_asks_once_and_sends_the_same_request_again() -> None:
    gateway, parameter = Gateway(NEW), Parameter(f"{NEW}\n")
    with gateway.store(parameter) as store:
        store.claim_due_checks()
        store.claim_due_checks()
    assert gateway.shown == [OLD, NEW, NEW]
    assert len(parameter.asked) == 1


def test_a_key_that_nobody_rotated_is_asked_for_every_half_minute_at_most() -> None:
    now = [0.0]
    gateway, parameter = Gateway(NEW), Parameter(OLD, lambda: now[0])
    key = Key(OLD, parameter, clock=lambda: now[0])
    with httpx.Client(auth=key, transport=httpx.MockTransport(gateway)) as http:
        for moment in (0.0, 1.0, ASK_EVERY_S - 1.0, ASK_EVERY_S, ASK_EVERY_S + 1.0):
            now[0] = moment
            assert http.get("http://db").status_code == 401
    assert parameter.asked == [0.0, ASK_EVERY_S]
    assert gateway.shown == [OLD] * 5, "and the same key is not shown twice"


def test_a_parameter_that_cannot_be_read_leaves_the_refusal_as_it_is() -> None:
    def unreadable() -> str:
        raise SettingsError("SUPABASE_SECRET_KEY_PARAMETER", "cannot read it")

    with Gateway(NEW).store(unreadable) as store, pytest.raises(StoreError, match="Invalid API key"):
        store.claim_due_checks()


@pytest.mark.parametrize("newer", ["", " ", "two words", "schlüssel", "a\nb"])
def test_what_no_header_takes_is_no_newer_key(newer: str) -> None:
    gateway = Gateway(NEW)
    with gateway.store(lambda: newer) as store, pytest.raises(StoreError, match="Invalid API key"):
        store.claim_due_checks()
    assert gateway.shown == [OLD]


def test_an_error_shows_neither_the_old_key_nor_the_new_one() -> None:
    with Gateway("another").store(lambda: NEW) as store, pytest.raises(StoreError) as caught:
        store.claim_due_checks()
    assert NEW not in str(caught.value)
    assert OLD not in str(caught.value)


def test_threads_that_are_refused_at_once_ask_once() -> None:
    gateway, parameter, together = Gateway(NEW), Parameter(NEW), Barrier(4)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers["apikey"] == OLD:
            together.wait(5)
        return gateway(request)

    transport = httpx.MockTransport(answer)
    with httpx.Client(auth=Key(OLD, parameter), transport=transport) as http, ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda _: http.get("http://db").status_code, range(4)))
    assert (codes, len(parameter.asked)) == ([200] * 4, 1)


def test_a_key_of_the_environment_does_not_change() -> None:
    env = {
        "SUPABASE_URL": "http://db",
        "SUPABASE_SECRET_KEY": OLD,
        "SUPABASE_SECRET_KEY_PARAMETER": PARAMETER,
    }
    assert Settings.from_env(env).newer_key is None
