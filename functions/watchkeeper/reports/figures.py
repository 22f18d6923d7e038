"""How numbers and times are written: with units, sensible digits, and never better than they are. Pure."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

NOT_MEASURED = "not measured"
SMALLEST_PERCENT = Decimal("0.0001")
HUNDRED = Decimal(100)
NEAR = "\u00a0"
"""Keeps a number and its unit on one line."""
UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def percent(value: Decimal | None) -> str:
    """Rounded down, so that 99.99996 % is neither 100 % nor an objective that was missed."""
    if value is None:
        return NOT_MEASURED
    if 0 < value < SMALLEST_PERCENT:
        return f"below{NEAR}{SMALLEST_PERCENT}{NEAR}%"
    if value in (0, HUNDRED):
        return f"{value:.0f}{NEAR}%"
    return f"{value.quantize(SMALLEST_PERCENT, ROUND_FLOOR):,}{NEAR}%"


def share(value: Decimal | None) -> str:
    """A percentage of things that were counted; rounded down as well."""
    return NOT_MEASURED if value is None else f"{plain(value.quantize(Decimal('0.01'), ROUND_FLOOR))}{NEAR}%"


def plain(value: Decimal) -> str:
    """A number that a person chose: 99.90 is 99.9."""
    return f"{value.normalize():f}"


def promise(value: Decimal) -> str:
    """The percentage of an objective, as somebody wrote it."""
    return f"{plain(value)}{NEAR}%"


def duration(seconds: Decimal | None) -> str:
    """In whole seconds, and in thousandths below a minute; a very short time is not no time."""
    if seconds is None:
        return NOT_MEASURED
    if seconds < 0:
        return "-" + duration(-seconds)
    if 0 < seconds < Decimal("0.001"):
        return f"below{NEAR}0.001{NEAR}s"
    if seconds < 60:
        return f"{plain(_rounded(seconds, '0.001'))}{NEAR}s"
    left = int(_rounded(seconds, "1"))
    parts = []
    for unit, size in UNITS:
        n, left = divmod(left, size)
        parts += [f"{n:,}{NEAR}{unit}"] if n else []
    return " ".join(parts + ([f"{left}{NEAR}s"] if left else []))


def milliseconds(value: Decimal | None) -> str:
    if value is None:
        return NOT_MEASURED
    if 0 < value < Decimal("0.1"):
        return f"below{NEAR}0.1{NEAR}ms"
    if value >= 10_000:
        return f"{_rounded(value / 1000, '0.1'):,}{NEAR}s"
    return f"{_rounded(value, '0.1' if value < 10 else '1'):,}{NEAR}ms"


def count(value: int | None) -> str:
    return NOT_MEASURED if value is None else f"{value:,}"


def several(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def moment(at: datetime | None, missing: str = NOT_MEASURED) -> str:
    """For a place that names the zone; all times are UTC."""
    return missing if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def period(from_at: datetime, to_at: datetime) -> str:
    """A whole month of UTC by its name, everything else by its bounds."""
    start, end = from_at.astimezone(UTC), to_at.astimezone(UTC)
    following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    if start == start.replace(day=1, hour=0, minute=0, second=0, microsecond=0) and end == following:
        return f"{start:%B} {start.year}"
    return bounds(from_at, to_at)


def bounds(from_at: datetime, to_at: datetime) -> str:
    start, end = from_at.astimezone(UTC), to_at.astimezone(UTC)
    exact = any(at.second or at.microsecond for at in (start, end))
    form = "%Y-%m-%d %H:%M:%S" if exact else "%Y-%m-%d %H:%M"
    return f"{start:{form}} to {end:{form}} UTC"


def _rounded(value: Decimal, step: str) -> Decimal:
    return value.quantize(Decimal(step), ROUND_HALF_UP)
