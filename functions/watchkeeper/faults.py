"""Errors of our own, told to Sentry when a DSN is set: what, where, and in which walk. No payloads, no secrets.

Nothing of it may harm the work: a DSN that is wrong or dead costs a failing invocation two seconds, a good one nothing.
"""

import logging
import os
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache, wraps
from importlib import import_module
from typing import Any

from aws_lambda_powertools import Logger

from watchkeeper import __version__
from watchkeeper.redact import redact, secrets_of
from watchkeeper.telemetry import TEXT_CHARS, Handler, hide, without_secrets

Json = dict[str, Any]

FLUSH_S = 2.0
TAG_CHARS = 200  # the most that Sentry takes
URL = re.compile(r"https?://[^\s'\"<>)\]}]+")
# What leaves us. Request, user, breadcrumbs, extra data, local variables and installed modules stay.
KEPT = (
    "event_id", "timestamp", "platform", "level", "logger", "exception", "logentry", "tags", "environment", "release",
    "server_name", "sdk",
)  # fmt: skip


def reporting(logger: Logger) -> Callable[[Handler], Handler]:
    """Around an entry point: an error that leaves it, or that it logs, is told once."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def wrapped(event: Json, context: Any) -> Any:
            dsn = os.environ.get("SENTRY_DSN", "").strip()
            if not dsn:
                return handler(event, context)
            for secret in secrets_of(dsn):
                hide(secret)
            reporter = Reporter(dsn, logger, getattr(context, "aws_request_id", None))
            try:
                with reporter:
                    return handler(event, context)
            finally:
                reporter.flush()

        return wrapped

    return decorate


class Reporter(logging.Handler):
    """Listens to one invocation."""

    def __init__(self, dsn: str, logger: Logger, request_id: str | None) -> None:
        super().__init__(logging.ERROR)
        self._dsn = dsn
        self._logger = logger
        self._request_id = request_id
        self._told: list[BaseException] = []
        self._listens_to = (logging.getLogger(logger.service), logging.getLogger("watchkeeper"))
        self._sent = False

    def __enter__(self) -> None:
        for log in self._listens_to:
            log.addHandler(self)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        for log in self._listens_to:
            log.removeHandler(self)
        if isinstance(error, Exception):
            self._tell(error, None)

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.exc_info[1] if record.exc_info else None, record)

    def flush(self) -> None:
        """Before the function is frozen: later there may be no later."""
        if self._sent:
            self._sent = False
            with suppress(Exception):
                client(self._dsn).flush(timeout=FLUSH_S)

    def _tell(self, error: BaseException | None, record: logging.LogRecord | None) -> None:
        if error is not None and any(error is known for known in self._told):
            return
        try:
            self._capture(error, record)
        except Exception as problem:  # noqa: BLE001 - nothing of it may harm the work
            self._logger.warning("not told to Sentry", extra={"why": f"{type(problem).__name__}: {problem}"})

    def _capture(self, error: BaseException | None, record: logging.LogRecord | None) -> None:
        if error is not None:
            self._told.append(error)
        sentry = client(self._dsn)
        event: Json = {"level": "error"}
        if error is not None:
            event, _ = import_module("sentry_sdk.utils").event_from_exception(error, sentry.options)
        if record is not None:
            event |= {"logger": record.name, "logentry": {"formatted": record.getMessage()}}
        event["tags"] = {
            "service": self._logger.service,
            "correlation_id": str(self._logger.get_correlation_id() or "")[:TAG_CHARS],
            "function_request_id": self._request_id or "",
        }
        sentry.capture_event(event)
        self._sent = True


@cache
def client(dsn: str) -> Any:
    """Made at the first error. It listens to nothing by itself, and traces nothing."""
    sentry: Any = import_module("sentry_sdk")
    return sentry.Client(
        dsn=dsn,
        environment=os.environ.get("STAGE") or None,
        release=f"watchkeeper@{__version__}",
        server_name=os.environ.get("AWS_LAMBDA_FUNCTION_NAME") or "watchkeeper",
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        send_client_reports=False,
        include_local_variables=False,
        include_source_context=False,
        max_breadcrumbs=0,
        traces_sample_rate=None,
        shutdown_timeout=0,
        before_send=without_payload,
    )


def without_payload(event: Json, _hint: object) -> Json:
    """Only what is allowed to leave, and of that no secret."""
    kept: Json = clean({name: event[name] for name in KEPT if name in event})
    return kept


def clean(value: Any) -> Any:
    """Texts without secrets, keys in addresses included, and not endless."""
    if isinstance(value, str):
        text = URL.sub(lambda found: redact(found[0]), value)
        return without_secrets(text if len(text) <= TEXT_CHARS else f"{text[:TEXT_CHARS]}…")
    if isinstance(value, dict):
        return {name: clean(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(each) for each in value]
    return value
