"""What a message says: of an alert, an incident or a report. Pure."""

from datetime import UTC, datetime, time, timedelta
from urllib.parse import quote

from watchkeeper.errors import clean
from watchkeeper.messages import Event, Message
from watchkeeper.model import SEVERITIES
from watchkeeper.notices import AlertNotice, IncidentNotice, LastValue, ReportNotice, ReportSummary, Subject
from watchkeeper.text import Wording, is_web_address

TITLE_CHARS = 200
LINE_CHARS = 1500
FACT_CHARS = 500
VALUES_SHOWN = 12
# Signed addresses are long; Slack ends at 3,000.
FILE_URL_CHARS = 2900
FORMATS = ("pdf", "html", "csv", "json")

# What it means for those who use the system, by alert type.
MEANINGS = {
    "no_blocks": "The chain has no blocks: nothing can be confirmed.",
    "chain_stalled": "No new blocks arrive: transactions wait and nothing is confirmed.",
    "node_syncing": "This node is catching up: what it answers is out of date.",
    "low_peers": "Few neighbours: the node may stop hearing of new blocks and transactions.",
    "mempool_backlog": "Transactions pile up: confirmations take longer and cost more.",
    "no_active_keys": "No valid key is cached: signing is slow or fails.",
    "negative_balances": "Balances below zero: the books do not add up.",
    "endpoint_unreachable": "Nobody reaches this endpoint: what depends on it fails, and its state is unknown.",
    "service_down": "The service does not answer as it should: its users see errors.",
    "slow_response": "The service answers slowly.",
    "tls_expiring": "When the certificate ends, clients refuse to connect.",
    "blind": "Watchkeeper cannot tell how this target is: it may be well or down.",
    "critical_metric": "A tool that reports to Watchkeeper called this value critical.",
    "heartbeat_missing": "A job did not report in time: it may not have run.",
    "flapping": "It fails and recovers again and again; single changes are not reported meanwhile.",
    "delivery_dead": "People who should have been told by that channel were not.",
}
HEADLINES: dict[Event, str] = {
    "trigger": "",
    "escalate": "Worse: ",
    "remind": "Still firing: ",
    "acknowledge": "Acknowledged: ",
    "update": "Update: ",
    "resolve": "Resolved: ",
    "report": "Report: ",
    "test": "",
}
MERGED_HEADLINES: dict[Event, str] = {
    "trigger": "",
    "escalate": " got worse",
    "remind": " still fire",
    "acknowledge": " are acknowledged",
    "update": " have changed",
    "resolve": " are resolved",
    "report": "",
    "test": "",
}


# A message -----------------------------------------------------------------------------------------------------


def wording(
    message: Message, now: datetime, dashboard_url: str | None = None, runbook_url: str | None = None
) -> Wording:
    """The words for a message: of one thing all that is known, of several a line each."""
    subjects = [delivery.subject for delivery in message.deliveries if delivery.subject]
    if not subjects:
        return _test(message)
    if len(subjects) == 1:
        return _single(message, subjects[0], now, dashboard_url, runbook_url)
    return _merged(message, subjects, dashboard_url)


def _test(message: Message) -> Wording:
    line = f"The channel {clean(message.channel.name, 100)} works. Nothing is wrong."
    return Wording("Test from Watchkeeper", (line,), (), (), "info", message.event)


def _single(
    message: Message, subject: Subject, now: datetime, dashboard_url: str | None, runbook_url: str | None
) -> Wording:
    facts = [*_facts(message.event, subject, now), ("Sent because", message.deliveries[0].why)]
    page = [(subject.noun.capitalize(), f"{_pages(subject, dashboard_url)}/{subject.id}")]
    return Wording(
        title=clean(HEADLINES[message.event] + _headline(subject, message.event), TITLE_CHARS),
        lines=tuple(clean(line, LINE_CHARS) for line in _lines(subject) if line),
        facts=tuple((label, clean(text, FACT_CHARS)) for label, text in facts if text),
        links=(*_runbook(subject, runbook_url), *(page if dashboard_url else ()), *_files(subject)),
        severity=subject.level,
        event=message.event,
    )


