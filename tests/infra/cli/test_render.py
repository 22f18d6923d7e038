"""How things look: words first, colour only where it helps."""

import io

import pytest

from infra.cli.render import Screen, age, ago, number, unknown_since

NOW = "2026-11-23T12:00:00+00:00"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_gets_colour_and_the_word() -> None:
    assert Screen(Terminal()).status("critical") == "\033[31;1mcritical\033[0m"


def test_a_pipe_gets_the_word_alone() -> None:
    assert Screen(io.StringIO()).status("critical") == "critical"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colour_gets_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert Screen(Terminal()).status("critical") == "critical"


def test_columns_line_up_under_colour() -> None:
    stream = Terminal()
    Screen(stream).table([["a", "ok", "x"], ["bb", "warning", "y"]], status_column=1)
    lines = stream.getvalue().replace("\033[32m", "").replace("\033[33m", "").replace("\033[0m", "")
    assert lines == "  a   ok       x\n  bb  warning  y\n"


def test_a_table_of_nothing_prints_nothing() -> None:
    stream = io.StringIO()
    Screen(stream).table([])
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("then", "text"),
    [
        ("2026-11-23T11:59:20+00:00", "40 s"),
        ("2026-11-23T11:57:00.5+00:00", "2 min"),
        ("2026-11-23T07:00:00+00:00", "5 h"),
        ("2026-11-20T12:00:00+00:00", "3 days"),
        ("2026-11-23T12:00:05+00:00", "0 s"),
        (None, None),
    ],
)
def test_an_age_is_told_in_the_unit_that_says_enough(then: str | None, text: str | None) -> None:
    assert age(then, NOW) == text


def test_what_never_was_is_never() -> None:
    assert ago(None, NOW) == "never"
    assert unknown_since(None, NOW) == "unknown (never seen)"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "s", "unknown"),
        (0, None, "0"),
        (12345678, "blocks", "12,345,678 blocks"),
        (10.50, "s", "10.5 s"),
    ],
)
def test_a_number_has_its_unit_and_nothing_is_not_zero(value: object, unit: str | None, text: str) -> None:
    assert number(value, unit) == text
