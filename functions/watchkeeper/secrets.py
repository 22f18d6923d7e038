"""Reads the secrets that channels refer to. No error says what a secret is."""

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from watchkeeper.aws import client, translate
from watchkeeper.errors import DeliveryError
from watchkeeper.redact import secrets_of

KEPT_S = 300
# The same prefixes as in the database: a channel must not name a secret that is not a channel's.
REFERENCE = re.compile(
    r"env:(?P<env>CHANNEL_[A-Z0-9_]{1,100})"
    r"|ssm:(?P<ssm>/watchkeeper/channels/[A-Za-z0-9_./-]{1,200})"
    r"|secretsmanager:(?P<secretsmanager>watchkeeper/channels/[A-Za-z0-9_/.-]{1,200})"
)
Fetch = Callable[[str], str]


def from_ssm(name: str) -> str:
    return str(client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])


def from_secrets_manager(name: str) -> str:
    return str(client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])


@dataclass
class Secrets:
    """`read(reference)`, kept for five minutes. Blocking; safe to share between threads."""

    env: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    fetchers: Mapping[str, Fetch] = field(
        default_factory=lambda: {"ssm": from_ssm, "secretsmanager": from_secrets_manager}, repr=False
    )
    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, tuple[float, str]] = field(default_factory=dict, repr=False)

    def read(self, reference: str) -> str:
        """The secret; DeliveryError if it cannot be had."""
        kept_at, secret = self._kept.get(reference, (-float("inf"), ""))
        if self.clock() - kept_at < KEPT_S:
            return secret
        secret = _checked(reference, self._fetch(reference))
        self._kept[reference] = (self.clock(), secret)
        return secret

    def forget(self, references: Iterable[str]) -> None:
        """Ask anew next time: the service refused what we knew."""
        for reference in references:
            self._kept.pop(reference, None)

    def _fetch(self, reference: str) -> str:
        found = REFERENCE.fullmatch(reference)
        if found is None:
            raise DeliveryError(
                "a secret's reference is not one of env:, ssm: or secretsmanager:", permanent=True
            )
        if name := found["env"]:
            return self.env.get(name, "")
        store = "ssm" if found["ssm"] else "secretsmanager"
        try:
            return self.fetchers[store](found[store])
        except Exception as error:  # noqa: BLE001 - boto3's own are not importable before it is needed
            raise translate(error, f"cannot read {reference}") from None


def forms(secrets: Iterable[str]) -> set[str]:
    """The secrets and their telling parts: of a webhook's address, a reply may echo the token alone."""
    found: set[str] = set()
    for secret in secrets:
        found |= {secret, *secrets_of(secret), *re.findall(r"\w{12,}", secret)}
    return found


def _checked(reference: str, secret: str) -> str:
    secret = secret.strip()
    if not secret:
        raise DeliveryError(f"{reference} is not set", permanent=True)
    if not secret.isprintable():
        raise DeliveryError(f"{reference} holds control characters", permanent=True)
    return secret