def _merged(message: Message, subjects: list[Subject], dashboard_url: str | None) -> Wording:
    worst_first = sorted(subjects, key=lambda subject: -SEVERITIES.index(subject.level))
    worst, over = worst_first[0].level, message.event == "resolve"
    nouns = " and ".join(sorted({f"{subject.noun}s" for subject in subjects}))
    pages = {f"{subject.noun.capitalize()}s": _pages(subject, dashboard_url) for subject in worst_first}
    return Wording(
        title=f"{len(subjects)} {nouns}{MERGED_HEADLINES[message.event]}"
        + ("" if over else f", the worst is {worst}"),
        lines=tuple(clean(_line(subject, message.event), 200) for subject in worst_first),
        facts=(),
        links=tuple(pages.items()) if dashboard_url else (),
        severity=worst,
        event=message.event,
    )


def _line(subject: Subject, event: Event) -> str:
    return ": ".join([_headline(subject, event), *_lines(subject)[:1]])


def _headline(subject: Subject, event: Event) -> str:
    match subject:
        case AlertNotice():
            return _how_bad(subject, event) + f"{subject.place}: {subject.alert_type.replace('_', ' ')}"
        case IncidentNotice():
            return _how_bad(subject, event) + f"incident: {subject.title}"
        case ReportNotice():
            return subject.title


def _how_bad(subject: AlertNotice | IncidentNotice, event: Event) -> str:
    return "" if event == "resolve" else f"{subject.severity.upper()} "


def _lines(subject: Subject) -> list[str]:
    match subject:
        case AlertNotice():
            return [subject.message]
        case IncidentNotice():
            return [text for text in (subject.change, subject.description) if text and text != subject.title]
        case ReportNotice():
            return [_availability(subject.summary)] if subject.kind == "sla" else []


def _facts(event: Event, subject: Subject, now: datetime) -> list[tuple[str, str]]:
    match subject:
        case AlertNotice():
            return _alert_facts(event, subject, now)
        case IncidentNotice():
            return _incident_facts(subject, now)
        case ReportNotice():
            return _report_facts(subject)


def _pages(subject: Subject, dashboard_url: str | None) -> str:
    return f"{dashboard_url}/{subject.noun}s"


# An alert -------------------------------------------------------------------------------------------------------


def _alert_facts(event: Event, alert: AlertNotice, now: datetime) -> list[tuple[str, str]]:
    return [
        ("Where", _where(alert)),
        ("Since", _since(alert, now)),
        ("Ended", _ended(alert.resolved_at, alert.resolution) if event == "resolve" else ""),
        ("It means", MEANINGS.get(alert.alert_type, "") if event != "resolve" else ""),
        ("Values", "; ".join(_value(value, now) for value in alert.values[:VALUES_SHOWN])),
        ("On it", _on_it(event, alert)),
    ]


def _where(alert: AlertNotice) -> str:
    details = [str(part) for key in ("network", "chain") if (part := alert.metadata.get(key))]
    return alert.place + (f" ({', '.join(details)})" if details else "")


def _since(alert: AlertNotice, now: datetime) -> str:
    times = f", seen {alert.occurrences} times" if alert.occurrences > 1 else ""
    return _lasting(alert.first_seen_at, alert.resolved_at or now, times)


def _on_it(event: Event, alert: AlertNotice) -> str:
    if alert.acknowledged:
        when = f" since {moment(alert.acknowledged_at)}" if alert.acknowledged_at else ""
        return (alert.acknowledged_by_email or "somebody") + when
    return "" if event == "resolve" else "nobody yet"


