"""One run of one check: look, judge, put into a result. Whatever goes wrong costs that run only."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import ValidationError

from watchkeeper.chains import CHAINS
from watchkeeper.chains.networks import NETWORKS
from watchkeeper.checks import CHECKS
from watchkeeper.clock import utc_now
from watchkeeper.errors import Inconclusive, ObservationError, Unreachable
from watchkeeper.http import MAX_BYTES, Door
from watchkeeper.model import (
    SEVERITIES,
    CheckResult,
    Finding,
    Model,
    Outcome,
    Probe,
    Sample,
    Task,
    UptimeReading,
)
from watchkeeper.protocols import UNREACHABLE, Chain, Check, Judgement, Net, Params, Read, Source
from watchkeeper.redact import redact, scrub, secrets_of
from watchkeeper.settings import PrivateTargets

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
M = TypeVar("M", bound=Model)

GRACE_S = 1.0
"""How long after its own deadline a run may take to say so itself, before it is cut off."""


@dataclass(frozen=True)
class Access:
    """How runs get at targets: `read` asks the database for chain tables, the rest is the door to the net."""

    read: Read
    private_targets: PrivateTargets = "none"
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True)
class Verdict:
    """The part of a result that does not depend on when it ran."""

    outcome: Outcome
    reason: str | None
    findings: tuple[Finding, ...] = ()
    samples: tuple[Sample, ...] = ()
    uptime: UptimeReading | None = None
    blind_threshold: int = 3


async def run_all(tasks: Iterable[Task], access: Access, clock: Clock = utc_now) -> list[CheckResult]:
    """All at once; the results in the order of the tasks. Never raises for a task."""
    return await asyncio.gather(*(run_check(task, access, clock) for task in tasks))


async def run_check(task: Task, access: Access, clock: Clock = utc_now) -> CheckResult:
    """One finished run. Never raises: what went wrong is its outcome and reason."""
    started_at, started = clock(), time.monotonic()
    verdict = await _verdict(task, access, clock)
    return CheckResult(
        check_id=task.check_id,
        due_at=task.due_at,
        region=task.region,
        started_at=started_at,
        finished_at=started_at + timedelta(seconds=time.monotonic() - started),
        **vars(verdict),
    )


async def _verdict(task: Task, access: Access, clock: Clock) -> Verdict:
    check = CHECKS.get(task.kind)
    if check is None:
        return Verdict("unknown", f"kind: this version has no check {task.kind!r}")
    params: Params = check.Params()
    try:
        params = _validated("params", check.Params, {**_preset(task, "params", task.kind), **task.params})
        observation = await _observe(check, params, task, access)
        return _judged(task, params, observation, check.judge(observation, params, clock()))
    except Unreachable as error:
        return _failed(task, params, "fail", error.reason)
    except ObservationError as error:
        return _failed(task, params, "unknown", error.reason)
    except Exception as error:
        log.exception("check %s (%s of %s) broke", task.check_id, task.kind, task.target)
        return _failed(task, params, "unknown", f"internal error: {type(error).__name__}")


async def _observe(check: Check[Any, Any], params: Params, task: Task, access: Access) -> Model:
    try:
        async with (
            asyncio.timeout(task.timeout_s + GRACE_S),
            Door(task.timeout_s, access.private_targets, access.max_bytes) as door,
        ):
            observation: Model = await check.observe(
                Source(_chain(task, door, access.read), door, task.endpoint), params
            )
            return observation
    except TimeoutError:
        raise Inconclusive(f"not finished within {task.timeout_s:g} s") from None


def _chain(task: Task, net: Net, read: Read) -> Chain:
    if task.chain is None:
        return Chain()
    family = CHAINS.get(task.chain)
    if family is None:
        raise Inconclusive(f"chain: this version has no family {task.chain!r}")
    settings = _validated("settings", family.Settings, {**_preset(task, "settings"), **task.settings})
    return family.open(task.endpoint, settings, net, read)


def _preset(task: Task, *path: str) -> dict[str, Any]:
    """What is known about the target's network, for a place in a target's description."""
    preset = NETWORKS.get(task.network or "", {})
    if preset.get("chain") != task.chain:
        return {}
    for name in path:
        preset = preset.get(name, {})
    return preset


def _validated(place: str, model: type[M], given: dict[str, Any]) -> M:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join([place, *map(str, first["loc"])])
        raise Inconclusive(f"{name}: {first['msg']}") from error


def _judged(task: Task, params: Params, observation: Model, judgement: Judgement) -> Verdict:
    alert_types = _alert_types(task, params)
    judged = tuple(finding for finding in judgement.findings if finding.alert_type in alert_types)
    answered: tuple[Finding, ...] = ()
    if UNREACHABLE in alert_types:
        answered = (params.rules.finding(UNREACHABLE, "clear", "the endpoint answers"),)
    outcome, reason = _outcome(judged)
    return Verdict(
        outcome,
        reason,
        findings=answered + judged,
        samples=judgement.samples,
        uptime=_uptime(task, observation, judgement) if isinstance(observation, Probe) else None,
        blind_threshold=params.blind_threshold,
    )


def _outcome(findings: tuple[Finding, ...]) -> tuple[Outcome, str | None]:
    breaches = [finding for finding in findings if finding.state == "breach"]
    if breaches:
        return "fail", max(breaches, key=lambda finding: SEVERITIES.index(finding.severity)).message
    if findings and all(finding.state == "unknown" for finding in findings):
        return "unknown", findings[0].message
    return "ok", None


def _failed(task: Task, params: Params, outcome: Outcome, reason: str) -> Verdict:
    """Nothing was observed, so every rule is unknown, except that an endpoint which fails is unreachable."""
    reason = scrub(reason, _secrets(task))
    findings = tuple(
        params.rules.finding(
            name, "breach" if outcome == "fail" and name == UNREACHABLE else "unknown", reason
        )
        for name in _alert_types(task, params)
    )
    return Verdict(outcome, reason, findings, blind_threshold=params.blind_threshold)


def _alert_types(task: Task, params: Params) -> list[str]:
    family = CHAINS.get(task.chain or "")
    has_endpoint = family is None or family.needs_endpoint
    return [name for name in params.rules.enabled() if has_endpoint or name != UNREACHABLE]


def _uptime(task: Task, probe: Probe, judgement: Judgement) -> UptimeReading:
    return UptimeReading(
        service_name=task.target,
        endpoint=redact(probe.url),
        status_code=probe.status,
        response_time_ms=probe.latency_ms,
        is_up=judgement.problem is None,
        error_message=judgement.problem,
    )


def _secrets(task: Task) -> set[str]:
    """What a stranger's error message might echo."""
    headers = task.settings.get("headers")
    values = {str(value) for value in headers.values()} if isinstance(headers, dict) else set()
    return values.union(*(secrets_of(str(url)) for url in (task.endpoint, task.params.get("url")) if url))
