"""What a message says, and how foreign words are made harmless and short enough. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

from watchkeeper.errors import clean
from watchkeeper.model import SEVERITIES, AlertNotice, Delivery, Event, LastValue, Message, Severity

TITLE_CHARS = 200
LINE_CHARS = 1500
FACT_CHARS = 500
URL_CHARS = 500
VALUES_SHOWN = 12

COLOURS: dict[Severity, int] = {
    "info": 0x2F81F7,
    "warning": 0xD29922,
    "error": 0xDB6D28,
    "critical": 0xCF222E,
}
GREEN = 0x2DA44E

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
    "resolve": "Resolved: ",
    "test": "",
}
MERGED_HEADLINES: dict[Event, str] = {
    "trigger": "alerts",
    "escalate": "alerts got worse",
    "remind": "alerts still fire",
    "acknowledge": "alerts are acknowledged",
    "resolve": "alerts are resolved",
    "test": "tests",
}


@dataclass(frozen=True)
class Wording:
    """A message in plain words, each text one printable line. Foreign words in it are not escaped yet."""

    title: str
    lines: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    severity: Severity
    event: Event

    @property
    def colour(self) -> int:
        return GREEN if self.event == "resolve" else COLOURS[self.severity]


@dataclass(frozen=True)
class Markup:
    """How a service writes: its escaping, its links, and what it counts against its limits."""

    escape: Callable[[str], str]
    link: Callable[[str, str], str]
    size: Callable[[str], int] = len


# What is said ---------------------------------------------------------------------------------------------------


def wording(
    message: Message, now: datetime, dashboard_url: str | None = None, runbook_url: str | None = None
) -> Wording:
    """The words for a message: of one alert all that is known, of several a line each."""
    alerts = message.alerts()
    if not alerts:
        return _test(message)
    if len(alerts) == 1:
        return _single(message, alerts[0], now, dashboard_url, runbook_url)
    return _merged(message, alerts, dashboard_url)


def _test(message: Message) -> Wording:
    line = f"The channel {clean(message.channel.name, 100)} works. Nothing is wrong."
    return Wording("Test from Watchkeeper", (line,), (), (), "info", message.event)


def _single(
    message: Message, alert: AlertNotice, now: datetime, dashboard_url: str | None, runbook_url: str | None
) -> Wording:
    return Wording(
        title=clean(HEADLINES[message.event] + _headline(alert, message.event), TITLE_CHARS),
        lines=(clean(alert.message, LINE_CHARS),),
        facts=tuple(
            (label, clean(text, FACT_CHARS))
            for label, text in _facts(message.event, alert, message.deliveries[0], now)
            if text
        ),
        links=_links(alert, dashboard_url, runbook_url),
        severity=alert.severity,
        event=message.event,
    )


def _merged(message: Message, alerts: list[AlertNotice], dashboard_url: str | None) -> Wording:
    worst_first = sorted(alerts, key=lambda alert: -SEVERITIES.index(alert.severity))
    worst, over = worst_first[0].severity, message.event == "resolve"
    overview = (("Alerts", f"{dashboard_url}#/alerts"),) if dashboard_url else ()
    return Wording(
        title=f"{len(alerts)} {MERGED_HEADLINES[message.event]}"
        + ("" if over else f", the worst is {worst}"),
        lines=tuple(
            clean(f"{_headline(alert, message.event)}: {alert.message}", 200) for alert in worst_first
        ),
        facts=(),
        links=overview,
        severity=worst,
        event=message.event,
    )


def _headline(alert: AlertNotice, event: Event) -> str:
    how_bad = "" if event == "resolve" else f"{alert.severity.upper()} "
    return f"{how_bad}{place(alert)}: {alert.alert_type.replace('_', ' ')}"


def place(alert: AlertNotice) -> str:
    """Where it is, in a word: the target, or whoever reported it."""
    return alert.target or alert.source or "watchkeeper"


def _facts(event: Event, alert: AlertNotice, delivery: Delivery, now: datetime) -> list[tuple[str, str]]:
    return [
        ("Where", _where(alert)),
        ("Since", _since(alert, now)),
        ("Ended", _ended(alert) if event == "resolve" else ""),
        ("It means", MEANINGS.get(alert.alert_type, "") if event != "resolve" else ""),
        ("Values", "; ".join(_value(value, now) for value in alert.values[:VALUES_SHOWN])),
        ("On it", _on_it(event, alert)),
        ("Sent because", delivery.why),
    ]


def _where(alert: AlertNotice) -> str:
    details = [str(part) for key in ("network", "chain") if (part := alert.metadata.get(key))]
    return place(alert) + (f" ({', '.join(details)})" if details else "")


def _since(alert: AlertNotice, now: datetime) -> str:
    ended = alert.resolved_at or now
    times = f", seen {alert.occurrences} times" if alert.occurrences > 1 else ""
    return f"{moment(alert.first_seen_at)} ({span(ended - alert.first_seen_at)}{times})"


def _ended(alert: AlertNotice) -> str:
    if alert.resolved_at is None:
        return ""
    return moment(alert.resolved_at) + (f": {alert.resolution}" if alert.resolution else "")


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


def _links(
    alert: AlertNotice, dashboard_url: str | None, runbook_url: str | None
) -> tuple[tuple[str, str], ...]:
    runbook = _labelled_runbook(alert) or (runbook_url and runbook_url + quote(alert.alert_type, safe=""))
    page = dashboard_url and f"{dashboard_url}#/alerts/{alert.id}"
    return tuple((label, url) for label, url in (("Runbook", runbook), ("Alert", page)) if url)


def _labelled_runbook(alert: AlertNotice) -> str | None:
    labels = alert.metadata.get("labels")
    url = labels.get("runbook") if isinstance(labels, dict) else None
    return url if isinstance(url, str) and is_web_address(url) else None


def is_web_address(url: str) -> bool:
    """Whether it is a plain http(s) URL, with nothing in it that could end a link in some markup."""
    if len(url) > URL_CHARS or not re.fullmatch(r"https?://[!#-;=?-\[\]_a-z~]+", url):
        return False
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


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


# How it fits ----------------------------------------------------------------------------------------------------


def utf16(text: str) -> int:
    """Length as Telegram and Discord count it: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int, markup: Markup | None = None) -> str:
    """`text`, escaped, with as much of its beginning as fits; never half of an escape."""
    escape, size = (markup.escape, markup.size) if markup else (str, len)
    text = text[: limit + 1]  # nothing gets shorter by escaping
    if size(escape(text)) <= limit:
        return escape(text)
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(escape(text[:middle] + "…")) <= limit else (low, middle - 1)
    return escape(text[:low] + "…") if limit > 0 else ""


