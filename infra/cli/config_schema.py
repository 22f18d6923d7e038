"""What the whole file may hold: a JSON schema of each section, with the bounds of the database."""

from collections.abc import Mapping
from typing import Any

from infra.cli.targets_file import FILE as TARGETS_FILE

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
