"""The ledger's totals beside the receivers' totals."""

from __future__ import annotations

from collections.abc import Iterator

from tests.drill.drill import Report
from tests.drill.fate import BOUNDARIES

SHOWN = 30
STATUSES = ("pending", "sent", "dead", "cancelled")


def lines(report: Report) -> Iterator[str]:
    """For people to read."""
    verdict = report.verdict
    yield f"\n{'':24}{'the ledger':>32}          the receivers kept"
    yield (
        f"{'channel':12}{'event':12}"
        + "".join(f"{s:>10}" for s in STATUSES)
        + f"{'distinct':>14}{'repeats':>10}"
    )
    for channel, event in sorted({(c, e) for c, e, _ in verdict.ledger}):
        counts = [verdict.ledger[channel, event, status] for status in STATUSES]
        kept = verdict.distinct[channel, event], verdict.repeats[channel, event]
        yield f"{channel:12}{event:12}" + "".join(f"{n:10}" for n in counts) + f"{kept[0]:14}{kept[1]:10}"
    totals = [sum(n for (_, _, s), n in verdict.ledger.items() if s == status) for status in STATUSES]
    kept = verdict.distinct.total(), verdict.repeats.total()
    yield f"{'all':24}" + "".join(f"{n:10}" for n in totals) + f"{kept[0]:14}{kept[1]:10}\n"
    for boundary in BOUNDARIES:
        yield f"{report.kills.get(boundary, 0):6} kills {boundary}"
    yield f"{sum(report.kills.values()):6} kills in all, {report.alerts} alerts, {report.deliveries} deliveries, "
    yield f"       {report.arrivals} messages kept, {report.seconds:.0f} s, {len(verdict.violations)} violations"
    yield from (f"VIOLATION {violation}" for violation in verdict.violations[:SHOWN])
