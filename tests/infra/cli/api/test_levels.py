"""Service levels, on the real API."""

from secrets import token_hex

import pytest

from infra.cli.api import OperatorStore
from tests.infra.cli.api.listed import of
from watchkeeper.errors import StoreError
from watchkeeper.store import Json


def test_an_objective_is_saved_listed_and_deleted(store: OperatorStore, target: Json) -> None:
    name = f"calls-{token_hex(4)}"
    saved = store.save_objective({"name": name, "match": {"targets": [target["name"]]}, "percent": 99.95})
    assert (saved["percent"], saved["window_days"]) == (99.95, 30)
    (found,) = of(name, store.list_objectives())
    assert (found["targets"], found["status"]) == (1, "unknown")
    store.delete_objective(name)
    assert of(name, store.list_objectives()) == []


def test_closed_months_are_listed_and_one_that_is_not_is_refused(store: OperatorStore) -> None:
    assert isinstance(store.list_sla_closes(), list)
    for ask in (store.get_sla_close, store.verify_sla_close):
        with pytest.raises(StoreError, match="2020-01 is not closed") as caught:
            ask("2020-01")
        assert caught.value.argument == "month"


def test_uptime_is_told_by_the_days_of_a_time_zone(store: OperatorStore) -> None:
    assert store.get_uptime_summary(days=7, time_zone="Europe/Berlin")["time_zone"] == "Europe/Berlin"


def test_the_levels_of_a_group_can_be_read(store: OperatorStore) -> None:
    span = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    assert store.get_sla_report(*span, {"targets": ["nobody"]})["targets"] == []
