"""The small contracts between the parts: what a check may ask, what a check and a chain family are."""

from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from json import JSONDecodeError, loads
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import Field, model_validator

from watchkeeper.errors import NotSupported
from watchkeeper.model import (
    Economy,
    Finding,
    Head,
    Keys,
    Mempool,
    Model,
    Peers,
    Probe,
    Sample,
    Severity,
    State,
    worst,
)
from watchkeeper.settings import DeliverySettings, PrivateTargets

if TYPE_CHECKING:
    # Who only checks has no messages, and is not to import what they are made of.
    from watchkeeper.messages import Message, Receipt
    from watchkeeper.text import Wording

Read = Callable[[str, dict[str, Any]], Any]
"""`read(subject, settings)`: the store's `observe_chain_tables`. May block; runs in a thread."""


class Prober(Protocol):
    async def probe(self, url: str, method: str = "GET", body_bytes: int = 0) -> Probe:
        """One request to an http(s):// or tcp:// URL; Unreachable or Inconclusive when it fails."""


class Net(Prober, Protocol):
    async def post_json(self, url: str, payload: object, headers: Mapping[str, str] | None = None) -> object:
        """The JSON value that `url` answers to a POST of `payload`."""


class Chain:
    """What a chain family can be asked. What a family does not override, it does not support."""

    async def head(self) -> Head:
        raise NotSupported("this target has no blocks to read")

    async def peers(self) -> Peers:
        raise NotSupported("this target has no peers to read")

    async def mempool(self) -> Mempool:
        raise NotSupported("this target has no mempool to read")

    async def keys(self) -> Keys:
        raise NotSupported("this target has no keys to read")

    async def economy(self) -> Economy:
        raise NotSupported("this target has no balances to read")


@dataclass(frozen=True)
class Source:
    """Where a check looks: the target's chain, or its plain endpoint through the prober."""

    chain: Chain
    prober: Prober
    endpoint: str | None


class Rule(Model):
    """When one alert type fires, and how loud."""

    enabled: bool = Field(default=True, description="Whether this rule is judged at all")
    severity: Severity = Field(default="warning", description="Severity of the alert")
    failure_threshold: int = Field(default=1, ge=1, le=1000, description="Breaches in a row before it fires")
    success_threshold: int = Field(default=1, ge=1, le=1000, description="Clears in a row before it resolves")


class Rules(Model):
    """The rules of a kind: each field is an alert type, its default the rule as shipped."""

    def finding(self, alert_type: str, state: State, message: str, at_least: Severity = "info") -> Finding:
        rule: Rule = getattr(self, alert_type)
        return Finding(
            alert_type=alert_type,
            state=state,
            severity=worst(rule.severity, at_least),
            message=message,
            failure_threshold=rule.failure_threshold,
            success_threshold=rule.success_threshold,
        )

    def enabled(self) -> list[str]:
        return [name for name in type(self).model_fields if getattr(self, name).enabled]


UNREACHABLE = "endpoint_unreachable"
THRESHOLDS = ("failure_threshold", "success_threshold")


class ChainRules(Rules):
    endpoint_unreachable: Rule = Rule(severity="critical", failure_threshold=2)


class Params(Model):
    """What every kind's parameters share. A kind narrows `rules` to its own."""

    failure_threshold: int | None = Field(
        default=None, ge=1, le=1000, description="Breaches in a row before any rule of this check fires"
    )
    success_threshold: int | None = Field(
        default=None, ge=1, le=1000, description="Clears in a row before any rule of this check resolves"
    )
    blind_threshold: int = Field(
        default=3, ge=1, le=1000, description="Runs in a row that could not tell before a blind alert opens"
    )
    rules: Rules = Rules()

    @model_validator(mode="before")
    @classmethod
    def _fill_rules(cls, given: object) -> object:
        """A rule is as shipped, then as the check's own thresholds say, then as said for that rule."""
        if not isinstance(given, dict) or not isinstance(given.get("rules", {}), dict):
            return given
        thresholds = {name: given[name] for name in THRESHOLDS if given.get(name) is not None}
        rules = dict(given.get("rules", {}))
        for name, shipped in cls._shipped_rules().items():
            if isinstance(own := rules.get(name, {}), dict):
                rules[name] = {**shipped.model_dump(), **thresholds, **own}
        return {**given, "rules": rules}

    @classmethod
    def _shipped_rules(cls) -> dict[str, Rule]:
        rules = cls.model_fields["rules"].default
        return {name: getattr(rules, name) for name in type(rules).model_fields}


@dataclass(frozen=True)
class Judgement:
    """What a check makes of an observation. `problem`: why a probed service counts as down."""

    findings: tuple[Finding, ...]
    samples: tuple[Sample, ...]
    problem: str | None = None


P = TypeVar("P", bound=Params)
O = TypeVar("O", bound=Model)  # noqa: E741


@dataclass(frozen=True)
class Check(Generic[P, O]):
    """One kind of check. `judge` is pure; it may raise Inconclusive on an observation that makes no sense."""

    kind: str
    Params: type[P]
    metrics: Mapping[str, str | None]
    """Each metric it may give, and its unit."""
    default_interval_s: int
    default_timeout_s: int
    observe: Callable[[Source, P], Awaitable[O]]
    judge: Callable[[O, P, datetime], Judgement]


@dataclass(frozen=True)
class ChainFamily:
    """How one family of chains is opened, and which kinds of check it can serve."""

    Settings: type[Model]
    kinds: tuple[str, ...]
    needs_endpoint: bool
    open: Callable[[str | None, Any, Net, Read], Chain]
    """`open(endpoint, settings, net, read)`"""


@dataclass(frozen=True)
class Reply:
    """What a service answered. `body` may be cut short; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The object in the body; empty if there is none."""
        try:
            value = loads(self.body)
        except (JSONDecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def text(self) -> str:
        return self.body.decode(errors="replace")


class Poster(Protocol):
    async def post(
        self,
        url: str,
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        ok_statuses: Container[int] = (),
        method: str = "POST",
    ) -> Reply:
        """A reply of status 2xx or one of `ok_statuses`; DeliveryError for all else."""


C = TypeVar("C", bound=Model)


@dataclass(frozen=True)
class Errand(Generic[C]):
    """One message to send, with all it takes."""

    message: "Message"
    wording: "Wording"
    config: C
    secrets: Mapping[str, str]
    poster: Poster
    settings: DeliverySettings
    private_targets: PrivateTargets = "none"


@dataclass(frozen=True)
class Notifier(Generic[C]):
    """One service that takes messages. `send` raises DeliveryError, and never tries twice by itself."""

    kind: str
    Config: type[C]
    send: Callable[[Errand[C]], Awaitable["Receipt"]]
    secrets: tuple[str, ...] = ()
    """The names of the secrets it can use."""
    required_secrets: tuple[str, ...] = ()
    merges: bool = False
    """Whether one message may tell of several alerts. Not for services that keep a state per alert."""
    takes_reports: bool = True
    """Not where every message asks somebody to act. Such a channel is passed over, and its ledger says so: a dead
    letter would itself be an alert, about a channel that works."""
