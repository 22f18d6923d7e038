"""What a report is about, from the words of the command line."""

from datetime import datetime

import pytest

from infra.cli.scope import last_month, moment


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ("2026-11-23T15:00Z", "2026-10-01T00:00Z", "2026-11-01T00:00Z"),
        ("2026-01-01T00:00Z", "2025-12-01T00:00Z", "2026-01-01T00:00Z"),
        ("2024-03-31T23:59Z", "2024-02-01T00:00Z", "2024-03-01T00:00Z"),
        ("2026-11-01T00:30+02:00", "2026-09-01T00:00Z", "2026-10-01T00:00Z"),
    ],
)
def test_months_are_those_of_utc(now: str, start: str, end: str) -> None:
    assert last_month(datetime.fromisoformat(now)) == (moment(start), moment(end))