def _value(value: LastValue, now: datetime) -> str:
    """A value that is not known is never shown as if it were."""
    name, unit = value.name.replace("_", " "), f" {value.unit}" if value.unit else ""
    age = span(now - value.observed_at) if value.observed_at else None
    if value.known and value.value is not None:
        return f"{name} {value.value}{unit}"
    if value.value is None or age is None:
        return f"{name} unknown"
    return f"{name} unknown ({value.value}{unit} {age} ago)"


def _runbook(subject: Subject, runbook_url: str | None) -> list[tuple[str, str]]:
    if not isinstance(subject, AlertNotice):
        return []
    runbook = _labelled_runbook(subject) or (runbook_url and runbook_url + quote(subject.alert_type, safe=""))
    return [("Runbook", runbook)] if runbook else []


def _labelled_runbook(alert: AlertNotice) -> str | None:
    labels = alert.metadata.get("labels")
    url = labels.get("runbook") if isinstance(labels, dict) else None
    return url if isinstance(url, str) and is_web_address(url) else None


# An incident ----------------------------------------------------------------------------------------------------


def _incident_facts(incident: IncidentNotice, now: datetime) -> list[tuple[str, str]]:
    return [
        ("Status", incident.status),
        ("Severity", incident.severity),
        ("Affected", incident.place if incident.affected_systems or incident.network else ""),
        ("Since", _lasting(incident.created_at, incident.resolved_at or now)),
        ("Ended", _ended(incident.resolved_at, incident.resolution_notes)),
        ("On it", incident.assigned_to_email or ("" if incident.over else "nobody yet")),
    ]


# A report -------------------------------------------------------------------------------------------------------


def _availability(summary: ReportSummary) -> str:
    """What was not measured is neither 100 % nor a failure."""
    if summary.availability_percent is None:
        return "Availability: not measured."
    told = f"Availability: {_percent(summary.availability_percent)}"
    if summary.objective_percent is None:
        return f"{told}, without an objective."
    verdict = {True: "met", False: "NOT met", None: "cannot be told"}[summary.met]
    return f"{told}, the objective is {_percent(summary.objective_percent)}: {verdict}."


def _percent(value: float) -> str:
    return f"{value:.10g} %"


def _report_facts(report: ReportNotice) -> list[tuple[str, str]]:
    incidents, until = report.summary.incidents, report.links_expire_at
    return [
        ("Period", _period(report.from_time, report.to_time)),
        ("Incidents", "" if incidents is None else str(incidents)),
        ("Files can be fetched until", moment(until) if until and _files(report) else ""),
    ]


def _period(start: datetime, end: datetime) -> str:
    """Whole days by their names, the last included."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if {start.time(), end.time()} == {time.min}:
        return f"{start:%Y-%m-%d} to {end - timedelta(days=1):%Y-%m-%d} (UTC)"
    return f"{moment(start)} to {moment(end)}"


def _files(subject: Subject) -> list[tuple[str, str]]:
    links = subject.links if isinstance(subject, ReportNotice) else {}
    return [
        (name.upper(), links[name])
        for name in FORMATS
        if name in links and is_web_address(links[name], FILE_URL_CHARS)
    ]


# Times ----------------------------------------------------------------------------------------------------------


def _lasting(since: datetime, until: datetime, more: str = "") -> str:
    return f"{moment(since)} ({span(until - since)}{more})"


def _ended(at: datetime | None, why: str | None) -> str:
    return moment(at) + (f": {why}" if why else "") if at else ""


def moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(length: timedelta) -> str:
    """A length of time in its two largest units; clocks differ a little, so never below zero."""
    seconds = max(0, round(length.total_seconds()))
    units = [
        ("d", seconds // 86400),
        ("h", seconds // 3600 % 24),
        ("min", seconds // 60 % 60),
        ("s", seconds % 60),
    ]
    told = [f"{n} {unit}" for unit, n in units if n][:2]
    return " ".join(told) or "0 s"
