"""Does the node have enough peers?"""

from datetime import datetime

from pydantic import Field

from watchkeeper.model import Finding, Peers, samples
from watchkeeper.protocols import ChainRules, Check, Judgement, Params, Rule, Source

METRICS = {"active_peers": "peers", "total_peers": "peers", "avg_reputation": "points"}


class P2pRules(ChainRules):
    low_peers: Rule = Rule(severity="warning")


class P2pParams(Params):
    min_peers: int = Field(
        default=3, ge=0, le=100000, description="Fewer active peers than this is a warning"
    )
    critical_below: int = Field(
        default=1, ge=0, le=100000, description="Fewer active peers than this is critical; 0 for never"
    )
    rules: P2pRules = P2pRules()


async def observe(source: Source, _params: P2pParams) -> Peers:
    return await source.chain.peers()


def judge(peers: Peers, params: P2pParams, _now: datetime) -> Judgement:
    low = _low_peers(peers, params)
    reputation = peers.avg_reputation
    values = {
        "active_peers": peers.active,
        "total_peers": peers.total,
        "avg_reputation": None if reputation is None else round(reputation, 3),
    }
    return Judgement((low,), samples(METRICS, values, {"active_peers": low.sample_severity()}))


def _low_peers(peers: Peers, params: P2pParams) -> Finding:
    finding = params.rules.finding
    if peers.active is None:
        return finding("low_peers", "unknown", "the number of peers is not known")
    message = f"{peers.active} active peers, minimum {params.min_peers}"
    if peers.active < params.critical_below:
        return finding("low_peers", "breach", message, at_least="critical")
    return finding("low_peers", "breach" if peers.active < params.min_peers else "clear", message)


CHECK = Check(
    kind="p2p",
    Params=P2pParams,
    metrics=METRICS,
    default_interval_s=30,
    default_timeout_s=10,
    observe=observe,
    judge=judge,
)
