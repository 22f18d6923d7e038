from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchkeeper.checks.judging import NOW, finding, loudness, marks, states, values
from watchkeeper.checks.mempool import MempoolParams, judge
from watchkeeper.model import Mempool


@pytest.mark.parametrize(
    ("pending", "state", "mark"),
    [
        (0, "clear", None),
        (1000, "clear", None),
        (1001, "clear", "warning"),
        (10000, "clear", "warning"),
        (10001, "breach", "warning"),
    ],
)
def test_a_filling_mempool_is_marked_and_a_backlog_alerts(pending: int, state: str, mark: str | None) -> None:
    judgement = judge(Mempool(pending=pending), MempoolParams(), NOW)
    assert states(judgement) == {"mempool_backlog": state}
    assert marks(judgement).get("pending_transactions") == mark


def test_fees_are_exact() -> None:
    judgement = judge(
        Mempool(pending=2, queued=1, total_fees=Decimal("0.000000010000000001")), MempoolParams(), NOW
    )
    assert values(judgement) == {
        "pending_transactions": "2", "queued_transactions": "1", "total_fees": "1.0000000001E-8",
    }  # fmt: skip


def test_an_unknown_mempool_is_not_an_empty_one() -> None:
    judgement = judge(Mempool(pending=None), MempoolParams(), NOW)
    assert states(judgement) == {"mempool_backlog": "unknown"}
    assert judgement.samples == ()


counts = st.integers(0, 10**6)


@given(counts, counts, counts)
def test_severity_never_falls_when_the_backlog_grows(one: int, other: int, limit: int) -> None:
    params = MempoolParams(backlog_above=limit)
    quiet, loud = (
        loudness(finding(judge(Mempool(pending=pending), params, NOW), "mempool_backlog"))
        for pending in sorted([one, other])
    )
    assert quiet <= loud
