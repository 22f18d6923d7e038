"""What the tests of all checks look at."""

from datetime import UTC, datetime, timedelta

from watchkeeper.model import SEVERITIES, Finding
from watchkeeper.protocols import Judgement

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def states(judgement: Judgement) -> dict[str, str]:
    return {finding.alert_type: finding.state for finding in judgement.findings}


def values(judgement: Judgement) -> dict[str, str]:
    return {sample.name: str(sample.value) for sample in judgement.samples}


def marks(judgement: Judgement) -> dict[str, str]:
    """The metrics that are marked, and how."""
    return {sample.name: sample.severity for sample in judgement.samples if sample.severity != "info"}


def finding(judgement: Judgement, alert_type: str) -> Finding:
    return next(finding for finding in judgement.findings if finding.alert_type == alert_type)


def loudness(finding: Finding) -> int:
    """0 for clear, else by severity; an unknown has none."""
    assert finding.state != "unknown"
    return 0 if finding.state == "clear" else 1 + SEVERITIES.index(finding.severity)
