from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchkeeper.checks.judging import NOW, finding, marks, states, values
from watchkeeper.checks.quantum import QuantumParams, hit_rate_percent, judge
from watchkeeper.model import Keys


def test_the_numbers() -> None:
    keys = Keys(active=3, total=5, expiring_7d=1, cache_hits=2, cache_lookups=3)
    judgement = judge(keys, QuantumParams(), NOW)
    assert states(judgement) == {"no_active_keys": "clear"}
    assert values(judgement) == {
        "active_keys": "3", "total_keys": "5", "expiring_keys": "1", "cache_hit_rate": "66.667",
    }  # fmt: skip


def test_without_active_keys_it_warns() -> None:
    judgement = judge(Keys(active=0, total=5), QuantumParams(), NOW)
    assert states(judgement) == {"no_active_keys": "breach"}
    assert finding(judgement, "no_active_keys").severity == "warning"
    assert marks(judgement) == {"active_keys": "warning"}


@pytest.mark.parametrize(
    "keys", [Keys(active=1, cache_hits=0, cache_lookups=0), Keys(active=1), Keys(active=1, cache_hits=7)]
)
def test_without_lookups_there_is_no_hit_rate(keys: Keys) -> None:
    assert hit_rate_percent(keys) is None
    assert "cache_hit_rate" not in values(judge(keys, QuantumParams(), NOW))


@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_a_hit_rate_is_a_percentage_of_lookups(hits: int, misses: int) -> None:
    """An earlier system divided hits by keys and showed 20,000 percent."""
    rate = hit_rate_percent(Keys(active=1, cache_hits=hits, cache_lookups=hits + misses))
    assert rate is not None
    assert 0 <= rate <= 100


def test_a_low_hit_rate_marks_the_metric_only() -> None:
    keys = Keys(active=1, cache_hits=1, cache_lookups=4)
    judgement = judge(keys, QuantumParams(mark_hit_rate_below=50), NOW)
    assert marks(judgement) == {"cache_hit_rate": "warning"}
    assert hit_rate_percent(keys) == Decimal(25)
    assert states(judgement) == {"no_active_keys": "clear"}


def test_unknown_keys_are_not_missing_keys() -> None:
    judgement = judge(Keys(active=None), QuantumParams(), NOW)
    assert states(judgement) == {"no_active_keys": "unknown"}
    assert judgement.samples == ()
