"""What a function is told by its environment."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, Literal, cast

from watchkeeper.errors import SettingsError
from watchkeeper.model import KINDS

PrivateTargets = Literal["none", "loopback", "all"]
SmtpSecurity = Literal["starttls", "tls", "none"]
REGION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True)
class Settings:
    """`private_targets`: which private addresses a target may have. `newer_key` reads a secret key that may have been
    rotated; None: it came from the environment, which does not change.
    """

    supabase_url: str
    supabase_secret_key: str = field(repr=False)
    private_targets: PrivateTargets = "none"
    queue_urls: Mapping[str, str] = field(default_factory=dict)
    newer_key: Callable[[], str] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_env(
        cls, env: Mapping[str, str] | None = None, fetch: Callable[[str], str] | None = None
    ) -> "Settings":
        """`fetch(name)` reads a secret parameter; the default asks AWS Systems Manager."""
        env = os.environ if env is None else env
        fetch = fetch or ssm_parameter
        return cls(
            supabase_url=_url(env, "SUPABASE_URL"),
            supabase_secret_key=_secret_key(env, fetch),
            newer_key=partial(fetch, parameter) if (parameter := _key_parameter(env)) else None,
            private_targets=_private_targets(env),
            queue_urls={kind: url for kind in KINDS if (url := env.get(_queue_setting(kind), "").strip())},
        )

    def queue_url(self, kind: str) -> str:
        """The queue of a check kind."""
        if kind not in self.queue_urls:
            raise SettingsError(_queue_setting(kind), "is not set")
        return self.queue_urls[kind]


@dataclass(frozen=True)
class DeliverySettings:
    """What the operator decides about messages. `dashboard_url`, `runbook_url`: what links start with."""

    dashboard_url: str | None = None
    runbook_url: str | None = None
    email_from: str | None = None
    email_transport: Literal["ses", "smtp"] = "ses"
    smtp_host: str = "localhost"
    smtp_port: int = 587
    smtp_security: SmtpSecurity = "starttls"
    notify_queue_url: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "DeliverySettings":
        env = os.environ if env is None else env
        return cls(
            dashboard_url=_optional_url(env, "DASHBOARD_URL"),
            runbook_url=_runbook_url(env),
            email_from=env.get("EMAIL_FROM", "").strip() or None,
            email_transport=cast("Any", _choice(env, "EMAIL_TRANSPORT", ("ses", "smtp"))),
            smtp_host=env.get("SMTP_HOST", "").strip() or "localhost",
            smtp_port=_whole_number(env, "SMTP_PORT", 587, 1, 65_535),
            smtp_security=cast("Any", _choice(env, "SMTP_SECURITY", ("starttls", "tls", "none"))),
            notify_queue_url=_optional_url(env, "NOTIFY_QUEUE_URL"),
        )


@dataclass(frozen=True)
class SpoolSettings:
    """Where results wait that cannot be recorded, and where those end that never will be."""

    queue_url: str | None = None
    dead_queue_url: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "SpoolSettings":
        env = os.environ if env is None else env
        return cls(
            queue_url=_optional_url(env, "SPOOL_QUEUE_URL"),
            dead_queue_url=_optional_url(env, "DEAD_RESULTS_QUEUE_URL"),
        )


def outside_heartbeat_url(env: Mapping[str, str] | None = None) -> str | None:
    """What is pinged after each good tick."""
    return _optional_url(os.environ if env is None else env, "OUTSIDE_HEARTBEAT_URL")


@dataclass(frozen=True)
class ReportSettings:
    """Where reports are kept, and how long a link to one works."""

    bucket: str
    link_expires_s: int = 21_600

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "ReportSettings":
        env = os.environ if env is None else env
        return cls(
            bucket=_required(env, "REPORTS_BUCKET"),
            # S3 signs for a week at most.
            link_expires_s=_whole_number(env, "LINK_EXPIRES_S", cls.link_expires_s, 60, 7 * 86_400),
        )


@dataclass(frozen=True)
class BooksSettings:
    """Where the heads of the audit log are kept, and how they are locked."""

    heads_bucket: str
    lock_mode: Literal["GOVERNANCE", "COMPLIANCE", "NONE"] = "GOVERNANCE"
    lock_days: int = 400

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "BooksSettings":
        env = os.environ if env is None else env
        return cls(
            heads_bucket=_required(env, "AUDIT_HEADS_BUCKET"),
            lock_mode=cast("Any", _choice(env, "AUDIT_LOCK_MODE", ("GOVERNANCE", "COMPLIANCE", "NONE"))),
            lock_days=_whole_number(env, "AUDIT_LOCK_DAYS", cls.lock_days, 1, 36_500),
        )


def region_name(env: Mapping[str, str] | None = None) -> str | None:
    """Where this stack is, by the name that a target's `regions` uses: what it is told, else where AWS runs it."""
    env = os.environ if env is None else env
    name = env.get("REGION_NAME", "").strip() or env.get("AWS_REGION", "").strip()
    if name and not REGION_NAME.fullmatch(name):
        raise SettingsError("REGION_NAME", "must be up to 40 letters, digits, dots, dashes and underscores")
    return name or None


