"""Runs the command against a pretended database and gives back what it printed."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

import infra.cli
from infra.cli import env
from infra.cli.api import OperatorStore
from tests.handlers.doubles import Rpcs
from watchkeeper.settings import Settings


@dataclass(frozen=True)
class Ran:
    """One run of the command."""

    code: int
    out: str
    err: str


class Command:
    """`watchkeeper` with its database."""

    def __init__(self, rpcs: Rpcs, capsys: pytest.CaptureFixture[str]) -> None:
        self.rpcs = rpcs
        self._capsys = capsys

    def __call__(self, *words: str) -> Ran:
        try:
            code = infra.cli.main(words)
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        printed = self._capsys.readouterr()
        return Ran(code, printed.out, printed.err)


def open_store(rpcs: Rpcs) -> OperatorStore:
    return OperatorStore("http://db", "key", transport=httpx.MockTransport(rpcs), sleep=lambda _: None)


@pytest.fixture
def rpcs() -> Rpcs:
    return Rpcs()


@pytest.fixture
def pretended(rpcs: Rpcs) -> Iterator[OperatorStore]:
    """A store whose database answers as the test says."""
    with open_store(rpcs) as store:
        yield store


@pytest.fixture
def command(rpcs: Rpcs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setattr(infra.cli, "open_store", lambda: open_store(rpcs))
    monkeypatch.setattr(env, "load", lambda: Settings("http://db", "key", private_targets="loopback"))
    return Command(rpcs, capsys)
