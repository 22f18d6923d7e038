"""The whole file: targets, who hears of them and how, and what is promised. Checked in full against the catalog, and
written back.

What only the database knows is left to it: whether a channel, a rotation or a time zone that is named exists.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.cli.schema import Found, Schema, problems, unknown
from infra.cli.targets_file import FILE as TARGETS_FILE
from infra.cli.targets_file import as_written, note, placeholders, repeated_names, targets_problems, write
from infra.cli.yaml_file import Document, Place, parse, read

Json = dict[str, Any]

NAME: Json = {"type": "string", "minLength": 1, "maxLength": 100}
NAMES: Json = {"type": "array", "minItems": 1, "maxItems": 1000, "items": NAME}
WHO: Json = {"type": "array", "maxItems": 100, "items": {"type": "string"}}
LABELS: Json = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 200}}
PERSON: Json = {"type": ["string", "null"], "minLength": 3, "maxLength": 320}
TIME_OF_DAY = "([01][0-9]|2[0-3]):[0-5][0-9]"
DAY = "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
# Where a secret may be kept; the same as in the database.
REFERENCE = (
    "(env:CHANNEL_[A-Z0-9_]{1,100}|ssm:/watchkeeper/channels/[A-Za-z0-9_./-]{1,200}"
    "|secretsmanager:watchkeeper/channels/[A-Za-z0-9_/.-]{1,200})"
)
PLACES = "env:CHANNEL_X, ssm:/watchkeeper/channels/x or secretsmanager:watchkeeper/channels/x"


def whole(least: int, most: int, *, optional: bool = False) -> Json:
    return {"type": ["integer", "null"] if optional else "integer", "minimum": least, "maximum": most}


def record(required: list[str], **properties: Json) -> Json:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


SEVERITIES = ["info", "warning", "error", "critical"]
MATCH = record(
    [],
    min_severity={"enum": SEVERITIES},
    targets=NAMES,
    networks=NAMES,
    chains=NAMES,
    kinds=NAMES,
    alert_types=NAMES,
    labels=LABELS,
)
# Of services, which have no severity and no kind.
GROUP = record([], targets=NAMES, networks=NAMES, chains=NAMES, labels=LABELS)
HOURS: Json = {
    **record(
        [],
        time_zone={"type": "string"},
        days={
            "type": "array",
            "minItems": 1,
            "maxItems": 7,
            "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]},
        },
        **{
            "from": {"type": "string", "pattern": f"^{TIME_OF_DAY}$"},
            "to": {"type": "string", "pattern": f"^({TIME_OF_DAY}|24:00)$"},
        },
    ),
    "type": ["object", "null"],
}
CHANNEL = record(
    ["name", "kind"],
    name=NAME,
    kind={"type": "string"},
    config={"type": "object"},
    secrets={"type": "object", "additionalProperties": {"type": "string"}},
    person=PERSON,
    enabled={"type": "boolean"},
    rate_per_minute=whole(1, 6000, optional=True),
)
ROTATION = record(
    ["name", "people", "starts_at"],
    name=NAME,
    people={
        "type": "array",
        "minItems": 1,
        "maxItems": 100,
        "items": {"type": "string", "minLength": 3, "maxLength": 320},
    },
    starts_at={"type": "string", "pattern": f"^{DAY}T{TIME_OF_DAY}$"},
    shift_days=whole(1, 366),
    time_zone={"type": "string"},
)
STEP = record(["after_s"], after_s=whole(0, 604_800), channels=WHO, on_call=WHO)
ESCALATION = record(
    ["name", "steps"],
    name=NAME,
    steps={"type": "array", "minItems": 1, "maxItems": 20, "items": STEP},
    repeats=whole(0, 100),
)
ROUTE = record(
    ["name"],
    name=NAME,
    position=whole(0, 1_000_000),
    match=MATCH,
    hours=HOURS,
    channels=WHO,
    escalation={"type": ["string", "null"]},
    group_wait_s=whole(0, 3600),
    remind_every_s=whole(60, 604_800, optional=True),
    enabled={"type": "boolean"},
    **{"continue": {"type": "boolean"}},
)
MOMENT: Json = {"type": "string", "pattern": f"^{DAY}T{TIME_OF_DAY}(:[0-5][0-9])?$"}
SILENCE = record(
    ["comment", "starts_at", "ends_at"],
    comment={"type": "string", "minLength": 1, "maxLength": 1000},
    kind={"enum": ["silence", "maintenance"]},
    match=MATCH,
    starts_at=MOMENT,
    ends_at=MOMENT,
    time_zone={"type": "string"},
    rrule={"type": ["string", "null"], "minLength": 1, "maxLength": 500},
)
HEARTBEAT = record(
    ["name"],
    name=NAME,
    period_s=whole(30, 31_622_400, optional=True),
    cron={"type": ["string", "null"], "minLength": 9, "maxLength": 200},
    time_zone={"type": "string"},
    grace_s=whole(0, 2_592_000),
    severity={"enum": ["warning", "error", "critical"]},
    labels=LABELS,
    paused={"type": "boolean"},
)
OBJECTIVE = record(
    ["name"],
    name={**NAME, "pattern": r"^\S(.*\S)?$"},
    match=GROUP,
    percent={"type": "number", "minimum": 50, "maximum": 99.9999},
    window_days=whole(1, 366),
    counts_unknown={"enum": ["apart", "down"]},
    burn_alerts={"type": "boolean"},
)
REPORT_PLAN = record(
    ["name"],
    name=NAME,
    kind={"enum": ["sla", "compliance"]},
    match=GROUP,
    objective={"type": ["string", "null"]},
    formats={
        "type": "array",
        "minItems": 1,
        "maxItems": 20,
        "items": {"enum": ["html", "pdf", "csv", "json"]},
    },
    channels=WHO,
    enabled={"type": "boolean"},
)
BENCHMARK_RULE = record(
    ["name", "benchmark_name", "operation_type"],
    name=NAME,
    benchmark_name=NAME,
    operation_type=NAME,
    percentile={"enum": [50, 95, 99]},
    max_increase_percent={"type": "number", "minimum": 0, "maximum": 100_000},
    window_s=whole(60, 604_800),
    min_samples=whole(1, 100_000),
    severity={"enum": SEVERITIES},
    enabled={"type": "boolean"},
)
ITEMS: Mapping[str, Json] = {
    "channels": CHANNEL,
    "rotations": ROTATION,
    "escalations": ESCALATION,
    "routes": ROUTE,
    "silences": SILENCE,
    "heartbeats": HEARTBEAT,
    "objectives": OBJECTIVE,
    "report_plans": REPORT_PLAN,
    "benchmark_rules": BENCHMARK_RULE,
}
# Settings of which there is one; what the file does not mention stays.
SINGLES: Mapping[str, Json] = {
    "delivery_settings": record(
        [],
        storm_alerts=whole(2, 1000),
        flapping_changes=whole(3, 1000),
        flapping_window_s=whole(60, 86_400),
        dead_after_s=whole(60, 1_209_600),
    ),
    "incident_settings": record(
        [],
        enabled={"type": "boolean"},
        match=MATCH,
        critical_unacknowledged_s=whole(0, 604_800, optional=True),
        network_targets=whole(2, 10_000, optional=True),
        resolves_itself={"type": "boolean"},
    ),
    "access_settings": record([], require_mfa={"type": "boolean"}),
}
FILE: Json = record(
    [],
    targets=TARGETS_FILE["properties"]["targets"],
    **{section: {"type": "array", "items": item} for section, item in ITEMS.items()},
    **SINGLES,
)
SECTIONS = list(FILE["properties"])
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
