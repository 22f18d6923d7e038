import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from watchkeeper.model import CheckResult, Finding, Head, Sample, Task, samples, worst

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
ID = UUID(int=7)
TASK = {
    "check_id": str(ID),
    "target_id": str(ID),
    "target": "anvil",
    "kind": "p2p",
    "due_at": "2026-11-23T12:00:30+00:00",
    "interval_s": 60,
    "timeout_s": 10,
}


def result(**fields: Any) -> CheckResult:
    return CheckResult(check_id=ID, due_at=NOW, outcome="ok", started_at=NOW, finished_at=NOW, **fields)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "abc", None])
def test_a_sample_is_a_finite_number(value: str | None) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({"name": "height", "value": value})


def test_decimals_travel_exactly() -> None:
    sent = result(samples=(Sample(name="supply", value=Decimal("123456789012345678901.12345678")),)).to_json()
    assert sent["samples"][0]["value"] == "123456789012345678901.12345678"


def test_a_result_is_plain_json_with_times_in_utc() -> None:
    sent = json.loads(json.dumps(result().to_json()))
    assert sent["due_at"] == "2026-11-23T12:00:30Z"
    assert sent["check_id"] == str(ID)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        Head(height=1, total_blocks=1, block_at=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_number_that_is_not_known_has_no_sample() -> None:
    units = {"height": "blocks", "block_age": "s"}
    assert samples(units, {"height": None, "block_age": 0}) == (
        Sample(name="block_age", value=Decimal(0), unit="s"),
    )


def test_a_float_becomes_the_decimal_it_reads_as() -> None:
    assert samples({"x": None}, {"x": 0.1})[0].value == Decimal("0.1")


def test_a_task_survives_the_queue_and_a_newer_database() -> None:
    task = Task.model_validate({**TASK, "added_next_year": 1})
    assert Task.model_validate_json(task.model_dump_json()) == task
    assert (task.endpoint, task.params, task.delay_s) == (None, {}, 0)


def test_severities_are_ordered() -> None:
    assert worst("info", "error", "warning") == "error"


@pytest.mark.parametrize(
    ("state", "severity", "mark"),
    [
        ("clear", "critical", "info"),
        ("unknown", "critical", "info"),
        ("breach", "info", "warning"),
        ("breach", "error", "warning"),
        ("breach", "critical", "critical"),
    ],
)
def test_a_number_is_marked_as_its_finding_says(state: Any, severity: Any, mark: str) -> None:
    assert Finding(alert_type="x", state=state, severity=severity, message="").sample_severity() == mark
