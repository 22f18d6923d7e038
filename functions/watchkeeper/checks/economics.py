"""Do the balances add up? Sums are exact decimals from end to end."""

from datetime import datetime

from watchkeeper.model import Economy, Finding, samples
from watchkeeper.protocols import ChainRules, Check, Judgement, Params, Rule, Source

METRICS = {
    "supply": "tokens",
    "locked": "tokens",
    "earned": "tokens",
    "spent": "tokens",
    "accounts": "accounts",
    "active_accounts": "accounts",
    "negative_accounts": "accounts",
}


class EconomicsRules(ChainRules):
    negative_balances: Rule = Rule(severity="critical")


class EconomicsParams(Params):
    rules: EconomicsRules = EconomicsRules()


async def observe(source: Source, _params: EconomicsParams) -> Economy:
    return await source.chain.economy()


def judge(economy: Economy, params: EconomicsParams, _now: datetime) -> Judgement:
    negative = _negative_balances(economy, params)
    values = {name: getattr(economy, name) for name in METRICS}
    return Judgement((negative,), samples(METRICS, values, {"negative_accounts": negative.sample_severity()}))


def _negative_balances(economy: Economy, params: EconomicsParams) -> Finding:
    finding = params.rules.finding
    count = economy.negative_accounts
    if count is None:
        return finding("negative_balances", "unknown", "the number of negative balances is not known")
    return finding("negative_balances", "breach" if count else "clear", f"{count} accounts below zero")


CHECK = Check(
    kind="economics",
    Params=EconomicsParams,
    metrics=METRICS,
    default_interval_s=300,
    default_timeout_s=15,
    observe=observe,
    judge=judge,
)
