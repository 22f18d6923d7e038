"""Does the chain grow, at its pace, and does the node follow it?"""

from datetime import datetime

from pydantic import Field

from watchkeeper.errors import Inconclusive
from watchkeeper.model import Finding, Head, Sample, SampleSeverity, samples
from watchkeeper.protocols import ChainRules, Check, Judgement, Params, Rule, Source

METRICS = {
    "height": "blocks",
    "total_blocks": "blocks",
    "block_age": "s",
    "avg_block_time": "s",
    "sync_lag": "blocks",
}


class BlockchainRules(ChainRules):
    no_blocks: Rule = Rule(severity="critical")
    chain_stalled: Rule = Rule(severity="warning")
    node_syncing: Rule = Rule(severity="warning")


class BlockchainParams(Params):
    block_time_s: float = Field(
        default=10, ge=0.05, le=86400, description="Target time between blocks, in seconds"
    )
    block_time_tolerance_percent: float = Field(
        default=20, ge=0, le=1000, description="How far the average may be off the target before it is marked"
    )
    stalled_after_blocks: float = Field(
        default=6,
        ge=1,
        le=10000,
        description="Stalled when the newest block is older than so many block times",
    )
    stalled_min_s: float = Field(
        default=30, ge=0, le=86400, description="Never called stalled before so many seconds, on fast chains"
    )
    stalled_critical_blocks: float | None = Field(
        default=30, ge=1, le=100000, description="Critical after so many block times; null for never"
    )
    future_tolerance_s: float = Field(
        default=60,
        ge=0,
        le=86400,
        description="A block further ahead of the clock, in seconds, is not believed",
    )
    rules: BlockchainRules = BlockchainRules()

    def paced_block_s(self) -> float:
        """The block time that the stall limits count in: stretched until the first keeps `stalled_min_s`."""
        return max(self.block_time_s, self.stalled_min_s / self.stalled_after_blocks)


async def observe(source: Source, _params: BlockchainParams) -> Head:
    return await source.chain.head()


def judge(head: Head, params: BlockchainParams, now: datetime) -> Judgement:
    age_s = block_age_s(head, params, now)
    stalled = _stalled(head, age_s, params)
    return Judgement(
        findings=(_no_blocks(head, params), stalled, _syncing(head, params)),
        samples=_samples(head, age_s, stalled, params),
    )


def block_age_s(head: Head, params: BlockchainParams, now: datetime) -> float | None:
    """Age of the newest block by the clock of whoever read it, in seconds."""
    if head.block_at is None:
        return None
    age_s = ((head.observed_at or now) - head.block_at).total_seconds()
    if age_s < -params.future_tolerance_s:
        raise Inconclusive(f"the newest block is {-age_s:.0f} s ahead of the clock")
    return max(0.0, age_s)


def _no_blocks(head: Head, params: BlockchainParams) -> Finding:
    finding = params.rules.finding
    if head.total_blocks is None:
        return finding("no_blocks", "unknown", "the number of blocks is not known")
    if head.total_blocks == 0:
        return finding("no_blocks", "breach", "the chain has no blocks at all")
    return finding("no_blocks", "clear", f"the chain has {head.total_blocks} blocks")


def _stalled(head: Head, age_s: float | None, params: BlockchainParams) -> Finding:
    finding = params.rules.finding
    if age_s is None:
        return finding("chain_stalled", "unknown", "the time of the newest block is not known")
    limit_s = params.stalled_after_blocks * params.paced_block_s()
    message = f"the newest block ({_height(head)}) is {age_s:.0f} s old, limit {limit_s:g} s"
    if age_s <= limit_s:
        return finding("chain_stalled", "clear", message)
    critical = params.stalled_critical_blocks
    if critical is not None and age_s > critical * params.paced_block_s():
        return finding("chain_stalled", "breach", message, at_least="critical")
    return finding("chain_stalled", "breach", message)


def _syncing(head: Head, params: BlockchainParams) -> Finding:
    finding = params.rules.finding
    if head.syncing is None:
        return finding("node_syncing", "unknown", "the node does not say whether it is in sync")
    if not head.syncing:
        return finding("node_syncing", "clear", "the node is in sync")
    lag = "" if head.sync_lag_blocks is None else f", {head.sync_lag_blocks} blocks behind"
    return finding("node_syncing", "breach", f"the node is catching up{lag}")


def _samples(
    head: Head, age_s: float | None, stalled: Finding, params: BlockchainParams
) -> tuple[Sample, ...]:
    pace = head.avg_block_time_s
    values = {
        "height": head.height,
        "total_blocks": head.total_blocks,
        "block_age": None if age_s is None else round(age_s, 3),
        "avg_block_time": None if pace is None else round(pace, 3),
        "sync_lag": head.sync_lag_blocks,
    }
    off_pace: SampleSeverity = "info" if pace is None or _on_pace(float(pace), params) else "warning"
    return samples(METRICS, values, {"block_age": stalled.sample_severity(), "avg_block_time": off_pace})


def _on_pace(pace_s: float, params: BlockchainParams) -> bool:
    tolerance_s = params.block_time_s * params.block_time_tolerance_percent / 100
    return abs(pace_s - params.block_time_s) <= tolerance_s


def _height(head: Head) -> str:
    return "height unknown" if head.height is None else str(head.height)


CHECK = Check(
    kind="blockchain",
    Params=BlockchainParams,
    metrics=METRICS,
    default_interval_s=60,
    default_timeout_s=10,
    observe=observe,
    judge=judge,
)
