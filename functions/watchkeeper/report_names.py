"""What the files of a report are called, and what they are."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta

MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}
NAME_CHARS = 60


def media_type(format_: str) -> str:
    return MEDIA_TYPES.get(format_, "application/octet-stream")


def file_name(title: str, from_time: datetime, to_time: datetime, format_: str) -> str:
    """`north-node-2026-10.pdf`: in letters that every system and header takes."""
    return f"{slug(title)}-{period(from_time, to_time)}.{format_}"


def slug(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:NAME_CHARS].strip("-") or "report"


def period(from_time: datetime, to_time: datetime) -> str:
    """A whole month of UTC by its name, else the first and the last day in it."""
    first = from_time.astimezone(UTC)
    end = to_time.astimezone(UTC)
    if first == _month(first) and end == _month(first + timedelta(days=32)):
        return f"{first:%Y-%m}"
    last = end - timedelta(microseconds=1)
    return f"{first:%Y-%m-%d}" if first.date() == last.date() else f"{first:%Y-%m-%d}-to-{last:%Y-%m-%d}"


def _month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
