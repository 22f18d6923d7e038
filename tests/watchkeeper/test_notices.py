from typing import Any

import pytest

from tests.watchkeeper.notifiers.support import claimed
from watchkeeper.messages import Message
from watchkeeper.notices import ReportNotice


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
