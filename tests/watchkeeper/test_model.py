import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from tests.watchkeeper.notifiers.support import claimed
from watchkeeper.model import CheckResult, Finding, Head, Message, ReportNotice, Sample, Task, samples, worst

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


def told(*keys: str, threads: tuple[dict[str, str] | None, ...] = (None, None)) -> Message:
    document = claimed("slack", count=len(keys))
    for delivery, key, thread in zip(document["deliveries"], keys, threads, strict=False):
        delivery |= {"dedup_key": key, "thread": thread}
    return Message.model_validate(document)


def test_a_message_of_one_has_its_deliverys_key() -> None:
    assert told("a").dedup_key == "a"
    assert not told("a").merged


def test_a_merged_message_has_one_key_whatever_the_order() -> None:
    assert told("a", "b").dedup_key == told("b", "a").dedup_key
    assert told("a", "b").dedup_key != told("a", "c").dedup_key
    assert told("a", "b").dedup_key.startswith("merged:")


def test_a_merged_message_has_a_thread_if_all_had_the_same() -> None:
    assert told("a", "b", threads=({"ts": "1"}, {"ts": "1"})).thread == {"ts": "1"}
    assert told("a", "b", threads=({"ts": "1"}, {"ts": "2"})).thread is None
    assert told("a", "b", threads=({"ts": "1"}, None)).thread is None


def test_a_database_that_says_more_is_understood() -> None:
    document = claimed("slack", mood="grim") | {"mood": "grim"}
    document["channel"]["mood"] = document["deliveries"][0]["mood"] = "grim"
    assert Message.model_validate(document).alerts()[0].target == "anvil"


@pytest.mark.parametrize(
    ("about", "event", "level", "place", "topic", "group"),
    [
        ("alert", "trigger", "critical", "anvil", "chain_stalled", "anvil"),
        ("incident", "update", "critical", "node-1, node-2, node-3", "policy", "anvil"),
        ("incident", "resolve", "info", "node-1, node-2, node-3", "policy", "anvil"),
        ("report", "report", "info", "watchkeeper", "report", None),
    ],
)
def test_services_sort_all_that_is_told_by_the_same_names(
    about: str, event: str, level: str, place: str, topic: str, group: str | None
) -> None:
    subject = Message.model_validate(claimed("slack", event, about=about)).subject
    assert subject
    assert (subject.noun, subject.level) == (about, level)
    assert (subject.place, subject.topic, subject.group) == (place, topic, group)


@pytest.mark.parametrize(
    ("severity", "level"),
    [("low", "info"), ("medium", "warning"), ("high", "error"), ("critical", "critical")],
)
def test_an_incident_is_as_loud_as_an_alert_of_that_severity(severity: str, level: str) -> None:
    subject = Message.model_validate(claimed("slack", about="incident", severity=severity)).subject
    assert subject
    assert subject.level == level


def test_an_incident_without_systems_is_in_its_network_or_nowhere() -> None:
    def place(**changes: Any) -> str:
        subject = Message.model_validate(claimed("slack", about="incident", **changes)).subject
        assert subject
        return subject.place

    assert place(affected_systems=[]) == "anvil"
    assert place(affected_systems=[], network=None) == "watchkeeper"


def test_a_report_whose_files_are_made_anew_is_told_without_them() -> None:
    nothing: dict[str, Any] = {"summary": None, "links": None, "files": None, "links_expire_at": None}
    subject = Message.model_validate(claimed("slack", "report", about="report", **nothing)).subject
    assert isinstance(subject, ReportNotice)
    assert (subject.links, subject.files, subject.summary.met) == ({}, (), None)


@pytest.mark.parametrize(
    ("event", "thread", "outdated"),
    [
        ("update", {"ts": "1"}, {"ts": "1"}),
        ("resolve", {"ts": "1"}, {"ts": "1"}),
        ("remind", {"ts": "1"}, None),
        ("update", {"ts": "1", "shared": True}, None),
        ("update", None, None),
    ],
)
def test_the_first_message_is_outdated_by_what_changes_it(event: str, thread: Any, outdated: Any) -> None:
    given = claimed("slack", event, about="incident", thread=thread)
    assert Message.model_validate(given).outdated == outdated


def test_news_of_nothing_is_no_message() -> None:
    document = claimed("slack", "resolve")
    document["deliveries"][0]["alert"] = None
    with pytest.raises(ValidationError, match="a delivery is about nothing"):
        Message.model_validate(document)
