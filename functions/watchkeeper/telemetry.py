"""What the functions tell of themselves: log lines without secrets and of a limited length, and metrics."""

import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from watchkeeper.redact import HIDDEN, scrub

Handler = Callable[[dict[str, Any], Any], Any]

# What alarms and the dashboard look at. CloudWatch bills each name beyond ten, so the other counts are only written
# beside them, where Logs Insights finds them.
METRICS = {
    "Ticks": "Count",
    "ChecksClaimed": "Count",
    "ResultsRecorded": "Count",
    "ResultsSpooled": "Count",
    "StoreUnreachable": "Count",
    "DeliveriesSent": "Count",
    "DeliveriesRetry": "Count",
    "DeliveriesDead": "Count",
    "RecordMs": "Milliseconds",
}
TEXT_CHARS = 2000
ITEMS = 50
DEPTH = 6
# Keys of Supabase, tokens, and what stands before the @ of an address.
SECRET_LIKE = re.compile(
    r"sb_secret_[\w-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=://)[^/\s@\"]+(?=@)|(?<=[Bb]earer )[\w.~+/=-]+"
)

_secrets: set[str] = set()


def hide(secret: str) -> str:
    """From now on no log line shows it. Returns it."""
    _secrets.add(secret)
    return secret


def hiding(read: Callable[[], str] | None) -> Callable[[], str] | None:
    """As `read`, but no log line shows what it returns."""
    return read and (lambda: hide(read()))


def without_secrets(text: str) -> str:
    """Without those that are hidden, and whatever looks like one."""
    return SECRET_LIKE.sub(HIDDEN, scrub(text, _secrets))


class Formatter(LambdaPowertoolsFormatter):
    """JSON lines that show no secret and not all of what is long."""

    def serialize(self, log: Any) -> str:
        return without_secrets(super().serialize(cut(log)))


def cut(value: Any, depth: int = DEPTH) -> Any:
    """The value, with long texts and lists shortened."""
    if isinstance(value, str):
        return value if len(value) <= TEXT_CHARS else f"{value[:TEXT_CHARS]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: cut(each, depth - 1) for key, each in value.items()} if depth else "…"
    if isinstance(value, (list, tuple)):
        rest = [f"… ({len(value)} in all)"] if len(value) > ITEMS else []
        return [cut(each, depth - 1) for each in value[:ITEMS]] + rest if depth else "…"
    return value


def logger(service: str) -> Logger:
    """The log of one entry point."""
    return Logger(service=service, logger_formatter=Formatter())


def correlation(bodies: Iterable[str]) -> str | None:
    """Which ticks, or recordings, the messages of a batch come from."""
    found = set()
    for body in bodies:
        try:
            message = json.loads(body)
        except ValueError:
            continue
        if isinstance(message, dict) and isinstance(message.get("correlation_id"), str):
            found.update(message["correlation_id"][:TEXT_CHARS].split(","))
    return ",".join(sorted(found)[:ITEMS]) or None


class Meter:
    """Counts of one invocation, printed as one line in CloudWatch's embedded metric format.

    Not by Powertools: its metrics carry the service as a dimension, which makes one billed metric of each per service.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._counts: Counter[str] = Counter()

    def add(self, name: str, value: float = 1) -> None:
        self._counts[name] += value  # type: ignore[assignment]  # milliseconds need not be whole

    def told(self, handler: Handler) -> Handler:
        """Around an entry point: how long it took, and what it counted, however it ended."""

        @wraps(handler)
        def wrapped(event: dict[str, Any], context: Any) -> Any:
            self._counts.clear()
            started = time.monotonic()
            try:
                return handler(event, context)
            finally:
                self.add("DurationMs", round(1000 * (time.monotonic() - started), 1))
                print(self.line(getattr(context, "aws_request_id", None)))

        return wrapped

    def line(self, request_id: str | None = None) -> str:
        metrics = [{"Name": n, "Unit": unit} for n, unit in METRICS.items() if n in self._counts]
        namespace = os.environ.get("METRICS_NAMESPACE", "Watchkeeper")
        directive = [{"Namespace": namespace, "Dimensions": [[]], "Metrics": metrics}] if metrics else []
        head = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": directive}
        names = {"service": self._service, "function_request_id": request_id}
        return json.dumps({"_aws": head, **names, **self._counts})
