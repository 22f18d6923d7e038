import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from watchkeeper.errors import NotSupported
from watchkeeper.protocols import Chain, ChainRules, Params, Rule


class TwoRules(ChainRules):
    too_few: Rule = Rule(severity="error", success_threshold=4)


class SomeParams(Params):
    rules: TwoRules = TwoRules()


def rule(name: str, **given: Any) -> tuple[str, int, int]:
    found = getattr(SomeParams.model_validate(given).rules, name)
    return found.severity, found.failure_threshold, found.success_threshold


def test_a_rule_is_as_shipped_unless_told_otherwise() -> None:
    assert rule("too_few") == ("error", 1, 4)
    assert rule("endpoint_unreachable") == ("critical", 2, 1)


def test_the_thresholds_of_the_check_set_all_its_rules() -> None:
    assert rule("too_few", failure_threshold=5) == ("error", 5, 4)
    assert rule("endpoint_unreachable", failure_threshold=5, success_threshold=3) == ("critical", 5, 3)


def test_what_is_said_about_a_rule_goes_first_and_leaves_the_rest() -> None:
    given = {"failure_threshold": 5, "rules": {"too_few": {"failure_threshold": 9}}}
    assert rule("too_few", **given) == ("error", 9, 4)
    assert rule("endpoint_unreachable", **given) == ("critical", 5, 1)


def test_params_written_out_mean_the_same_when_read_again() -> None:
    params = SomeParams.model_validate({"rules": {"too_few": {"enabled": False}}})
    assert SomeParams.model_validate(params.model_dump()) == params
    assert params.rules.enabled() == ["endpoint_unreachable"]


@pytest.mark.parametrize(
    "given",
    [
        {"rules": {"too_many": {}}},
        {"rules": {"too_few": {"severity": "loud"}}},
        {"rules": {"too_few": 3}},
        {"rules": {"too_few": {"failure_threshold": 0}}},
        {"rules": []},
        {"failure_threshold": 0},
        {"blind_threshold": 1001},
        {"unheard_of": 1},
        [],
    ],
)
def test_wrong_params_are_refused(given: Any) -> None:
    with pytest.raises(ValidationError):
        SomeParams.model_validate(given)


def test_a_finding_is_as_severe_as_its_rule_or_worse() -> None:
    rules = SomeParams().rules
    assert rules.finding("too_few", "breach", "").severity == "error"
    assert rules.finding("too_few", "breach", "", at_least="critical").severity == "critical"
    assert rules.finding("endpoint_unreachable", "breach", "", at_least="info").severity == "critical"


@pytest.mark.parametrize("question", ["head", "peers", "mempool", "keys", "economy"])
def test_a_plain_service_has_nothing_of_a_chain(question: str) -> None:
    with pytest.raises(NotSupported):
        asyncio.run(getattr(Chain(), question)())
