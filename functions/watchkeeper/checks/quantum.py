"""Are there valid keys, and does the key cache earn its keep?"""

from datetime import datetime
from decimal import Decimal

from pydantic import Field

from watchkeeper.model import Finding, Keys, SampleSeverity, State, samples
from watchkeeper.protocols import ChainRules, Check, Judgement, Params, Rule, Source

METRICS = {"active_keys": "keys", "total_keys": "keys", "expiring_keys": "keys", "cache_hit_rate": "percent"}


class QuantumRules(ChainRules):
    no_active_keys: Rule = Rule(severity="warning")


class QuantumParams(Params):
    min_active_keys: int = Field(
        default=1, ge=1, le=10**9, description="Fewer keys that are active and not expired are too few"
    )
    mark_hit_rate_below: float = Field(
        default=0, ge=0, le=100, description="A cache hit rate below so many percent marks the metric"
    )
    rules: QuantumRules = QuantumRules()


async def observe(source: Source, _params: QuantumParams) -> Keys:
    return await source.chain.keys()


def judge(keys: Keys, params: QuantumParams, _now: datetime) -> Judgement:
    too_few = _no_active_keys(keys, params)
    rate = hit_rate_percent(keys)
    values = {
        "active_keys": keys.active,
        "total_keys": keys.total,
        "expiring_keys": keys.expiring_7d,
        "cache_hit_rate": rate,
    }
    low: SampleSeverity = "warning" if rate is not None and rate < params.mark_hit_rate_below else "info"
    marks: dict[str, SampleSeverity] = {"active_keys": too_few.sample_severity(), "cache_hit_rate": low}
    return Judgement((too_few,), samples(METRICS, values, marks))


def hit_rate_percent(keys: Keys) -> Decimal | None:
    """Hits per lookup, 0..100. Without lookups there is no rate."""
    if keys.cache_hits is None or not keys.cache_lookups:
        return None
    return round(Decimal(keys.cache_hits * 100) / keys.cache_lookups, 3)


def _no_active_keys(keys: Keys, params: QuantumParams) -> Finding:
    finding = params.rules.finding
    if keys.active is None:
        return finding("no_active_keys", "unknown", "the number of active keys is not known")
    state: State = "breach" if keys.active < params.min_active_keys else "clear"
    return finding("no_active_keys", state, f"{keys.active} active keys, minimum {params.min_active_keys}")


CHECK = Check(
    kind="quantum",
    Params=QuantumParams,
    metrics=METRICS,
    default_interval_s=60,
    default_timeout_s=10,
    observe=observe,
    judge=judge,
)
