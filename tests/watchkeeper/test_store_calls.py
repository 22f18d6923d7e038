"""Every call of the store, made once to the real API: a function that cannot run, or has other names, shows here."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import pytest

from tests.support.parts import Api
from watchkeeper.catalog import catalog
from watchkeeper.errors import StoreError
from watchkeeper.store import Store

Json = dict[str, Any]
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def store(api: Api) -> Iterator[Store]:
    with api.store() as store:
        store.publish_catalog(catalog("all"))
        yield store


@pytest.fixture
def target(store: Store) -> Iterator[Json]:
    target = store.save_target(
        {
            "name": f"calls-{token_hex(4)}",
            "endpoint": "http://127.0.0.1:9/",
            "labels": {"team": "ünïcode ✓"},
            "checks": {"uptime": {"interval_s": 3600}},
        }
    )
    yield target
    store.delete_target(target["id"])


def test_a_target_comes_back_as_it_was_saved(store: Store, target: Json) -> None:
    (found,) = [t for t in store.list_targets() if t["id"] == target["id"]]
    assert found["labels"] == {"team": "ünïcode ✓"}
    assert found["checks"]["uptime"]["interval_s"] == 3600


def test_a_file_of_targets_is_planned_before_it_is_applied(store: Store, target: Json) -> None:
    wanted = {"name": target["name"], "endpoint": "http://127.0.0.1:10/", "checks": {}}
    plan = store.apply_targets([wanted], dry_run=True)
    assert plan["changed"] == [target["name"]]
    assert store.apply_targets([wanted])["changed"] == [target["name"]]
    assert store.apply_targets([wanted])["unchanged"] == [target["name"]]


def test_a_target_is_paused_and_resumed(store: Store, target: Json) -> None:
    assert store.pause_target(target["id"])["paused"] is True
    assert store.pause_target(target["id"], paused=False)["paused"] is False


def test_a_claimed_check_is_recorded_once(store: Store, target: Json) -> None:
    assert store.run_check_now(target["id"], "uptime") == {"due": 1}
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
    points = store.get_metric_series(target["id"], "response_time", earlier, later, points=10)
    assert [p["avg"] for p in points if p["avg"] is not None] == [12.5]


def test_the_summary_and_the_alerts_can_be_read(store: Store) -> None:
    assert store.get_system_health_summary()["status"] in ("ok", "warning", "critical", "unknown")
    assert isinstance(store.list_alerts(status="firing", severity="critical", max_rows=5), list)


def test_a_metric_of_ones_own_is_recorded(store: Store) -> None:
    assert len(store.record_system_metric("calls_test", 1.5, "percent", metadata={"host": "a"})) == 36


def test_a_role_is_granted_listed_and_revoked(api: Api, store: Store) -> None:
    person = api.person()
    store.grant_role(person.email, "viewer")
    assert [m["role"] for m in store.list_members() if m["email"] == person.email] == ["viewer"]
    store.revoke_role(person.email)
    assert person.email not in [m["email"] for m in store.list_members()]


def test_a_chain_without_tables_is_refused_by_the_name_of_its_setting(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        store.observe_chain_tables("head", {"tables": {"blocks": "no_such_table"}})
    assert caught.value.argument == "settings.tables.blocks"


@pytest.mark.parametrize("call", [Store.pause_target, Store.delete_target, Store.run_check_now])
def test_what_does_not_exist_is_said_so(store: Store, call: Any) -> None:
    with pytest.raises(StoreError) as caught:
        call(store, NOBODY)
    assert (caught.value.code, caught.value.argument) == ("PT404", "target_id")


def test_a_wrong_key_is_refused_without_showing_it(api: Api) -> None:
    with Store(api.url, "sb_secret_wrong_key_00000000") as store, pytest.raises(StoreError) as caught:
        store.list_targets()
    assert "wrong_key" not in str(caught.value)
