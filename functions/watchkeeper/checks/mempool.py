"""Do transactions pile up?"""

from datetime import datetime

from pydantic import Field

from watchkeeper.model import Finding, Mempool, SampleSeverity, State, samples
from watchkeeper.protocols import ChainRules, Check, Judgement, Params, Rule, Source

METRICS = {
    "pending_transactions": "transactions",
    "queued_transactions": "transactions",
    "total_fees": "tokens",
}


class MempoolRules(ChainRules):
    mempool_backlog: Rule = Rule(severity="warning")


class MempoolParams(Params):
    mark_above: int = Field(
        default=1000, ge=0, le=10**9, description="More pending transactions than this mark the metric"
    )
    backlog_above: int = Field(
        default=10000, ge=0, le=10**9, description="More pending transactions than this are a backlog"
    )
    rules: MempoolRules = MempoolRules()


async def observe(source: Source, _params: MempoolParams) -> Mempool:
    return await source.chain.mempool()


def judge(mempool: Mempool, params: MempoolParams, _now: datetime) -> Judgement:
    backlog = _backlog(mempool, params)
    values = {
        "pending_transactions": mempool.pending,
        "queued_transactions": mempool.queued,
        "total_fees": mempool.total_fees,
    }
    mark = _mark(mempool, backlog, params)
    return Judgement((backlog,), samples(METRICS, values, {"pending_transactions": mark}))


def _backlog(mempool: Mempool, params: MempoolParams) -> Finding:
    finding = params.rules.finding
    if mempool.pending is None:
        return finding("mempool_backlog", "unknown", "the number of pending transactions is not known")
    state: State = "breach" if mempool.pending > params.backlog_above else "clear"
    return finding(
        "mempool_backlog", state, f"{mempool.pending} pending transactions, limit {params.backlog_above}"
    )


def _mark(mempool: Mempool, backlog: Finding, params: MempoolParams) -> SampleSeverity:
    if backlog.state == "breach":
        return backlog.sample_severity()
    return "warning" if mempool.pending is not None and mempool.pending > params.mark_above else "info"


CHECK = Check(
    kind="mempool",
    Params=MempoolParams,
    metrics=METRICS,
    default_interval_s=45,
    default_timeout_s=10,
    observe=observe,
    judge=judge,
)
