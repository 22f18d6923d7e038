"""Setting up: what one make installs, another must not install at the same time."""

from __future__ import annotations

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
        assert not entered.wait(0.3)
    other.join(timeout=10)
    assert entered.is_set()
    assert "waiting for it" in capsys.readouterr().out
