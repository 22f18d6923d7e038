"""The file of targets: read, checked in full against the catalog, and written back."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.cli.schema import Found, problems, unknown
from infra.cli.yaml_file import Document, Place, parse, read

Json = dict[str, Any]

CHECK: Json = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "interval_s": {"type": "integer", "minimum": 5, "maximum": 86400},
        "timeout_s": {"type": "integer", "minimum": 1, "maximum": 60},
        "enabled": {"type": "boolean"},
        "params": {"type": "object"},
    },
}
TARGET: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 100},
        "chain": {"type": ["string", "null"]},
        "network": {"type": ["string", "null"], "minLength": 1, "maxLength": 100},
        "endpoint": {"type": ["string", "null"], "maxLength": 2000},
        "settings": {"type": ["object", "null"]},
        "labels": {"type": ["object", "null"], "additionalProperties": {"type": "string", "maxLength": 200}},
        "depends_on": {
            "type": ["array", "null"],
            "maxItems": 20,
            "items": {"type": "string", "minLength": 1, "maxLength": 100},
        },
        "checks": {"type": ["object", "null"], "additionalProperties": {**CHECK, "type": ["object", "null"]}},
        "regions": {
            "type": ["object", "null"],
            "additionalProperties": False,
            "required": ["agree"],
            "properties": {
                "agree": {"type": "integer", "minimum": 1, "maximum": 9},
                "names": {
                    "type": ["array", "null"],
                    "minItems": 1,
                    "maxItems": 9,
                    "items": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"},
                },
            },
        },
    },
}
FILE: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["targets"],
    "properties": {"targets": {"type": "array", "items": TARGET}},
}
KEYS = list(TARGET["properties"])
CHECK_KEYS = list(CHECK["properties"])
HEADER = """\
# Targets of Watchkeeper. Apply with: watchkeeper targets apply FILE
# Values are taken as they stand: ${VARIABLES} are not replaced, so keep secrets out of this file.
"""


def load(path: Path, catalog: Mapping[str, Any]) -> Document:
    """The file's targets in `.data`; raises FileError with every problem and its line."""
    return _checked(read(path), catalog)


def loads(text: str, catalog: Mapping[str, Any], name: str = "targets.yaml") -> Document:
    """Like `load`, of a text at hand."""
    return _checked(parse(text, name), catalog)


def dump(targets: list[Json]) -> str:
    """The targets as a file that `load` takes unchanged; what only the database knows is left out."""
    return HEADER + write({"targets": as_written(targets)})


def as_written(targets: list[Json]) -> list[Json]:
    """The targets as one writes them by hand, in order."""
    return [_as_written(target) for target in sorted(targets, key=lambda t: t["name"])]


def write(data: Json) -> str:
    """The data as YAML that `yaml_file` reads back unchanged."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _checked(document: Document, catalog: Mapping[str, Any]) -> Document:
    if document.data is None:
        document.problem((), "is empty; it must hold `targets:` with a list")
    else:
        note(document, problems(FILE, document.data, ()))
        note(document, targets_problems(document.data, catalog))
    document.raise_problems()
    document.data = document.data["targets"]
    return document


def targets_problems(data: object, catalog: Mapping[str, Any]) -> Found:
    """What the shape alone does not show: names given twice, kinds that cannot work, parameters."""
    targets = data.get("targets") if isinstance(data, dict) else None
    for index, target in enumerate(targets if isinstance(targets, list) else []):
        if isinstance(target, dict):
            yield from _target_problems(target, ("targets", index), catalog)
    yield from repeated_names(targets, "targets")


def note(document: Document, found: Found) -> None:
    for place, text in found:
        document.problem(place, text)


def repeated_names(items: object, section: str, key: str = "name") -> Found:
    seen: dict[str, int] = {}
    for index, item in enumerate(items if isinstance(items, list) else []):
        name = item.get(key) if isinstance(item, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            yield (section, index, key), f'"{name}" is also the {key} of {section}[{seen[name]}]'
        seen.setdefault(name, index)


def _target_problems(target: Json, place: Place, catalog: Mapping[str, Any]) -> Found:
    yield from placeholders(target, place)
    yield from _regions_problems(target.get("regions"), (*place, "regions"))
    name, chain = target.get("name"), target.get("chain")
    if isinstance(name, str) and name != name.strip():
        yield (*place, "name"), "must not begin or end with a space"
    if chain is None:
        yield from _checks_problems(target, place, ["uptime"], catalog)
    elif isinstance(chain, str) and chain not in catalog["chains"]:
        yield (*place, "chain"), unknown(chain, list(catalog["chains"]))
    elif isinstance(chain, str):
        family = catalog["chains"][chain]
        if isinstance(settings := target.get("settings") or {}, dict):
            yield from problems(family["settings_schema"], settings, (*place, "settings"))
        if family["needs_endpoint"] and not target.get("endpoint"):
            yield (*place, "endpoint"), f"is needed for chain {chain}"
        yield from _checks_problems(target, place, family["kinds"], catalog)


def _regions_problems(regions: object, place: Place) -> Found:
    names = regions.get("names") if isinstance(regions, dict) else None
    if not isinstance(regions, dict) or not isinstance(names, list):
        return
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (*place, "names", index), f'"{name}" is there twice'
    agree = regions.get("agree")
    if isinstance(agree, int) and agree > len(names):
        yield (*place, "agree"), f"must not be more than the {len(names)} names (is {agree})"


def _checks_problems(target: Json, place: Place, kinds: list[str], catalog: Mapping[str, Any]) -> Found:
    checks = target.get("checks")
    for kind, check in (checks if isinstance(checks, dict) else {}).items():
        here = (*place, "checks", kind)
        if kind not in catalog["checks"]:
            yield here, unknown(kind, list(catalog["checks"]))
        elif kind not in kinds:
            on = f"chain {target['chain']}" if target.get("chain") else "a target without a chain"
            yield here, f"cannot work on {on}; it offers {', '.join(kinds)}"
        elif isinstance(check, dict):
            yield from _check_problems(check, here, catalog["checks"][kind])


def _check_problems(check: Json, place: Place, known: Mapping[str, Any]) -> Found:
    params = check.get("params", {})
    if isinstance(params, dict):
        yield from problems(known["params_schema"], params, (*place, "params"))
    interval, timeout = check.get("interval_s", known["interval_s"]), check.get("timeout_s")
    if isinstance(interval, int) and isinstance(timeout, int) and timeout > interval:
        yield (*place, "timeout_s"), f"must not be longer than interval_s ({interval})"


def placeholders(value: object, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str) and "${" in value:
        yield place, "placeholders such as ${NAME} are not supported; values are taken as they stand"
    elif isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in pairs:
            yield from placeholders(item, (*place, key))


def _as_written(target: Json) -> Json:
    plain = {key: target[key] for key in KEYS if target.get(key) not in (None, {}, []) or key == "name"}
    checks = target.get("checks") or {}
    if checks:
        plain["checks"] = {kind: _check_as_written(checks[kind]) for kind in sorted(checks)}
    return plain


def _check_as_written(check: Json) -> Json:
    plain = {key: check[key] for key in CHECK_KEYS if key in check}
    if plain.get("enabled") is True:
        del plain["enabled"]
    if not plain.get("params"):
        plain.pop("params", None)
    return plain


class _Dumper(yaml.SafeDumper):
    """Writes every value out: the reader refuses anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True
