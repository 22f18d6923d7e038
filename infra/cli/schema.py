"""All that is wrong with a value under a JSON schema, in words: the subset that the database checks too."""

import difflib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infra.cli.yaml_file import Place

Schema = Mapping[str, Any]
Found = Iterator[tuple[Place, str]]

WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map",
    "null": "null",
}
LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
IS_TYPE: dict[str, Callable[[Any], bool]] = {
    "integer": lambda v: _is_number(v) and float(v).is_integer(),
    "number": lambda v: _is_number(v),  # noqa: PLW0108  defined below
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
    "null": lambda v: v is None,
}


def problems(schema: Schema, value: object, place: Place, root: Schema | None = None) -> Found:
    """Every place where the value does not fit, with the reason."""
    root = root or schema
    schema = _resolved(schema, root)
    if "anyOf" in schema:
        yield from _branch_problems(schema["anyOf"], value, place, root)
    if reason := _wrong_type(schema, value) or _not_allowed(schema, value) or _out_of_range(schema, value):
        yield place, reason
    elif isinstance(value, dict):
        yield from _map_problems(schema, value, place, root)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from problems(schema.get("items", {}), item, (*place, index), root)


def unknown(name: object, known: list[str]) -> str:
    """`is not known`, with what was probably meant."""
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
    if close:
        return f'is not known; did you mean "{close[0]}"?'
    return f"is not known; known are {', '.join(sorted(known))}" if known else "is not known; none are"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _resolved(schema: Schema, root: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Any = root
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return {**found, **schema}


def _branch_problems(branches: list[Schema], value: object, place: Place, root: Schema) -> Found:
    """Nothing if one branch fits; else what the first of the value's own type says, or the first of all."""
    if all(any(problems(branch, value, place, root)) for branch in branches):
        own = [branch for branch in branches if not _wrong_type(_resolved(branch, root), value)]
        yield from problems((own or branches)[0], value, place, root)


def _wrong_type(schema: Schema, value: object) -> str | None:
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if not types or any(IS_TYPE[name](value) for name in types):
        return None
    wanted = " or ".join(WORDS[name] for name in types)
    return f"must be {wanted}{_range_words(schema)} (is {show(value)})"


def _not_allowed(schema: Schema, value: object) -> str | None:
    allowed = [schema["const"]] if "const" in schema else schema.get("enum")
    if allowed is None or value in allowed:
        return None
    close = difflib.get_close_matches(str(value), [str(a) for a in allowed], n=1)
    hint = f'; did you mean "{close[0]}"?' if close else ""
    return f"must be one of {', '.join(map(str, allowed))} (is {show(value)}){hint}"


def _out_of_range(schema: Schema, value: object) -> str | None:
    if isinstance(value, str):
        return _wrong_text(schema, value)
    if isinstance(value, list):
        return _wrong_length(schema, len(value), "Items", "items")
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    fits = schema.get("minimum", value) <= value <= schema.get("maximum", value) and schema.get(
        "exclusiveMinimum", -math.inf
    ) < value < schema.get("exclusiveMaximum", math.inf)
    word = WORDS["integer"] if schema.get("type") == "integer" else WORDS["number"]
    return None if fits else f"must be {word}{_range_words(schema)} (is {show(value)})"


def _wrong_text(schema: Schema, value: str) -> str | None:
    if reason := _wrong_length(schema, len(value), "Length", "characters"):
        return reason
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"must match {schema['pattern']} (is {show(value)})"
    return None


def _wrong_length(schema: Schema, length: int, suffix: str, unit: str) -> str | None:
    least, most = schema.get(f"min{suffix}", 0), schema.get(f"max{suffix}", math.inf)
    if least <= length <= most:
        return None
    wanted = f"at least {least}" if length < least else f"at most {most}"
    return f"must have {wanted} {unit} (has {length})"


def _range_words(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    found = [f"{word} {schema[key]}" for key, word in LIMITS.items() if key in schema]
    return " " + " and ".join(found) if found else ""


def _map_problems(schema: Schema, value: dict[str, Any], place: Place, root: Schema) -> Found:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for name in schema.get("required", []):
        if name not in value:
            yield (*place, name), "is missing"
    for name, item in value.items():
        if name in properties:
            yield from problems(properties[name], item, (*place, name), root)
        elif others is False:
            yield (*place, name), unknown(name, list(properties))
        elif isinstance(others, Mapping):
            yield from problems(others, item, (*place, name), root)


def show(value: object) -> str:
    """The value as the reader wrote it, cut short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
