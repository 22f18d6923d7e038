from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from watchkeeper.reports import figures


def said(text: str) -> str:
    return text.replace(figures.NEAR, " ")


def given(number: str | None) -> Decimal | None:
    return None if number is None else Decimal(number)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not measured"),
        ("100", "100 %"),
        ("100.0000", "100 %"),
        ("99.9994", "99.9994 %"),
        ("99.99999", "99.9999 %"),
        ("99.89999", "99.8999 %"),
        ("99.9", "99.9000 %"),
        ("0", "0 %"),
        ("0.0000001", "below 0.0001 %"),
        ("0.0001", "0.0001 %"),
    ],
)
def test_a_percentage_is_never_better_than_it_is(value: str | None, text: str) -> None:
    assert said(figures.percent(given(value))) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "not measured"), ("75", "75 %"), ("66.6666", "66.66 %"), ("99.999", "99.99 %"), ("100", "100 %")],
)
def test_a_share_is_rounded_down(value: str | None, text: str) -> None:
    assert said(figures.share(given(value))) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "not measured"),
        ("0", "0 s"),
        ("0.0004", "below 0.001 s"),
        ("0.25", "0.25 s"),
        ("59.9996", "60 s"),
        ("60", "1 min"),
        ("600", "10 min"),
        ("3661.4", "1 h 1 min 1 s"),
        ("86400", "1 d"),
        ("90061", "1 d 1 h 1 min 1 s"),
        ("318211200000", "3,683,000 d"),
        ("-61", "-1 min 1 s"),
    ],
)
def test_a_length_of_time_is_told_to_the_second(seconds: str | None, text: str) -> None:
    assert said(figures.duration(given(seconds))) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not measured"),
        ("0", "0.0 ms"),
        ("0.001", "below 0.1 ms"),
        ("1.26", "1.3 ms"),
        ("120.5", "121 ms"),
        ("9999", "9,999 ms"),
        ("12345", "12.3 s"),
    ],
)
def test_response_times_have_the_digits_that_matter(value: str | None, text: str) -> None:
    assert said(figures.milliseconds(given(value))) == text


def test_a_number_keeps_its_unit_on_its_line() -> None:
    assert figures.duration(Decimal(600)).split() == ["10", "min"]  # split() knows every kind of space
    assert " " not in figures.duration(Decimal(600))


def test_an_objective_is_written_as_it_was_chosen() -> None:
    assert [said(figures.promise(Decimal(value))) for value in ("99.9000", "99.95", "100", "90")] == [
        "99.9 %",
        "99.95 %",
        "100 %",
        "90 %",
    ]


def test_times_are_utc_wherever_they_come_from() -> None:
    zurich = timezone(timedelta(hours=2))
    assert figures.moment(datetime(2026, 10, 1, 1, 30, tzinfo=zurich)) == "2026-09-30 23:30:00"
    assert figures.moment(None) == "not measured"


def test_a_whole_month_has_a_name_and_any_other_period_its_bounds() -> None:
    october, november = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    assert figures.period(october, november) == "October 2026"
    assert figures.period(october, november - timedelta(days=1)) == "2026-10-01 00:00 to 2026-10-31 00:00 UTC"
    assert figures.period(october, october + timedelta(seconds=1)).endswith("2026-10-01 00:00:01 UTC")
