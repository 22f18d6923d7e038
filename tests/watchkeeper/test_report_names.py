"""Names of files: one can tell them apart in a folder, and they pass any header."""

from datetime import datetime

import pytest

from watchkeeper.report_names import file_name, media_type, period, slug


@pytest.mark.parametrize(
    ("from_time", "to_time", "named"),
    [
        ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-10"),
        ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", "2026-12"),
        ("2026-10-01T02:00:00+02:00", "2026-11-01T01:00:00+01:00", "2026-10"),
        ("2026-10-01T00:00:00+02:00", "2026-11-01T00:00:00+01:00", "2026-09-30-to-2026-10-31"),
        ("2026-10-03T00:00:00Z", "2026-10-04T00:00:00Z", "2026-10-03"),
        ("2026-10-01T00:00:00Z", "2026-12-01T00:00:00Z", "2026-10-01-to-2026-11-30"),
        ("2026-10-03T12:00:00Z", "2026-10-04T00:00:01Z", "2026-10-03-to-2026-10-04"),
    ],
)
def test_a_whole_month_is_called_by_its_name(from_time: str, to_time: str, named: str) -> None:
    assert period(datetime.fromisoformat(from_time), datetime.fromisoformat(to_time)) == named


@pytest.mark.parametrize(
    ("title", "named"),
    [
        ("North node", "north-node"),
        ("Zürich / café", "zurich-cafe"),
        ('a"; rm -rf\r\nX: y', "a-rm-rf-x-y"),
        ("../../etc/passwd", "etc-passwd"),
        ("主网", "report"),
        ("", "report"),
        ("x" * 100, "x" * 60),
    ],
)
def test_a_title_may_be_anything(title: str, named: str) -> None:
    assert slug(title) == named


def test_a_name_says_what_when_and_which_format() -> None:
    month = datetime.fromisoformat("2026-10-01T00:00:00Z"), datetime.fromisoformat("2026-11-01T00:00:00Z")
    assert file_name("North node", *month, "pdf") == "north-node-2026-10.pdf"


def test_a_format_of_a_later_version_is_just_bytes() -> None:
    assert media_type("pdf") == "application/pdf"
    assert media_type("docx") == "application/octet-stream"
