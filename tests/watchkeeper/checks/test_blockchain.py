from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchkeeper.checks.judging import NOW, ago, finding, loudness, marks, states, values
from watchkeeper.checks.blockchain import BlockchainParams, judge
from watchkeeper.errors import Inconclusive
from watchkeeper.model import Head
from watchkeeper.protocols import Judgement

UNKNOWN = Head(height=None, total_blocks=None, block_at=None)


def judged(age_s: float = 5, head: dict[str, Any] | None = None, **params: Any) -> Judgement:
    known = {"height": 41, "total_blocks": 42, "block_at": ago(age_s), "syncing": False}
    return judge(Head.model_validate(known | (head or {})), BlockchainParams(**params), NOW)


def test_a_chain_that_grows_is_clear() -> None:
    judgement = judged(head={"avg_block_time_s": Decimal("10.0004"), "sync_lag_blocks": 0})
    assert states(judgement) == {"no_blocks": "clear", "chain_stalled": "clear", "node_syncing": "clear"}
    assert values(judgement) == {
        "height": "41", "total_blocks": "42", "block_age": "5.0", "avg_block_time": "10.000", "sync_lag": "0",
    }  # fmt: skip
    assert marks(judgement) == {}


def test_what_is_not_known_is_unknown_and_no_number() -> None:
    judgement = judge(UNKNOWN, BlockchainParams(), NOW)
    assert set(states(judgement).values()) == {"unknown"}
    assert judgement.samples == ()


def test_a_chain_without_blocks_is_critical() -> None:
    judgement = judge(Head(height=None, total_blocks=0, block_at=None), BlockchainParams(), NOW)
    assert states(judgement) == {"no_blocks": "breach", "chain_stalled": "unknown", "node_syncing": "unknown"}
    assert finding(judgement, "no_blocks").severity == "critical"
    assert values(judgement) == {"total_blocks": "0"}


@pytest.mark.parametrize(
    ("block_time_s", "age_s", "severity"),
    [
        (10, 60, None), (10, 60.1, "warning"), (10, 300, "warning"), (10, 300.1, "critical"),
        (12, 72, None), (12, 73, "warning"), (12, 361, "critical"),
        (0.25, 30, None), (0.25, 31, "warning"), (0.25, 150, "warning"), (0.25, 151, "critical"),
        (600, 3599, None), (600, 3601, "warning"),
    ],
)  # fmt: skip
def test_stalled_counts_in_block_times_with_a_floor(
    block_time_s: float, age_s: float, severity: str | None
) -> None:
    judgement = judged(age_s, block_time_s=block_time_s)
    stalled = finding(judgement, "chain_stalled")
    assert (stalled.severity if stalled.state == "breach" else None) == severity
    assert marks(judgement).get("block_age") == severity


def test_critical_can_be_switched_off() -> None:
    assert finding(judged(10**6, stalled_critical_blocks=None), "chain_stalled").severity == "warning"


def test_the_height_stays_known_in_a_stall() -> None:
    judgement = judged(86400)
    assert values(judgement)["height"] == "41"
    assert finding(judgement, "chain_stalled").message == "the newest block (41) is 86400 s old, limit 60 s"


def test_the_age_counts_by_the_clock_of_the_source() -> None:
    """The database's clock stamped the block, so ours being an hour off must not matter."""
    assert values(judged(3600, head={"observed_at": ago(3597)}))["block_age"] == "3.0"


@pytest.mark.parametrize("ahead_s", [0.5, 60])
def test_a_block_slightly_ahead_of_the_clock_is_new(ahead_s: float) -> None:
    assert values(judged(-ahead_s))["block_age"] == "0.0"


def test_a_block_from_the_future_is_not_believed() -> None:
    with pytest.raises(Inconclusive, match="61 s ahead of the clock"):
        judged(-61)


@pytest.mark.parametrize(
    ("pace", "mark"), [("8", None), ("12", None), ("7.99", "warning"), ("12.1", "warning")]
)
def test_an_odd_pace_marks_the_metric_only(pace: str, mark: str | None) -> None:
    judgement = judged(head={"avg_block_time_s": Decimal(pace)})
    assert marks(judgement).get("avg_block_time") == mark
    assert "breach" not in states(judgement).values()


def test_a_node_that_catches_up_says_by_how_much() -> None:
    judgement = judged(head={"syncing": True, "sync_lag_blocks": 17})
    assert finding(judgement, "node_syncing").state == "breach"
    assert finding(judgement, "node_syncing").message == "the node is catching up, 17 blocks behind"


ages = st.floats(0, 10**7)


@given(
    ages, ages,
    st.builds(
        BlockchainParams,
        block_time_s=st.floats(0.05, 86400),
        stalled_after_blocks=st.floats(1, 10000),
        stalled_critical_blocks=st.none() | st.floats(1, 100000),
        stalled_min_s=st.floats(0, 86400),
    ),
)  # fmt: skip
def test_severity_never_falls_when_the_block_gets_older(
    one: float, other: float, params: BlockchainParams
) -> None:
    quiet, loud = (
        loudness(
            finding(judge(UNKNOWN.model_copy(update={"block_at": ago(age)}), params, NOW), "chain_stalled")
        )
        for age in sorted([one, other])
    )
    assert quiet <= loud


@given(ages, st.floats(0.05, 86400), st.floats(1, 10000))
def test_nothing_is_stalled_before_the_floor(age_s: float, block_time_s: float, blocks: float) -> None:
    judgement = judged(min(age_s, 29.999), block_time_s=block_time_s, stalled_after_blocks=blocks)
    assert finding(judgement, "chain_stalled").state == "clear"
