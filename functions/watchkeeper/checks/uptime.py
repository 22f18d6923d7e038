"""Is a service up: does it answer, as expected, in time, with a certificate that will last?"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from watchkeeper.errors import Inconclusive, Unreachable
from watchkeeper.model import Finding, Probe, SampleSeverity, State, samples
from watchkeeper.protocols import Check, Judgement, Params, Rule, Rules, Source

METRICS = {"response_time": "ms", "tls_days_left": "days", "status_code": None}
BODY_BYTES = 65536

Status = Annotated[int, Field(ge=100, le=599)]
StatusRange = Annotated[str, Field(pattern="^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$")]


class UptimeRules(Rules):
    service_down: Rule = Rule(severity="critical", failure_threshold=2)
    slow_response: Rule = Rule(severity="warning")
    tls_expiring: Rule = Rule(severity="warning")


class UptimeParams(Params):
    url: str | None = Field(
        default=None,
        max_length=2000,
        pattern="^(https?|tcp)://",
        description="What to probe instead of the target's endpoint: http(s)://... or tcp://host:port",
    )
    method: Literal["GET", "HEAD"] = Field(default="GET", description="HTTP method; a body is sought by GET")
    expected_status: list[Status | StatusRange] = Field(
        default=["200-399"],
        min_length=1,
        max_length=20,
        description='HTTP statuses that mean up: 200, "200-399"',
    )
    body_contains: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Text that the first 64 KiB of the body must hold",
    )
    max_latency_ms: float | None = Field(
        default=None, gt=0, le=60000, description="A slower answer, in milliseconds, is a slow response"
    )
    tls_warn_days: float = Field(
        default=14, ge=0, le=3650, description="Warn when the certificate ends within so many days"
    )
    tls_critical_days: float = Field(
        default=3, ge=0, le=3650, description="Critical when the certificate ends within so many days"
    )
    rules: UptimeRules = UptimeRules()

    def expects(self, status: int) -> bool:
        return any(_covers(expected, status) for expected in self.expected_status)


async def observe(source: Source, params: UptimeParams) -> Probe:
    url = params.url or source.endpoint
    if url is None:
        raise Inconclusive("there is nothing to probe: neither params.url nor an endpoint is set")
    method, body_bytes = ("GET", BODY_BYTES) if params.body_contains else (params.method, 0)
    try:
        return await source.prober.probe(url, method, body_bytes)
    except Unreachable as error:
        return Probe(url=url, reached=False, error=error.reason)


def judge(probe: Probe, params: UptimeParams, now: datetime) -> Judgement:
    problem = _problem(probe, params)
    down = params.rules.finding(
        "service_down", "breach" if problem else "clear", problem or "the service is up"
    )
    slow = _slow(probe, params)
    tls_days = None if probe.tls_not_after is None else (probe.tls_not_after - now).total_seconds() / 86400
    expiring = _tls_expiring(probe, tls_days, params)
    values = {
        "response_time": probe.latency_ms,
        "tls_days_left": None if tls_days is None else round(tls_days, 2),
        "status_code": probe.status,
    }
    marks: dict[str, SampleSeverity] = {
        "response_time": slow.sample_severity(),
        "tls_days_left": expiring.sample_severity(),
        "status_code": down.sample_severity(),
    }
    return Judgement((down, slow, expiring), samples(METRICS, values, marks), problem=problem)


def _problem(probe: Probe, params: UptimeParams) -> str | None:
    if not probe.reached:
        return probe.error or "not reached"
    if probe.status is not None and not params.expects(probe.status):
        return f"HTTP {probe.status}, expected {', '.join(map(str, params.expected_status))}"
    if params.body_contains and params.body_contains not in probe.body:
        return f"the body does not contain {params.body_contains!r}"
    return None


def _slow(probe: Probe, params: UptimeParams) -> Finding:
    finding = params.rules.finding
    if probe.latency_ms is None:
        return finding("slow_response", "unknown", "there was no answer to time")
    if params.max_latency_ms is None:
        return finding("slow_response", "clear", f"answered in {probe.latency_ms:.0f} ms, no limit set")
    state: State = "breach" if probe.latency_ms > params.max_latency_ms else "clear"
    return finding(
        "slow_response", state, f"answered in {probe.latency_ms:.0f} ms, limit {params.max_latency_ms:g} ms"
    )


def _tls_expiring(probe: Probe, days: float | None, params: UptimeParams) -> Finding:
    finding = params.rules.finding
    if not probe.reached:
        return finding("tls_expiring", "unknown", "the certificate was not seen")
    if days is None:
        return finding("tls_expiring", "clear", "the endpoint has no certificate")
    message = f"the certificate ends in {days:.1f} days"
    if days < params.tls_critical_days:
        return finding("tls_expiring", "breach", message, at_least="critical")
    return finding("tls_expiring", "breach" if days < params.tls_warn_days else "clear", message)


def _covers(expected: int | str, status: int) -> bool:
    first, _, last = str(expected).partition("-")
    return int(first) <= status <= int(last or first)


CHECK = Check(
    kind="uptime",
    Params=UptimeParams,
    metrics=METRICS,
    default_interval_s=60,
    default_timeout_s=10,
    observe=observe,
    judge=judge,
)