def body(wording: Wording, limit: int, markup: Markup) -> str:
    """Everything below the title, in lines. What does not fit is counted; facts and links keep their room."""
    links = packed([markup.link(label, url) for label, url in wording.links], limit // 4, markup)
    facts = packed(
        [cut(f"{label}: {text}", limit // 2, markup) for label, text in wording.facts],
        limit // 2 - markup.size(links),
        markup,
    )
    room = limit - markup.size(facts) - markup.size(links) - 2
    head = packed([cut(line, room, markup) for line in wording.lines], room, markup)
    return "\n".join(part for part in (head, facts, links) if part)


def packed(lines: list[str], limit: int, markup: Markup) -> str:
    """As many of the escaped lines as fit, and how many more there are."""
    for kept in range(len(lines), -1, -1):
        more = len(lines) - kept
        text = "\n".join([*lines[:kept], *([f"… and {more} more"] if more else [])])
        if markup.size(text) <= limit:
            return text
    return ""


# How it is made harmless ----------------------------------------------------------------------------------------

NOTHING = "\u200b"
"""A character without width: splits what a service would act upon, and a reader does not see it."""


def harmless(text: str) -> str:
    """Foreign words that call nobody (@everyone, @here, @name) and fill in no template ({{...}}, ${...})."""
    text = re.sub(r"@(?=[^\s\u200b])", "@" + NOTHING, text)
    return re.sub(r"(?<=[{$%])(?=[{(%])", NOTHING, text)


def plain_link(label: str, url: str) -> str:
    return f"{label}: {url}"


PLAIN = Markup(harmless, plain_link)


def field_text(text: object, limit: int) -> str:
    """Foreign words for a field of their own: one harmless line."""
    return cut(clean(str(text or ""), limit), limit, PLAIN)
