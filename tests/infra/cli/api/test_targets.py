"""Targets, and the metrics of them, on the real API."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from infra.cli.api import OperatorStore
from tests.handlers.doubles import Rpcs
from watchkeeper.errors import StoreError
from watchkeeper.store import Json

NOBODY = "00000000-0000-4000-8000-000000000000"


def test_a_target_comes_back_as_it_was_saved(store: OperatorStore, target: Json) -> None:
    (found,) = [t for t in store.list_targets() if t["id"] == target["id"]]
    assert found["labels"] == {"team": "ünïcode ✓"}
    assert found["checks"]["uptime"]["interval_s"] == 3600


def test_a_file_of_targets_is_planned_before_it_is_applied(store: OperatorStore, target: Json) -> None:
    wanted = {"name": target["name"], "endpoint": "http://127.0.0.1:10/", "checks": {}}
    plan = store.apply_targets([wanted], dry_run=True)
    assert plan["changed"] == [target["name"]]
    assert store.apply_targets([wanted])["changed"] == [target["name"]]
    assert store.apply_targets([wanted])["unchanged"] == [target["name"]]


def test_a_target_is_paused_and_resumed(store: OperatorStore, target: Json) -> None:
    assert store.pause_target(target["id"])["paused"] is True
    assert store.pause_target(target["id"], paused=False)["paused"] is False


@pytest.mark.parametrize(
    "call", [OperatorStore.pause_target, OperatorStore.delete_target, OperatorStore.run_check_now]
)
def test_what_does_not_exist_is_said_so(store: OperatorStore, call: Any) -> None:
    with pytest.raises(StoreError) as caught:
        call(store, NOBODY)
    assert (caught.value.code, caught.value.argument) == ("PT404", "target_id")


def test_a_metric_that_was_never_measured_has_points_without_a_value(
    store: OperatorStore, target: Json
) -> None:
    span = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    points = store.get_metric_series(target["id"], "response_time", *span, points=3)
    assert [(point["n"], point["avg"]) for point in points] == [(0, None)] * 3


def test_a_metric_of_ones_own_is_recorded(store: OperatorStore) -> None:
    assert len(store.record_system_metric("calls_test", 1.5, "percent", metadata={"host": "a"})) == 36


@pytest.mark.parametrize(
    ("function", "call", "expected"),
    [
        (
            "apply_targets",
            lambda s: s.apply_targets([{"name": "a"}], prune=True),
            {"targets": [{"name": "a"}], "prune": True, "dry_run": False},
        ),
        ("pause_target", lambda s: s.pause_target("t", paused=False), {"target_id": "t", "paused": False}),
        ("run_check_now", lambda s: s.run_check_now("t"), {"target_id": "t", "kind": None}),
    ],
)
def test_it_names_the_arguments_as_the_database_does(
    pretended: OperatorStore,
    rpcs: Rpcs,
    function: str,
    call: Callable[[OperatorStore], object],
    expected: Json,
) -> None:
    rpcs.answers[function] = lambda _: {}
    call(pretended)
    assert rpcs.called(function) == [expected]


def test_a_deletion_returns_nothing(pretended: OperatorStore, rpcs: Rpcs) -> None:
    rpcs.answers["delete_target"] = lambda _: httpx.Response(204)
    pretended.delete_target("t")
    assert rpcs.called("delete_target") == [{"target_id": "t"}]
