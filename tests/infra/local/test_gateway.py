"""The API of the laptop stack behaves as a hosted project where that matters to us."""

from __future__ import annotations

import httpx
import pytest

from infra.local.stack import Stack
from tests.support.parts import Api, Database

ECHO = """
create function public.echo(value jsonb) returns text language sql as $$ select jsonb_typeof(value) $$;
create function public.echo_names(names text[]) returns integer language sql as $$ select cardinality(names) $$;
grant execute on function public.echo(jsonb), public.echo_names(text[]) to anon;
"""


@pytest.fixture
def echo(stack: Stack, api: Api, database: Database) -> Api:
    """A function that tells what kind of JSON reaches it; the API sees it after a restart only."""
    with database.connect() as db:
        if db.execute("select to_regprocedure('public.echo(jsonb)')").fetchone() == (None,):
            db.execute(ECHO)
            stack.gateway.stop()
            stack.gateway.start()
    return api


@pytest.mark.parametrize(("value", "kind"), [({"a": 1}, "object"), ([1], "array"), ("text", "string")])
def test_json_arguments_arrive_as_what_they_were(echo: Api, value: object, kind: str) -> None:
    assert echo.call("echo", value=value).json() == kind


@pytest.mark.parametrize(
    ("function", "argument", "depth", "status"),
    [
        ("echo", "value", 500, 200),
        ("echo_names", "names", 6, 200),
        ("echo_names", "names", 7, 413),
        ("echo", "value", 200_000, 413),
    ],
)
def test_what_is_nested_too_deep_is_the_callers_fault(
    echo: Api, function: str, argument: str, depth: int, status: int
) -> None:
    body = f'{{"{argument}": {"[" * depth}"a"{"]" * depth}}}'
    headers = {"apikey": echo.publishable_key, "content-type": "application/json"}
    reply = httpx.post(f"{echo.url}/rest/v1/rpc/{function}", content=body, headers=headers, timeout=60)
    assert reply.status_code == status, reply.text
    if status == 413:
        assert reply.json()["code"].startswith("54")
        assert "exceed" in reply.json()["message"]


def test_a_number_that_is_none_is_the_callers_fault(echo: Api) -> None:
    headers = {"apikey": echo.publishable_key, "content-type": "application/json"}
    reply = httpx.post(
        f"{echo.url}/rest/v1/rpc/echo_names", content='{"names": 1e400}', headers=headers, timeout=60
    )
    assert (reply.status_code, reply.json()["code"]) == (400, "22P02")


def test_a_request_without_a_key_is_nobody(api: Api) -> None:
    reply = httpx.post(f"{api.url}/rest/v1/rpc/list_targets", json={}, timeout=60)
    assert reply.status_code == 401


def test_the_api_grants_nothing_by_itself(api: Api, database: Database) -> None:
    """As it comes, lite grants every table with row-level security to anon at its first request."""
    api.call("whoami")
    with database.connect() as db:
        granted = db.execute(
            "select grantee, table_schema || '.' || table_name from information_schema.role_table_grants "
            "where grantee = 'anon' and table_schema in ('public', 'watchkeeper', 'auth')"
        ).fetchall()
    assert granted == []


def test_somebody_with_a_role_may_use_it(api: Api) -> None:
    assert api.call("whoami", person=api.person("viewer")).json()["role"] == "viewer"
    assert api.call("list_targets", person=api.person("viewer")).status_code == 200
    assert api.call("list_targets", person=api.person()).status_code == 403
