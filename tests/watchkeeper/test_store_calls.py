"""What the functions call, made once to the real API: one that cannot run, or has other names, shows here."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from secrets import token_hex

import pytest

from infra.cli.api import OperatorStore
from tests.support.parts import Api
from watchkeeper.catalog import catalog
from watchkeeper.errors import StoreError
from watchkeeper.store import Store

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def store(api: Api) -> Iterator[Store]:
    """As the functions have it: what only an operator does, it cannot."""
    with Store(api.url, api.secret_key) as store:
        store.publish_catalog(catalog("all"))
        yield store


@pytest.fixture
def operator(api: Api) -> Iterator[OperatorStore]:
    with api.store() as operator:
        yield operator


def test_a_claimed_check_is_recorded_once(store: Store, operator: OperatorStore) -> None:
    watched = {"endpoint": "http://127.0.0.1:9/", "checks": {"uptime": {"interval_s": 3600}}}
    target = operator.save_target({"name": f"calls-{token_hex(4)}", **watched})
    assert operator.run_check_now(target["id"], "uptime") == {"due": 1}
    (task,) = [t for t in store.claim_due_checks() if t["target_id"] == target["id"]]
    at = datetime.now(UTC).isoformat()
    result = {
        "check_id": task["check_id"],
        "due_at": task["due_at"],
        "outcome": "ok",
        "started_at": at,
        "finished_at": at,
        "samples": [{"name": "response_time", "value": "12.5", "unit": "ms"}],
    }
    assert store.record_check_results([result])["recorded"] == 1
    assert store.record_check_results([result])["repeated"] == 1

    earlier = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    points = operator.get_metric_series(target["id"], "response_time", earlier, later, points=10)
    assert [p["avg"] for p in points if p["avg"] is not None] == [12.5]
    operator.delete_target(target["id"])


def test_a_probe_that_nobody_asked_for_is_not_settled(store: Store) -> None:
    at = datetime.now(UTC).isoformat()
    result = {"check_id": NOBODY, "due_at": at, "outcome": "ok", "started_at": at, "finished_at": at}
    assert store.settle_probe(NOBODY, result) == {"settled": False}


def test_a_chain_without_tables_is_refused_by_the_name_of_its_setting(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        store.observe_chain_tables("head", {"tables": {"blocks": "no_such_table"}})
    assert caught.value.argument == "settings.tables.blocks"


def test_a_wrong_key_is_refused_without_showing_it(api: Api) -> None:
    with Store(api.url, "sb_secret_wrong_key_00000000") as store, pytest.raises(StoreError) as caught:
        store.audit_head()
    assert "wrong_key" not in str(caught.value)


def test_old_history_is_pruned(store: Store) -> None:
    assert store.prune_history(3650)["more"] is False


def test_the_books_can_be_closed_again_and_again(store: Store) -> None:
    while store.roll_up_days()["more"]:
        pass
    store.close_months()
    assert store.close_months()["closed"] == []
    assert store.roll_up_days() == {"days": 0, "more": False}
    assert len(store.audit_head()["hash"]) == 64
