"""Setting up: what one make installs, another must not install at the same time."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event, Thread

import pytest

from infra.local import bootstrap


def test_a_second_make_waits_until_the_first_has_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "STATE", tmp_path / "state")
    entered = Event()

    def second() -> None:
        with bootstrap.one_at_a_time():
            entered.set()

    with bootstrap.one_at_a_time():
        other = Thread(target=second)
        other.start()
        said = ""
        deadline = time.monotonic() + 60
        while "waiting for it" not in said and time.monotonic() < deadline:  # it says so once it has tried
            assert not entered.wait(0.05)
            said += capsys.readouterr().out
    assert "waiting for it" in said
    other.join(timeout=60)
    assert entered.is_set()