def ssm_parameter(name: str) -> str:
    # boto3 costs 160 ms of a cold start, so only who needs it pays.
    boto3: Any = import_module("boto3")
    config: Any = import_module("botocore.config").Config
    exceptions: Any = import_module("botocore.exceptions")
    limits = config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 3})
    try:
        reply = boto3.client("ssm", config=limits).get_parameter(Name=name, WithDecryption=True)
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        raise SettingsError("SUPABASE_SECRET_KEY_PARAMETER", f"cannot read {name}: {error}") from error
    return str(reply["Parameter"]["Value"])


def _key_parameter(env: Mapping[str, str]) -> str:
    """Where the key is kept, unless the environment holds it."""
    name = env.get("SUPABASE_SECRET_KEY_PARAMETER", "").strip()
    return "" if env.get("SUPABASE_SECRET_KEY", "").strip() else name


def _secret_key(env: Mapping[str, str], fetch: Callable[[str], str]) -> str:
    if key := env.get("SUPABASE_SECRET_KEY", "").strip():
        return key
    if name := _key_parameter(env):
        return fetch(name)
    raise SettingsError("SUPABASE_SECRET_KEY", "set it, or SUPABASE_SECRET_KEY_PARAMETER")


def _url(env: Mapping[str, str], name: str) -> str:
    url = env.get(name, "").strip().rstrip("/")
    if not url:
        raise SettingsError(name, "is not set")
    if not url.startswith(("http://", "https://")):
        raise SettingsError(name, "must start with http:// or https://")
    return url


def _private_targets(env: Mapping[str, str]) -> PrivateTargets:
    value = env.get("PRIVATE_TARGETS", "").strip() or "none"
    if value not in ("none", "loopback", "all"):
        raise SettingsError("PRIVATE_TARGETS", "must be none, loopback or all")
    return cast("PrivateTargets", value)


def _queue_setting(kind: str) -> str:
    return f"{kind.upper()}_QUEUE_URL"


def _optional_url(env: Mapping[str, str], name: str) -> str | None:
    return _url(env, name) if env.get(name, "").strip() else None


def _runbook_url(env: Mapping[str, str]) -> str | None:
    """What an alert type can be put behind: a folder, or a page with one section per type."""
    _optional_url(env, "RUNBOOK_URL")
    url = env.get("RUNBOOK_URL", "").strip()
    return (url if url.endswith(("/", "#", "=")) else f"{url}/") if url else None


def _choice(env: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = env.get(name, "").strip() or choices[0]
    if value not in choices:
        raise SettingsError(name, f"must be one of {', '.join(choices)}")
    return value


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip()
    if not value:
        raise SettingsError(name, "is not set")
    return value


def _whole_number(env: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    text = env.get(name, "").strip() or str(default)
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise SettingsError(name, f"must be a whole number from {lowest} to {highest}")
    return int(text)
