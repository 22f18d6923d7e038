"""Runs the command against a pretended database and gives back what it printed."""

from dataclasses import dataclass

import pytest

import infra.cli
from infra.cli import env
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


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    rpcs = Rpcs()
    monkeypatch.setattr(infra.cli, "open_store", rpcs.store)
    monkeypatch.setattr(env, "load", lambda: Settings("http://db", "key", private_targets="loopback"))
    return Command(rpcs, capsys)
