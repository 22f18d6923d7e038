"""What is wrong under a JSON schema, in words; and that what passes here is what the checks take."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.cli.schema import problems, unknown
from infra.cli.yaml_file import spell
from watchkeeper.catalog import catalog
from watchkeeper.chains import CHAINS
from watchkeeper.checks import CHECKS

Schema = dict[str, Any]
CATALOG = catalog()


def said(schema: Schema, value: object) -> list[str]:
    return [f"{spell(place)}: {text}" for place, text in problems(schema, value, ("x",))]


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        (
            {"type": "integer", "minimum": 5, "maximum": 9},
            "abc",
            'must be a whole number from 5 to 9 (is "abc")',
        ),
        ({"type": "integer", "minimum": 5, "maximum": 9}, 4, "must be a whole number from 5 to 9 (is 4)"),
        ({"type": "integer"}, 1.5, "must be a whole number (is 1.5)"),
        ({"type": "integer"}, True, "must be a whole number (is true)"),
        ({"type": "number", "exclusiveMinimum": 0}, 0, "must be a number above 0 (is 0)"),
        ({"type": "number", "exclusiveMaximum": 2}, 2, "must be a number below 2 (is 2)"),
        ({"type": "number"}, float("nan"), "must be a number (is NaN)"),
        ({"type": "number"}, float("inf"), "must be a number (is Infinity)"),
        ({"type": ["string", "null"]}, 7, "must be a text or null (is 7)"),
        ({"type": "string", "minLength": 1}, "", "must have at least 1 characters (has 0)"),
        ({"type": "string", "maxLength": 2}, "abc", "must have at most 2 characters (has 3)"),
        ({"type": "string", "pattern": "^a"}, "b", 'must match ^a (is "b")'),
        (
            {"enum": ["info", "error"]},
            "eror",
            'must be one of info, error (is "eror"); did you mean "error"?',
        ),
        ({"const": 1}, 2, "must be one of 1 (is 2)"),
        ({"type": "array", "maxItems": 1}, [1, 2], "must have at most 1 items (has 2)"),
        (
            {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
            0,
            "must be a whole number at least 1 (is 0)",
        ),
        ({"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^a"}]}, "b", 'must match ^a (is "b")'),
        ({"type": "object"}, "x" * 90, 'must be a map (is "' + "x" * 56 + "...)"),
    ],
)
def test_a_wrong_value_is_told_in_words(schema: Schema, value: object, text: str) -> None:
    assert said(schema, value) == [f"x: {text}"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 60.0),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, None),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}}, 1.5),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"a": "b"}),
        ({}, [object]),
    ],
)
def test_what_fits_passes(schema: Schema, value: object) -> None:
    assert said(schema, value) == []


def test_every_problem_is_told() -> None:
    inner = {
        "type": "object",
        "required": ["a"],
        "additionalProperties": False,
        "properties": {"a": {"type": "null"}},
    }
    schema = {"type": "array", "items": inner}
    assert said(schema, [{}, {"a": 1, "b": 2}]) == [
        "x[0].a: is missing",
        "x[1].a: must be null (is 1)",
        "x[1].b: is not known; known are a",
    ]


def test_an_unknown_name_comes_with_what_was_meant() -> None:
    assert unknown("intervall_s", ["interval_s", "timeout_s"]) == 'is not known; did you mean "interval_s"?'
    assert unknown("zzz", ["b", "a"]) == "is not known; known are a, b"


def values_of(schema: Schema) -> st.SearchStrategy[Any]:
    """Values around what the schema allows: some fit, some do not."""
    numbers = [schema[k] + d for k in ("minimum", "maximum") if k in schema for d in (-1, 0, 1, 0.5)]
    enums = schema.get("enum", [])
    odd = st.sampled_from(
        [None, True, "", "a", "5", "http://x", 0, -1, 1, 2.5, 1e9, [], ["a"], {}, {"a": "b"}]
    )
    likely = st.sampled_from([*numbers, *enums, schema.get("default")])
    return likely | odd


def maps_of(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: values_of(_flat(part)) for name, part in schema["properties"].items()}
    return st.fixed_dictionaries({}, optional=fields)


def _flat(part: Schema) -> Schema:
    return {k: v for branch in [*part.get("anyOf", []), part] for k, v in branch.items()}


@pytest.mark.parametrize("kind", CHECKS)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_parameters_that_pass_are_parameters_the_check_takes(kind: str, data: st.DataObject) -> None:
    schema = CATALOG["checks"][kind]["params_schema"]
    params = data.draw(maps_of(schema))
    if not list(problems(schema, params, ())):
        CHECKS[kind].Params.model_validate(params)


@pytest.mark.parametrize("chain", CHAINS)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_settings_that_pass_are_settings_the_chain_takes(chain: str, data: st.DataObject) -> None:
    schema = CATALOG["chains"][chain]["settings_schema"]
    given_settings = data.draw(maps_of(schema))
    if not list(problems(schema, given_settings, ())):
        CHAINS[chain].Settings.model_validate(given_settings)
