"""The service level report: what get_sla_report found, told to the customer. Pure."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any

from watchkeeper.errors import clean
from watchkeeper.reports.charts import MOST_TARGETS, BudgetLine, DayBars, ResponseTimes, bars
from watchkeeper.reports.csv import Row, lines, values
from watchkeeper.reports.data import Day, Downtime, Measured, Objective, ServiceLevels, Target
from watchkeeper.reports.document import (
    Block,
    Chart,
    Column,
    Command,
    Document,
    Fact,
    Facts,
    Heading,
    Paragraph,
    Table,
    Tone,
    Verdict,
    table,
)
from watchkeeper.reports.figures import (
    NOT_MEASURED,
    bounds,
    count,
    duration,
    milliseconds,
    moment,
    percent,
    period,
    promise,
    several,
    share,
)
from watchkeeper.reports.happened import alert_facts, happened_rows, incident_blocks, severities

MOST_DOWNTIMES = 1000

MET: dict[bool | None, tuple[str, Tone]] = {
    True: ("met", "good"),
    False: ("not met", "bad"),
    None: (NOT_MEASURED, "unknown"),
}
RULES = {
    "observation": "Observations",
    "unknown": "Unknown time",
    "maintenance": "Maintenance",
    "paused": "Paused and unwatched time",
    "percent": "Availability",
    "group": "Groups",
    "budget": "Error budget",
    "looks": "Checks and response times",
    "response": "Response to alerts",
}


def document(data: Mapping[str, Any]) -> Document:
    report = ServiceLevels.model_validate(data)
    return Document(
        title="Service level report",
        subject=report.title or _group(report)[:1].upper() + _group(report)[1:],
        period=period(report.from_at, report.to_at),
        about=tuple(_about(report)),
        made_at=report.made_at,
        blocks=tuple(_blocks(report)),
    )


def _blocks(report: ServiceLevels) -> Iterator[Block]:
    yield from _summary(report)
    yield from _days(report)
    yield from _goals(report)
    yield from _targets(report)
    yield from _downtimes(report)
    yield from incident_blocks(report.incidents)
    yield from _response_times(report)
    yield from _rules(report)
    yield from _close(report)


def _about(report: ServiceLevels) -> Iterator[tuple[str, str]]:
    yield "Covers", _group(report)
    yield "From, to", bounds(report.from_at, report.to_at)
    if report.as_of and report.as_of < report.to_at:
        yield "Figures as of", f"{moment(report.as_of)} UTC; the period was not over"
    yield "Objective", _objective(report.objective)
    if report.generated_at:
        yield "Made", f"{moment(report.generated_at)} UTC, by Watchkeeper"


def _group(report: ServiceLevels) -> str:
    """Which targets: what the matcher names, and how many that were. All of them only if that is known."""
    number = several(len(report.targets), "target", "targets") if report.targets else "no targets"
    if report.match is None:
        return number
    chosen = [f"{key} {_words(value)}" for key, value in sorted(report.match.items()) if value]
    return clean(f"{'; '.join(chosen) or 'all targets'} ({number})", 200)


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_words(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return str(value)


def _objective(objective: Objective | None) -> str:
    if objective is None or objective.percent is None:
        return "none was set"
    counted = "counts as down" if objective.counts_unknown == "down" else "is told apart, neither up nor down"
    name = "" if objective.name == "default" else f" ({objective.name})"
    return f"{promise(objective.percent)} available{name}; unknown time {counted}"


# Page one -------------------------------------------------------------------------------------------------------


def _summary(report: ServiceLevels) -> Iterator[Block]:
    yield _verdict(report)
    totals, incidents = report.totals, report.incidents
    yield Facts(
        (
            Fact("Availability", percent(totals.availability_percent), _against(report), _tone(report)),
            Fact("Downtime", duration(totals.known_down_s), _number_of_downtimes(report)),
            _budget(report),
            Fact("Incidents", count(incidents.count), severities(incidents.by_severity, incidents.open)),
            *alert_facts(report.alerts),
        )
    )
    yield Paragraph(_watched(report), small=True)


def _watched(report: ServiceLevels) -> str:
    totals = report.totals
    together = ", all targets together" if len(report.targets) > 1 else ""
    kinds = (
        ("Up", totals.up_s),
        ("down", totals.known_down_s),
        ("unknown", totals.unknown_s),
        ("in maintenance", totals.maintenance_s),
    )
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in kinds)
    return f"Watched: {duration(totals.watched_s)}{together}. {parts}."


def _verdict(report: ServiceLevels) -> Verdict:
    goal, totals = report.objective, report.totals
    word, tone = MET[totals.met]
    found = percent(totals.availability_percent)
    if goal is None or goal.percent is None:
        return Verdict("No objective", f"Availability: {found}.{_measured(report)}", "plain")
    if totals.met is None:
        return Verdict("Not measured", f"Whether {promise(goal.percent)} was reached is not known.", tone)
    text = f"{found} available, {promise(goal.percent)} promised.{_measured(report)}"
    return Verdict(f"Objective {word}", text, tone)


def _measured(report: ServiceLevels) -> str:
    """A good figure of a short time is not a good month."""
    measured = report.totals.measured_percent
    return "" if measured is None else f" Of the time watched, {share(measured)} was measured."


def _tone(report: ServiceLevels) -> Tone:
    return MET[report.totals.met][1] if report.objective else "plain"


def _against(report: ServiceLevels) -> str:
    if report.objective is None or report.objective.percent is None:
        return "no objective"
    return f"objective {promise(report.objective.percent)}: {MET[report.totals.met][0]}"


def _number_of_downtimes(report: ServiceLevels) -> str:
    if report.totals.known_down_s is None:
        return ""
    number = sum(_downtimes_of(target) for target in report.targets)
    affected = sum(1 for target in report.targets if _downtimes_of(target))
    if not number:
        return "no downtime"
    return f"{several(number, 'downtime', 'downtimes')} of {several(affected, 'target', 'targets')}"


def _downtimes_of(target: Target) -> int:
    return len(target.downtimes) if target.downtimes_count is None else target.downtimes_count


def _budget(report: ServiceLevels) -> Fact:
    budget, spent = report.totals.budget_s, report.totals.spent_s
    if budget is None or spent is None or report.totals.known_down_s is None:
        return Fact("Error budget left", NOT_MEASURED, "", "unknown")
    if spent > budget:
        note = (
            f"{duration(spent)} spent, {duration(spent - budget)} more than the {duration(budget)} there were"
        )
        return Fact("Error budget left", "none", note, "bad")
    left = f"{share((budget - spent) * 100 / budget)} left of {duration(budget)}, " if budget else ""
    return Fact("Error budget left", duration(budget - spent), f"{left}{duration(spent)} spent")


# Charts and tables ----------------------------------------------------------------------------------------------


def _days(report: ServiceLevels) -> Iterator[Block]:
    yield Heading("Availability over time")
    if not any(day.watched_s or day.up_s or day.down_s or day.unknown_s for day in report.days):
        yield Paragraph("Nothing was measured in this period.")
        return
    unit, each = bars(report.days)
    troubled = sum(1 for bar in each if bar.seconds["down"])
    yield Chart(
        f"Availability by {unit}: {several(len(each), unit, unit + 's')}, {troubled:,} of them with downtime.",
        DayBars(report.days),
    )
    yield Paragraph(
        f"Each bar is one {unit} (UTC){' of all targets together' if len(report.targets) > 1 else ''}. "
        "Small parts are drawn larger than they are, so that they can be seen.",
        small=True,
    )
    yield from _budget_chart(report)


def _budget_chart(report: ServiceLevels) -> Iterator[Block]:
    budget, spent = report.totals.budget_s, report.totals.spent_s
    if not budget or spent is None or len(report.days) < 2:
        return
    in_order = sorted(report.days, key=lambda day: day.day)
    yield Heading("Error budget")
    yield Chart(
        f"Error budget: {duration(spent)} of {duration(budget)} spent.",
        BudgetLine(
            tuple(day.day for day in in_order),
            tuple(accumulate(_spent(day, report.objective) for day in in_order)),
            budget,
        ),
    )


def _spent(day: Day, objective: Objective | None) -> Decimal:
    down = day.down_s or Decimal(0)
    strict = objective is not None and objective.counts_unknown == "down"
    return down + (day.unknown_s or Decimal(0)) if strict else down


def _goals(report: ServiceLevels) -> Iterator[Block]:
    if not report.objectives:
        return
    yield Heading("Objectives")
    yield table(
        [
            Column("Objective", 3),
            Column("Promised", 1.2, "right"),
            Column("Available", 1.4, "right"),
            Column("Budget", 1.6, "right"),
            Column("Spent", 1.6, "right"),
            Column("Result", 1.3),
        ],
        [
            (
                goal.name,
                promise(goal.percent) if goal.percent is not None else "not set",
                percent(goal.availability_percent),
                duration(goal.budget_s),
                duration(goal.spent_s),
                MET[goal.met][0] if goal.met is not None else (goal.status or NOT_MEASURED),
            )
            for goal in report.objectives
        ],
    )


def _targets(report: ServiceLevels) -> Iterator[Block]:
    yield Heading("Targets")
    worst_first = sorted(report.targets, key=_how_good)
    yield table(
        [
            Column("Target", 2.9),
            Column("Network", 1.7),
            Column("Available", 1.4, "right"),
            Column("Down", 1.4, "right"),
            Column("Unknown", 1.4, "right"),
            Column("Maintenance", 1.7, "right"),
            Column("Objective", 1.35),
        ],
        [
            (
                target.name,
                target.network or "",
                percent(target.availability_percent),
                duration(target.known_down_s),
                duration(target.unknown_s),
                duration(target.maintenance_s),
                MET[target.met][0],
            )
            for target in worst_first
        ],
        "There were no targets in this group.",
    )
    yield from _lives(report)


def _how_good(target: Target) -> tuple[bool, Decimal, str]:
    """The worst first, those that nobody measured last."""
    value = target.availability_percent
    return value is None, value or Decimal(0), target.name


def _lives(report: ServiceLevels) -> Iterator[Block]:
    """Targets that came or went within the period: their figures are of a part of it."""
    partly = [
        target
        for target in report.targets
        if (target.watched_from and target.watched_from > report.from_at)
        or (target.watched_until and target.watched_until < report.to_at)
    ]
    if partly:
        yield Paragraph("Watched for a part of the period only:")
        yield table(
            [Column("Target", 3), Column("Watched from (UTC)", 2), Column("Watched until (UTC)", 2)],
            [
                (target.name, moment(target.watched_from), moment(target.watched_until, "still watched"))
                for target in partly
            ],
        )


def _downtimes(report: ServiceLevels) -> Iterator[Block]:
    yield Heading("Downtimes")
    listed = [(target, downtime) for target in report.targets for downtime in target.downtimes]
    longest = sorted(listed, key=lambda item: item[1].seconds or Decimal(0), reverse=True)[:MOST_DOWNTIMES]
    number = sum(_downtimes_of(target) for target in report.targets)
    if number > len(longest):
        yield Paragraph(f"The longest {len(longest):,} of {number:,} downtimes, by time.", small=True)
    yield _downtimes_table(sorted(longest, key=lambda item: (item[1].from_at, item[0].name)), report)


def _downtimes_table(rows: list[tuple[Target, Downtime]], report: ServiceLevels) -> Table:
    measured = any(target.known_down_s is not None for target in report.targets)
    return table(
        [
            Column("Target", 3),
            Column("From (UTC)", 2),
            Column("To (UTC)", 2),
            Column("Length", 2, "right"),
        ],
        [
            (
                target.name,
                moment(downtime.from_at),
                moment(downtime.to_at, "not over"),
                duration(downtime.seconds),
            )
            for target, downtime in rows
        ],
        "No target was seen down." if measured else "Not measured.",
    )


def _response_times(report: ServiceLevels) -> Iterator[Block]:
    timed = [target for target in report.targets if target.latency.p95_ms is not None]
    timed.sort(key=lambda target: (-(target.latency.p95_ms or 0), target.name))
    yield Heading("Response times")
    if timed:
        shown = (
            f"the {MOST_TARGETS} slowest of {len(timed):,} targets"
            if len(timed) > MOST_TARGETS
            else "each target"
        )
        yield Chart(
            f"Response times of {shown}: half, 95 % and 99 % of the answers came within the time marked.",
            ResponseTimes(tuple(timed[:MOST_TARGETS])),
        )
    yield table(
        [
            Column("Target", 3),
            Column("Half within", 1.3, "right"),
            Column("95 % within", 1.3, "right"),
            Column("99 % within", 1.3, "right"),
            Column("Checks", 1.1, "right"),
            Column("Failed", 1.1, "right"),
        ],
        [
            (
                target.name,
                milliseconds(target.latency.p50_ms),
                milliseconds(target.latency.p95_ms),
                milliseconds(target.latency.p99_ms),
                count(target.checks),
                count(target.failures),
            )
            for target in [*timed, *(target for target in report.targets if target.latency.p95_ms is None)]
        ],
        "There were no targets in this group.",
    )


# The small print ------------------------------------------------------------------------------------------------


def _rules(report: ServiceLevels) -> Iterator[Block]:
    if not report.rules:
        return
    yield Heading("How time is counted")
    order = {name: n for n, name in enumerate(RULES)}
    names = sorted(report.rules, key=lambda name: (order.get(name, len(order)), name))
    yield table(
        [Column("What", 1.4), Column("How it is counted", 5)],
        [
            (RULES.get(name) or clean(name, 60).replace("_", " ").capitalize(), report.rules[name])
            for name in names
        ],
    )


def _close(report: ServiceLevels) -> Iterator[Block]:
    yield Heading("How to verify this report")
    if report.close is None:
        yield Paragraph("This period is not closed: what is learned later can still change these figures.")
        return
    month = report.close.month[:7]
    yield Paragraph(
        f"The month {month} is closed: its figures and what they were computed from are kept, and their hash covers "
        "the month before as well. Nobody can change one of them unnoticed. The hash of this close is"
    )
    yield Command(report.close.hash.removeprefix("\\x"))
    yield Paragraph("It is recomputed and compared, fact by fact, with")
    yield Command(f"watchkeeper closes verify {month}")


# For spreadsheets -----------------------------------------------------------------------------------------------

MEASURED = tuple(Measured.model_fields)
LEVEL = (*MEASURED, "availability_percent", "measured_percent", "budget_s", "spent_s", "met")


def rows(data: Mapping[str, Any]) -> Iterator[Row]:
    """Everything that has a number or a time."""
    report = ServiceLevels.model_validate(data)
    whole = (report.from_at, report.to_at)
    goal = report.objective or Objective()
    facts = {"as_of": report.as_of, "generated_at": report.generated_at, "objective": goal.name,
             "objective_percent": goal.percent, "counts_unknown": goal.counts_unknown}  # fmt: skip
    yield from lines("report", "", report.title or _group(report), whole, facts)
    yield from lines("total", "", "all", whole, values(report.totals, LEVEL))
    for each in report.objectives:
        yield from lines("objective", "", each.name, whole, values(each, ("percent", *LEVEL)))
    for target in report.targets:
        yield from _target_rows(target, report)
    for day in report.days:
        following = day.day + timedelta(days=1)
        yield from lines("day", "", "all", (day.day, following), values(day, MEASURED))
    yield from happened_rows(report.incidents, report.alerts, whole)
    if report.close:
        yield from lines("close", "", report.close.month, whole, {"hash": report.close.hash})


def _target_rows(target: Target, report: ServiceLevels) -> Iterator[Row]:
    whole = (report.from_at, report.to_at)
    measures = {
        "network": target.network,
        **values(target, (*LEVEL, "watched_from", "watched_until", "checks", "failures")),
        **values(target.latency, ("p50_ms", "p95_ms", "p99_ms")),
        "downtimes": _downtimes_of(target),
    }
    yield from lines("target", target.target_id, target.name, whole, measures)
    for downtime in target.downtimes:
        when = (downtime.from_at, downtime.to_at)
        yield from lines("downtime", target.target_id, target.name, when, {"down_s": downtime.seconds})
