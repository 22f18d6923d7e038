from decimal import Decimal

from tests.watchkeeper.checks.judging import NOW, finding, marks, states, values
from watchkeeper.checks.economics import EconomicsParams, judge
from watchkeeper.model import Economy


def test_sums_are_exact() -> None:
    economy = Economy(accounts=3, supply=Decimal("90071992547409930000.00000001"), negative_accounts=0)
    judgement = judge(economy, EconomicsParams(), NOW)
    assert states(judgement) == {"negative_balances": "clear"}
    assert values(judgement) == {
        "accounts": "3", "supply": "90071992547409930000.00000001", "negative_accounts": "0",
    }  # fmt: skip


def test_a_negative_balance_is_critical() -> None:
    judgement = judge(Economy(accounts=3, negative_accounts=1), EconomicsParams(), NOW)
    negative = finding(judgement, "negative_balances")
    assert (negative.state, negative.severity) == ("breach", "critical")
    assert negative.message == "1 accounts below zero"
    assert marks(judgement) == {"negative_accounts": "critical"}


def test_what_is_not_known_is_unknown() -> None:
    judgement = judge(Economy(accounts=None), EconomicsParams(), NOW)
    assert states(judgement) == {"negative_balances": "unknown"}
    assert judgement.samples == ()
