import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from pydantic import BaseModel

from tests.support.parts import Database
from watchkeeper.catalog import catalog
from watchkeeper.chains import CHAINS
from watchkeeper.checks import CHECKS
from watchkeeper.notifiers import NOTIFIERS

# What the database's validator understands; the rest of a schema is for people and forms.
UNDERSTOOD = {
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
    "maxLength", "pattern", "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
    "anyOf", "$ref", "$defs",
}  # fmt: skip
FOR_PEOPLE = {"title", "description", "default"}
SCHEMAS = {kind: entry["params_schema"] for kind, entry in catalog()["checks"].items()} | {
    f"{name} settings": entry["settings_schema"] for name, entry in catalog()["chains"].items()
}


def subschemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    inner = [
        *schema.get("properties", {}).values(),
        *schema.get("$defs", {}).values(),
        *schema.get("anyOf", []),
    ]
    inner += [
        schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)
    ]
    for one in inner:
        yield from subschemas(one)


def test_it_is_plain_json() -> None:
    assert json.loads(json.dumps(catalog("loopback"))) == catalog("loopback")
    assert catalog("loopback")["private_targets"] == "loopback"


def test_it_lists_every_check_and_chain() -> None:
    assert set(catalog()["checks"]) == set(CHECKS)
    assert set(catalog()["chains"]) == set(CHAINS)
    assert catalog()["checks"]["blockchain"]["metrics"]["height"] == {"unit": "blocks"}
    assert catalog()["chains"]["supabase"]["needs_endpoint"] is False


def test_it_lists_every_notifier_and_which_secrets_it_takes() -> None:
    notifiers = catalog()["notifiers"]
    assert set(notifiers) == set(NOTIFIERS)
    assert notifiers["webhook"]["required_secrets"] == ["url"]
    assert notifiers["slack"]["merges"] is True
    for entry in notifiers.values():
        assert set(entry["required_secrets"]) <= set(entry["secrets"])


@pytest.mark.parametrize("kind", NOTIFIERS)
def test_a_channel_s_schema_is_one_the_database_can_validate(kind: str) -> None:
    for schema in subschemas(catalog()["notifiers"][kind]["config_schema"]):
        assert set(schema) <= UNDERSTOOD | FOR_PEOPLE
        assert "properties" not in schema or schema["additionalProperties"] is False
        assert bounded(schema)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_says_only_what_the_database_can_validate(name: str) -> None:
    for schema in subschemas(SCHEMAS[name]):
        assert set(schema) <= UNDERSTOOD | FOR_PEOPLE


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_refuses_unknown_keys_and_needs_none(name: str) -> None:
    for schema in subschemas(SCHEMAS[name]):
        if "properties" in schema:
            assert schema["additionalProperties"] is False
            assert "required" not in schema


def bounded(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return bool({"minimum", "exclusiveMinimum"} & set(schema)) and bool(
            {"maximum", "exclusiveMaximum"} & set(schema)
        )
    if kind == "string":
        return bool({"enum", "const", "maxLength", "pattern"} & set(schema))
    return kind != "array" or "maxItems" in schema


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_value_is_bounded(name: str) -> None:
    assert all(bounded(schema) for schema in subschemas(SCHEMAS[name]))


@pytest.mark.parametrize("kind", CHECKS)
def test_every_parameter_explains_itself_and_has_a_default(kind: str) -> None:
    for name, schema in SCHEMAS[kind]["properties"].items():
        assert "default" in schema, name
        assert name == "rules" or schema.get("description"), name


@pytest.mark.parametrize("kind", CHECKS)
def test_intervals_and_timeouts_are_within_what_targets_may_have(kind: str) -> None:
    entry = catalog()["checks"][kind]
    assert 5 <= entry["interval_s"] <= 86400
    assert 1 <= entry["timeout_s"] <= min(60, entry["interval_s"])


MODELS: dict[str, type[BaseModel]] = {kind: check.Params for kind, check in CHECKS.items()} | {
    f"{name} settings": family.Settings for name, family in CHAINS.items()
}
NAMES = sorted(
    {name for top in SCHEMAS.values() for schema in subschemas(top) for name in schema.get("properties", {})}
)
ANY_BUT_NUL = st.characters(codec="utf-8", exclude_characters="\0")  # jsonb has no NUL
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats(-5, 10**6) | st.text(ANY_BUT_NUL, max_size=4)
    | st.sampled_from(["GET", "200-299", "https://x", "info", "critical", 200, 0, 1, 0.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def around(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit the schema or just miss it."""
    if "$ref" in schema:
        return around(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    if "anyOf" in schema:
        return st.one_of([around(branch, root) for branch in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "properties" in schema:
        parts = {name: around(part, root) for name, part in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional=parts)
    if schema.get("type") not in ("integer", "number"):
        return {"null": st.none(), "boolean": st.booleans()}.get(schema.get("type", ""), json_values)
    low: float = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high: float = schema.get("maximum", schema.get("exclusiveMaximum", 0))
    whole = st.integers(int(low) - 1, int(high) + 1)
    return whole | st.floats(low - 1, high) | st.sampled_from([low, high])


@pytest.fixture(scope="module")
def db(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        yield connection


@pytest.mark.parametrize("name", SCHEMAS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_what_the_database_accepts_the_code_can_run(
    name: str, db: psycopg.Connection[Any], data: st.DataObject
) -> None:
    """Else a target could be saved and then be blind for ever."""
    schema = SCHEMAS[name]
    parts = st.sampled_from(sorted(schema["properties"]))
    given = data.draw(around(schema, schema) | st.dictionaries(parts, json_values, max_size=3))
    found = db.execute(
        "select watchkeeper.schema_problem(%s, %s, 'params', %s)",
        [Jsonb(schema), Jsonb(given), Jsonb(schema)],
    ).fetchone()
    if found == (None,):
        MODELS[name].model_validate(given)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_database_accepts_what_is_the_default(name: str, db: psycopg.Connection[Any]) -> None:
    schema, default = SCHEMAS[name], MODELS[name]().model_dump(mode="json", by_alias=True)
    found = db.execute(
        "select watchkeeper.schema_problem(%s, %s, 'params', %s)",
        [Jsonb(schema), Jsonb(default), Jsonb(schema)],
    ).fetchone()
    assert found == (None,)
