"""Results go in page by page; one that is refused costs itself, one that cannot be written now costs nothing."""

from tests.handlers.doubles import Json, Rpcs, refusal
from watchkeeper.record import record
from watchkeeper.store import StoreUnreachable

COUNTS = {"recorded": 1, "repeated": 0, "late": 0, "dropped": 0, "transitions": []}


def results(n: int) -> list[Json]:
    return [{"check_id": str(number)} for number in range(n)]


def test_more_results_than_a_call_takes_are_more_calls() -> None:
    rpcs = Rpcs()
    rpcs.answers["record_check_results"] = lambda _: COUNTS
    recording = record(rpcs.store(), results(5), per_call=2)
    assert [len(args["results"]) for args in rpcs.called("record_check_results")] == [2, 2, 1]
    assert (recording.counts["recorded"], recording.left, recording.error) == (3, [], None)


def test_what_is_refused_is_named_and_the_rest_goes_in() -> None:
    rpcs = Rpcs()
    rpcs.answers["record_check_results"] = lambda args: (
        refusal("22023", "results[1].outcome: no") if len(args["results"]) == 3 else COUNTS
    )
    recording = record(rpcs.store(), results(3))
    assert recording.refused == [({"check_id": "1"}, "results[1].outcome: no")]
    assert rpcs.called("record_check_results")[-1]["results"] == [{"check_id": "0"}, {"check_id": "2"}]
    assert recording.left == []


def test_what_comes_after_the_database_went_away_is_left() -> None:
    rpcs = Rpcs()
    rpcs.answers["record_check_results"] = lambda args: (
        COUNTS if args["results"][0]["check_id"] == "0" else refusal("PGRST000", "away", 503)
    )
    recording = record(rpcs.store(), results(5), per_call=2)
    assert [each["check_id"] for each in recording.left] == ["2", "3", "4"]
    assert isinstance(recording.error, StoreUnreachable)
    assert recording.counts["recorded"] == 1
