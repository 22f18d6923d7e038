"""Rotations, on the real API."""

from secrets import token_hex

from infra.cli.api import OperatorStore
from tests.infra.cli.api.listed import of


def test_a_rotation_says_who_is_on_call_and_somebody_stands_in(store: OperatorStore) -> None:
    name = f"calls-{token_hex(4)}"
    store.save_rotation({"name": name, "people": ["ann@example.org"], "starts_at": "2026-01-05T09:00"})
    try:
        assert of(name, store.list_rotations())[0]["on_call"] == "ann@example.org"
        store.save_override(name, "bo@example.org", "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
        assert [o["person"] for o in store.who_is_on_call(name)] == ["bo@example.org"]
        assert [o["person"] for o in store.who_is_on_call(name, "2001-01-01T00:00:00Z")] == [
            "ann@example.org"
        ]
    finally:
        store.delete_rotation(name)
