"""Alerts and incidents, which every kind of report tells of. Pure."""

from collections.abc import Iterator, Mapping

from watchkeeper.errors import clean
from watchkeeper.reports.csv import Row, Span, Value, lines, values
from watchkeeper.reports.data import Alerts, Incidents, Share
from watchkeeper.reports.document import Block, Column, Fact, Heading, Paragraph, table
from watchkeeper.reports.figures import count, duration, moment, several, share

SEVERITIES = ("critical", "high", "error", "medium", "warning", "low", "info")


def alert_facts(alerts: Alerts) -> tuple[Fact, ...]:
    """How fast people and messages were."""
    number = "alerts" if alerts.count is None else several(alerts.count, "alert", "alerts")
    return (
        Fact("Time to acknowledge", duration(alerts.mtta_s), f"mean (MTTA) of {number}"),
        Fact("Time to resolve", duration(alerts.mttr_s), f"mean (MTTR) of {number}"),
        Fact("Acknowledged within 5 min", share(alerts.acknowledged.percent), _share(alerts.acknowledged)),
        Fact("Delivered within 30 s", share(alerts.delivered.percent), _share(alerts.delivered)),
    )


def _share(found: Share) -> str:
    if not found.of:
        return "no alerts" if found.of == 0 else ""
    return f"{count(found.within)} of {several(found.of, 'alert', 'alerts')}"


def severities(numbers: Mapping[str, int], still_open: int | None) -> str:
    order = {name: n for n, name in enumerate(SEVERITIES)}
    ranked = sorted(numbers.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))
    parts = [f"{n:,} {clean(name, 30)}" for name, n in ranked if n]
    return ", ".join(parts + ([f"{still_open:,} still open"] if still_open else []))


def incident_blocks(incidents: Incidents) -> Iterator[Block]:
    yield Heading("Incidents")
    if incidents.mttr_s is not None:
        yield Paragraph(f"Mean time to resolve an incident: {duration(incidents.mttr_s)}.")
    if incidents.count and incidents.count > len(incidents.list):
        yield Paragraph(f"{len(incidents.list):,} of {incidents.count:,} incidents are listed.", small=True)
    yield table(
        [
            Column("Incident", 4),
            Column("Severity", 1.2),
            Column("Status", 1.5),
            Column("Opened (UTC)", 2),
            Column("Resolved (UTC)", 2),
        ],
        [
            (
                each.title,
                each.severity,
                each.status,
                moment(each.created_at),
                moment(each.resolved_at, "not yet"),
            )
            for each in incidents.list
        ],
        "There were no incidents." if incidents.count == 0 else "Not measured.",
    )


def happened_rows(incidents: Incidents, alerts: Alerts, whole: Span) -> Iterator[Row]:
    totals = values(incidents, ("count", "open", "mttr_s"))
    yield from lines("incident", "", "all", whole, {**totals, **_by_severity(incidents.by_severity)})
    for each in incidents.list:
        when = (each.created_at, each.resolved_at)
        yield from lines("incident", each.id, each.title, when, values(each, ("severity", "status")))
    shares = {
        f"{name}_{key}": value
        for name, found in (("acknowledged_5_min", alerts.acknowledged), ("delivered_30_s", alerts.delivered))
        for key, value in values(found, ("within", "of", "percent")).items()
    }
    totals = values(alerts, ("count", "mtta_s", "mttr_s"))
    yield from lines("alert", "", "all", whole, {**totals, **_by_severity(alerts.by_severity), **shares})


def _by_severity(numbers: Mapping[str, int]) -> dict[str, Value]:
    return {f"count_{clean(name, 30)}": n for name, n in sorted(numbers.items())}
