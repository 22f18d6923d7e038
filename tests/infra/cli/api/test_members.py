"""Roles and tokens, on the real API."""

from secrets import token_hex

import pytest

from infra.cli.api import OperatorStore
from tests.handlers.doubles import Rpcs
from tests.infra.cli.api.listed import of
from tests.support.parts import Api
from watchkeeper.errors import StoreError


def test_a_role_is_granted_listed_and_revoked(api: Api, store: OperatorStore) -> None:
    person = api.person()
    store.grant_role(person.email, "viewer")
    assert [m["role"] for m in store.list_members() if m["email"] == person.email] == ["viewer"]
    store.revoke_role(person.email)
    assert person.email not in [m["email"] for m in store.list_members()]


def test_a_token_is_registered_listed_and_revoked(store: OperatorStore) -> None:
    name = f"tool-{token_hex(4)}"
    claims = store.create_api_token(name, "watchkeeper_ingest", 1)
    assert claims.keys() == {"jti", "name", "role", "created_at", "expires_at"}
    with pytest.raises(StoreError) as caught:
        store.create_api_token(name, "watchkeeper_ingest")
    assert (caught.value.code, caught.value.argument) == ("PT409", "name")
    assert of(name, store.list_api_tokens())[0]["status"] == "active"
    store.revoke_api_token(name)
    assert of(name, store.list_api_tokens())[0]["status"] == "revoked"


def test_a_role_is_granted_by_the_arguments_of_the_database(pretended: OperatorStore, rpcs: Rpcs) -> None:
    rpcs.answers["grant_role"] = lambda _: {}
    pretended.grant_role("a@b.c", "viewer")
    assert rpcs.called("grant_role") == [{"email": "a@b.c", "role": "viewer"}]
