from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from watchkeeper.reports.data import Close, Incidents, Level, Part, Period, ServiceLevels, Share, Target

MONTH = {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}


@pytest.mark.parametrize("kind", [Target, Level, Incidents, Share])
def test_null_is_as_if_it_were_not_there(kind: type[Part]) -> None:
    assert kind.model_validate(dict.fromkeys(kind.model_fields)) == kind()


def test_null_deep_within_is_not_there_either() -> None:
    report = ServiceLevels.model_validate(
        {
            **MONTH,
            "rules": {"unknown": None},
            "incidents": {"by_severity": {"low": None, "high": 1}, "list": None},
        }
    )
    assert (report.rules, report.incidents.by_severity, report.incidents.list) == ({}, {"high": 1}, ())


def test_what_a_newer_database_adds_is_left_alone() -> None:
    assert Target.model_validate({"name": "node", "invented": 1}).name == "node"


def test_numbers_stay_exact() -> None:
    level = Level.model_validate({"down_s": 0.1, "up_s": "12345678901234567.000001"})
    assert (level.down_s, level.up_s) == (Decimal("0.1"), Decimal("12345678901234567.000001"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("node", "node"),
        ("", "(no name)"),
        ("\x00 a\n b\u202e", "a b"),
        ("\ud800", "(no name)"),
        ("x" * 900, "x" * 249 + "…"),
    ],
)
def test_names_are_one_printable_line(name: str, shown: str) -> None:
    assert Target.model_validate({"name": name}).name == shown


@pytest.mark.parametrize(
    ("seconds", "known"),
    [
        ({"up_s": 0, "down_s": 0, "availability_percent": None}, None),
        ({"up_s": 1, "down_s": 0}, 0),
        ({"up_s": 0, "down_s": 1}, 1),
        ({"up_s": 0, "down_s": 0, "availability_percent": 100}, 0),
        ({"up_s": 1, "down_s": None}, None),
    ],
)
def test_no_downtime_is_known_only_if_something_was_measured(
    seconds: dict[str, Any], known: int | None
) -> None:
    assert Level.model_validate(seconds).known_down_s == known


@pytest.mark.parametrize("key", ["within_5_min", "within_30_s", "within"])
def test_a_share_is_read_whatever_its_limit(key: str) -> None:
    assert Share.model_validate({key: 3, "of": 4, "percent": 75}).within == 3


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Level, {"up_s": -1}),
        (Level, {"up_s": "Infinity"}),
        (Level, {"availability_percent": 100.1}),
        (Target, {"checks": 1.5}),
        (Target, {"watched_from": "yesterday"}),
        (Target, {"name": 7}),
        (Close, {"month": "2026-10", "hash": "<script>"}),
        (Close, {"month": "2026-10; rm", "hash": "ab" * 32}),
        (Period, {**MONTH, "to": MONTH["from"]}),
        (Period, {"from": MONTH["from"]}),
        (Target, []),
    ],
)
def test_what_makes_no_sense_is_refused(kind: type[Part], wrong: Any) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(wrong)


def test_a_report_was_made_when_it_says_or_else_at_its_end() -> None:
    assert Period.model_validate(MONTH).made_at == Period.model_validate(MONTH).to_at
    as_of = Period.model_validate({**MONTH, "as_of": "2026-10-20T00:00:00Z"})
    assert as_of.made_at == as_of.as_of
