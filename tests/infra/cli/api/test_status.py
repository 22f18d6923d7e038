"""The summary, on the real API."""

from secrets import token_hex

import pytest

from infra.cli.api import OperatorStore
from tests.infra.cli.api.listed import of
from watchkeeper.errors import StoreError


def test_the_summary_can_be_read(store: OperatorStore) -> None:
    assert store.get_system_health_summary()["status"] in ("ok", "warning", "critical", "unknown")


def test_a_region_that_never_ticked_cannot_be_forgotten(store: OperatorStore) -> None:
    name = f"calls-{token_hex(4)}"
    assert of(name, store.list_regions()) == []
    with pytest.raises(StoreError) as caught:
        store.forget_region(name)
    assert (caught.value.code, caught.value.argument) == ("PT404", "name")


def test_a_watchdog_without_an_address_is_off_and_says_why(store: OperatorStore) -> None:
    told = store.save_watchdog(None, 120)
    assert (told["status"], told["silent_s"]) == ("off", 120)
    assert told["reason"]
    store.save_watchdog(None)
