import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.watchkeeper.checks.judging import NOW, finding, loudness, marks, states, values
from watchkeeper.checks.uptime import UptimeParams, judge, observe
from watchkeeper.errors import Inconclusive, ObservationError, Unreachable
from watchkeeper.model import Probe
from watchkeeper.protocols import Chain, Judgement, Source

URL = "https://example.com/"
UP = Probe(url=URL, reached=True, status=200, latency_ms=12.345)


def judged(probe: Probe = UP, **params: Any) -> Judgement:
    return judge(probe, UptimeParams(**params), NOW)


def ending_in(days: float) -> Probe:
    return UP.model_copy(update={"tls_not_after": NOW + timedelta(days=days)})


def test_a_service_that_answers_is_up() -> None:
    judgement = judged(ending_in(90))
    assert set(states(judgement).values()) == {"clear"}
    assert judgement.problem is None
    assert values(judgement) == {"response_time": "12.345", "tls_days_left": "90.0", "status_code": "200"}


@pytest.mark.parametrize(
    ("status", "expected", "up"),
    [
        (200, ["200-399"], True),
        (399, ["200-399"], True),
        (400, ["200-399"], False),
        (199, ["200-399"], False),
        (503, ["200-399"], False),
        (404, [404], True),
        (200, [404], False),
        (204, ["200", "204"], True),
        (301, [200, "300-399"], True),
    ],
)
def test_the_status_decides(status: int, expected: list[int | str], up: bool) -> None:
    judgement = judged(UP.model_copy(update={"status": status}), expected_status=expected)
    assert (judgement.problem is None) == up
    assert states(judgement)["service_down"] == ("clear" if up else "breach")
    assert marks(judgement) == ({} if up else {"status_code": "critical"})


@pytest.mark.parametrize("expected", [[], ["ok"], [99], ["200-"], [True], ["20-30"], "200"])
def test_a_wrong_list_of_statuses_is_refused(expected: object) -> None:
    with pytest.raises(ValidationError):
        UptimeParams.model_validate({"expected_status": expected})


def test_a_service_that_is_not_reached_is_down_and_the_rest_unknown() -> None:
    judgement = judged(Probe(url=URL, reached=False, error="refused the connection"))
    assert states(judgement) == {
        "service_down": "breach",
        "slow_response": "unknown",
        "tls_expiring": "unknown",
    }
    assert judgement.problem == "refused the connection"
    assert judgement.samples == ()


def test_the_body_must_hold_what_is_asked_for() -> None:
    probe = UP.model_copy(update={"body": '{"status": "ok"}'})
    assert judged(probe, body_contains='"ok"').problem is None
    assert judged(probe, body_contains="fine").problem == "the body does not contain 'fine'"


@pytest.mark.parametrize(("limit", "state"), [(None, "clear"), (12.345, "clear"), (12, "breach")])
def test_slow_is_beyond_the_limit_and_still_up(limit: float | None, state: str) -> None:
    judgement = judged(max_latency_ms=limit)
    assert states(judgement)["slow_response"] == state
    assert judgement.problem is None


@pytest.mark.parametrize(
    ("days", "severity"),
    [(15, None), (13.9, "warning"), (3.1, "warning"), (2.9, "critical"), (-1, "critical")],
)
def test_a_certificate_near_its_end_warns_and_then_is_critical(days: float, severity: str | None) -> None:
    judgement = judged(ending_in(days))
    expiring = finding(judgement, "tls_expiring")
    assert (expiring.severity if expiring.state == "breach" else None) == severity
    assert marks(judgement).get("tls_days_left") == severity


@given(*[st.floats(-100, 1000)] * 2, *[st.floats(0, 365)] * 2)
def test_severity_never_falls_when_the_end_comes_nearer(
    one: float, other: float, warn: float, critical: float
) -> None:
    quiet, loud = (
        loudness(
            finding(judged(ending_in(days), tls_warn_days=warn, tls_critical_days=critical), "tls_expiring")
        )
        for days in sorted([one, other], reverse=True)
    )
    assert quiet <= loud


class Recorder:
    """A prober that remembers what it was asked, and answers or fails as told."""

    def __init__(self, failure: ObservationError | None = None) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.failure = failure

    async def probe(self, url: str, method: str = "GET", body_bytes: int = 0) -> Probe:
        self.asked.append((url, method, body_bytes))
        if self.failure:
            raise self.failure
        return UP


def observed(prober: Recorder, endpoint: str | None = URL, **params: Any) -> Probe:
    return asyncio.run(observe(Source(Chain(), prober, endpoint), UptimeParams(**params)))


def test_it_probes_the_endpoint_unless_told_another_url() -> None:
    prober = Recorder()
    observed(prober, method="HEAD")
    observed(prober, url="tcp://db:5432")
    observed(prober, method="HEAD", body_contains="ok")
    assert prober.asked == [(URL, "HEAD", 0), ("tcp://db:5432", "GET", 0), (URL, "GET", 65536)]


def test_with_nothing_to_probe_it_could_not_tell() -> None:
    with pytest.raises(Inconclusive, match="nothing to probe"):
        observed(Recorder(), endpoint=None)


def test_a_fact_about_the_service_is_an_observation_and_our_failure_is_not() -> None:
    assert observed(Recorder(Unreachable("reset"))) == Probe(url=URL, reached=False, error="reset")
    with pytest.raises(Inconclusive):
        observed(Recorder(Inconclusive("DNS")))


@pytest.mark.parametrize("url", ["ftp://x", "example.com", "javascript:alert(1)", ""])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        UptimeParams(url=url)
