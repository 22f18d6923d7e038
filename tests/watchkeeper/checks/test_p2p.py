from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchkeeper.checks.judging import NOW, finding, loudness, marks, states, values
from watchkeeper.checks.p2p import P2pParams, judge
from watchkeeper.model import Peers


@pytest.mark.parametrize(("active", "severity"), [(0, "critical"), (1, "warning"), (2, "warning"), (3, None)])
def test_few_peers_warn_and_none_is_critical(active: int, severity: str | None) -> None:
    judgement = judge(Peers(active=active), P2pParams(), NOW)
    low = finding(judgement, "low_peers")
    assert (low.severity if low.state == "breach" else None) == severity
    assert marks(judgement).get("active_peers") == severity
    assert low.message == f"{active} active peers, minimum 3"


def test_the_numbers() -> None:
    judgement = judge(Peers(active=5, total=9, avg_reputation=Decimal("81.23456789")), P2pParams(), NOW)
    assert values(judgement) == {"active_peers": "5", "total_peers": "9", "avg_reputation": "81.235"}


def test_an_unknown_number_of_peers_is_not_zero_peers() -> None:
    judgement = judge(Peers(active=None), P2pParams(), NOW)
    assert states(judgement) == {"low_peers": "unknown"}
    assert judgement.samples == ()


def test_critical_can_be_switched_off() -> None:
    judgement = judge(Peers(active=0), P2pParams(critical_below=0), NOW)
    assert finding(judgement, "low_peers").severity == "warning"


counts = st.integers(0, 200)


@given(counts, counts, counts, counts)
def test_severity_never_falls_when_peers_get_fewer(one: int, other: int, low: int, critical: int) -> None:
    params = P2pParams(min_peers=low, critical_below=critical)
    quiet, loud = (
        loudness(finding(judge(Peers(active=active), params, NOW), "low_peers"))
        for active in sorted([one, other], reverse=True)
    )
    assert quiet <= loud
