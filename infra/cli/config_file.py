"""The whole file: targets, who hears of them and how, and what is promised. Checked in full against the catalog, and
written back.

What only the database knows is left to it: whether a channel, a rotation or a time zone that is named exists.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.cli.config_schema import FILE, ITEMS, PLACES, REFERENCE, SECTIONS, SINGLES
from infra.cli.schema import Found, Schema, problems, unknown
from infra.cli.targets_file import as_written, note, placeholders, repeated_names, targets_problems, write
from infra.cli.yaml_file import Document, Place, parse, read

Json = dict[str, Any]

HEADER = f"""\
# Everything Watchkeeper is told. Apply with: watchkeeper apply FILE
# Secrets are named, not written out: {PLACES}
"""


def load(path: Path, catalog: Mapping[str, Any]) -> Document:
    """The file's sections in `.data`; raises FileError with every problem and its line."""
    return _checked(read(path), catalog)


def loads(text: str, catalog: Mapping[str, Any], name: str = "watchkeeper.yaml") -> Document:
    """Like `load`, of a text at hand."""
    return _checked(parse(text, name), catalog)


def dump(config: Json) -> str:
    """What the database exported as a file that `load` takes. Sections with nothing in them are left out."""
    written: Json = {"targets": as_written(config.get("targets", []))}
    for section, item in ITEMS.items():
        if config.get(section):
            written[section] = [_item_as_written(one, item) for one in config[section]]
    for section, schema in SINGLES.items():
        if config.get(section):
            # Null says something here: never.
            written[section] = {
                key: config[section][key] for key in schema["properties"] if key in config[section]
            }
    return HEADER + write(written)


def _checked(document: Document, catalog: Mapping[str, Any]) -> Document:
    if document.data is None:
        document.problem((), f"is empty; it may hold {', '.join(SECTIONS)}")
    else:
        note(document, problems(FILE, document.data, ()))
        note(document, targets_problems(document.data, catalog))
        for section in ITEMS:
            note(document, _section_problems(document.data, section, catalog))
    document.raise_problems()
    return document


def _section_problems(data: object, section: str, catalog: Mapping[str, Any]) -> Found:
    items = data.get(section) if isinstance(data, dict) else None
    for index, item in enumerate(items if isinstance(items, list) else []):
        place = (section, index)
        yield from placeholders(item, place)
        if isinstance(item, dict):
            yield from _item_problems(section, item, place, catalog)
    yield from repeated_names(items, section, "comment" if section == "silences" else "name")


def _item_problems(section: str, item: Json, place: Place, catalog: Mapping[str, Any]) -> Found:
    if section == "channels" and isinstance(item.get("kind"), str):
        yield from _channel_problems(item, place, catalog["notifiers"])
    elif section == "routes" and not item.get("channels") and not item.get("escalation"):
        yield (*place, "channels"), "must name a channel, or the route an escalation"
    elif section == "silences" and str(item.get("ends_at")) <= str(item.get("starts_at")):
        yield (*place, "ends_at"), "must be after starts_at"
    elif section == "heartbeats" and (item.get("period_s") is None) == (item.get("cron") is None):
        yield place, "needs either period_s or cron"
    elif section == "report_plans" and item.get("kind") == "compliance":
        yield from _compliance_problems(item, place)


def _compliance_problems(plan: Json, place: Place) -> Found:
    if plan.get("match"):
        yield (*place, "match"), "a compliance report is about the whole installation"
    if plan.get("objective") is not None:
        yield (*place, "objective"), "a compliance report has none"


def _channel_problems(channel: Json, place: Place, notifiers: Mapping[str, Any]) -> Found:
    kind = channel["kind"]
    if kind not in notifiers:
        yield (*place, "kind"), unknown(kind, list(notifiers))
        return
    notifier = notifiers[kind]
    config, secrets = channel.get("config", {}), channel.get("secrets", {})
    if isinstance(config, dict):
        yield from problems(notifier["config_schema"], config, (*place, "config"))
    if isinstance(secrets, dict):
        yield from _secrets_problems(secrets, (*place, "secrets"), notifier)


def _secrets_problems(secrets: Json, place: Place, notifier: Schema) -> Found:
    for name, reference in secrets.items():
        if name not in notifier["secrets"]:
            yield (*place, name), unknown(name, notifier["secrets"])
        elif isinstance(reference, str) and not re.fullmatch(REFERENCE, reference):
            # What stands there may be the secret itself, so it is not repeated.
            yield (*place, name), f"must say where the secret is kept: {PLACES}"
    for name in notifier["required_secrets"]:
        if name not in secrets:
            yield (*place, name), "is missing"


def section_of(argument: str | None) -> str | None:
    """Which section a refusal such as `routes[1].channels` or `incident_settings.match` is about."""
    named = re.match(r"([a-z_]+)\b", argument or "")
    return named[1] if named and named[1] in SECTIONS else None


def _item_as_written(item: Json, schema: Json) -> Json:
    """In the order of the schema. What says nothing is left out."""
    required = schema["required"]
    return {
        key: item[key]
        for key in schema["properties"]
        if key in item and (item[key] not in (None, {}, []) or key in required)
    }
