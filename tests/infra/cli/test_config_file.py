"""The whole file: every mistake with its line, all at once; and what is exported can be applied."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from infra.cli.config_file import dump, loads
from infra.cli.config_schema import PLACES, SECTIONS
from infra.cli.yaml_file import FileError
from tests.support.near import near
from watchkeeper.catalog import catalog

CATALOG = catalog()
GOOD = """\
targets:
  - name: site
    endpoint: https://example.org/
    checks: {uptime: {}}
channels:
  - name: ops
    kind: slack
    secrets: {webhook_url: "ssm:/watchkeeper/channels/slack"}
  - name: ann's phone
    kind: pagerduty
    person: ann@example.org
    secrets: {routing_key: "env:CHANNEL_PAGERDUTY"}
rotations:
  - name: on call
    time_zone: Europe/Berlin
    starts_at: 2026-01-05T09:00
    people: [ann@example.org, bo@example.org]
escalations:
  - name: page
    repeats: 2
    steps:
      - {after_s: 0, on_call: [on call]}
      - {after_s: 300, channels: [ops]}
routes:
  - name: critical
    match: {min_severity: critical, labels: {env: prod}}
    escalation: page
    channels: [ops]
    hours: {time_zone: UTC, days: [mon], from: "09:00", to: "24:00"}
    continue: true
silences:
  - comment: the weekly deploy
    kind: maintenance
    match: {targets: [site]}
    starts_at: 2026-01-06T10:00
    ends_at: 2026-01-06T10:30
    rrule: FREQ=WEEKLY;BYDAY=TU
heartbeats:
  - name: backup
    cron: 30 2 * * *
    grace_s: 600
objectives:
  - name: main net
    match: {networks: [main]}
    percent: 99.95
    window_days: 28
    counts_unknown: down
    burn_alerts: false
report_plans:
  - name: customers
    kind: sla
    match: {labels: {env: prod}}
    objective: main net
    formats: [html, pdf]
    channels: [ops]
    enabled: true
benchmark_rules:
  - name: slower signing
    benchmark_name: ci
    operation_type: sign
    percentile: 99
    max_increase_percent: 12.5
delivery_settings:
  storm_alerts: 20
incident_settings:
  match: {min_severity: error}
  network_targets: null
access_settings:
  require_mfa: true
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(FileError) as caught:
        loads(text, CATALOG, "my.yaml")
    return str(caught.value).splitlines()


def test_a_good_file_is_its_sections() -> None:
    assert list(loads(GOOD, CATALOG).data) == SECTIONS


def test_every_mistake_is_told_at_once_with_its_line() -> None:
    text = """\
targets:
  - nam: site
channels:
  - name: ops
    kind: slak
  - name: ops
    kind: webhook
    secrets: {urll: "env:CHANNEL_A"}
  - name: hook
    kind: webhook
    secrets: {url: "https://hooks.example.org/secret"}
  - name: chat
    kind: telegram
    config: {chat: 5}
    secrets: {bot_token: "env:HOME"}
routes:
  - name: none
    match: {severity: critical}
  - name: late
    channels: [ops]
    hours: {from: "9:00"}
silences:
  - comment: never
    starts_at: 2026-01-02T00:00
    ends_at: 2026-01-01T00:00
heartbeats:
  - name: backup
rotation: []
objectives:
  - name: " a"
    percent: 100
    match: {min_severity: error}
report_plans:
  - name: who had access
    kind: compliance
    match: {networks: [main]}
    objective: a
    formats: [doc]
benchmark_rules:
  - name: a
    percentile: 90
  - name: a
    benchmark_name: ci
    operation_type: sign
delivery_settings: {storm_alerts: 1, storm: 5}
incident_settings: {network_targets: one, enabled: null}
"""
    found = [line.partition(" (is")[0].partition("; known are")[0] for line in mistakes(text)]
    assert found == [
        'my.yaml:2: targets[0].nam: is not known; did you mean "name"?',
        "my.yaml:2: targets[0].name: is missing",
        'my.yaml:5: channels[0].kind: is not known; did you mean "slack"?',
        'my.yaml:6: channels[1].name: "ops" is also the name of channels[0]',
        "my.yaml:8: channels[1].secrets.url: is missing",
        'my.yaml:8: channels[1].secrets.urll: is not known; did you mean "url"?',
        f"my.yaml:11: channels[2].secrets.url: must say where the secret is kept: {PLACES}",
        'my.yaml:14: channels[3].config.chat: is not known; did you mean "chat_id"?',
        "my.yaml:14: channels[3].config.chat_id: is missing",
        f"my.yaml:15: channels[3].secrets.bot_token: must say where the secret is kept: {PLACES}",
        "my.yaml:17: routes[0].channels: must name a channel, or the route an escalation",
        'my.yaml:18: routes[0].match.severity: is not known; did you mean "min_severity"?',
        "my.yaml:21: routes[1].hours.from: must match ^([01][0-9]|2[0-3]):[0-5][0-9]$",
        "my.yaml:25: silences[0].ends_at: must be after starts_at",
        "my.yaml:27: heartbeats[0]: needs either period_s or cron",
        'my.yaml:28: rotation: is not known; did you mean "rotations"?',
        "my.yaml:30: objectives[0].name: must match ^\\S(.*\\S)?$",
        "my.yaml:31: objectives[0].percent: must be a number from 50 to 99.9999",
        "my.yaml:32: objectives[0].match.min_severity: is not known",
        "my.yaml:36: report_plans[0].match: a compliance report is about the whole installation",
        "my.yaml:37: report_plans[0].objective: a compliance report has none",
        "my.yaml:38: report_plans[0].formats[0]: must be one of html, pdf, csv, json",
        "my.yaml:40: benchmark_rules[0].benchmark_name: is missing",
        "my.yaml:40: benchmark_rules[0].operation_type: is missing",
        "my.yaml:41: benchmark_rules[0].percentile: must be one of 50, 95, 99",
        'my.yaml:42: benchmark_rules[1].name: "a" is also the name of benchmark_rules[0]',
        "my.yaml:45: delivery_settings.storm: is not known",
        "my.yaml:45: delivery_settings.storm_alerts: must be a whole number from 2 to 1000",
        "my.yaml:46: incident_settings.enabled: must be true or false",
        "my.yaml:46: incident_settings.network_targets: must be a whole number or null from 2 to 10000",
    ]


def test_an_empty_file_says_what_it_may_hold() -> None:
    assert mistakes("") == [f"my.yaml:1: is empty; it may hold {', '.join(SECTIONS)}"]


def test_a_secret_that_stands_in_the_file_is_not_said_again() -> None:
    secret = "https://hooks.example.org/5ecret"
    (said,) = mistakes(f'channels: [{{name: a, kind: webhook, secrets: {{url: "{secret}"}}}}]')
    assert secret not in said


def test_what_is_exported_can_be_applied() -> None:
    config: dict[str, Any] = loads(GOOD, CATALOG).data
    stored = {
        **config,
        "routes": [{**config["routes"][0], "remind_every_s": None, "position": 100, "enabled": True}],
        "heartbeats": [{**config["heartbeats"][0], "period_s": None, "labels": {}}],
    }
    found = loads(dump(stored), CATALOG).data
    assert found["channels"] == config["channels"]
    assert found["routes"] == [{**config["routes"][0], "position": 100, "enabled": True}]
    assert found["heartbeats"] == config["heartbeats"]
    for section in (
        "objectives",
        "report_plans",
        "benchmark_rules",
        "delivery_settings",
        "incident_settings",
        "access_settings",
    ):
        assert found[section] == config[section]
    assert loads(dump(found), CATALOG).data == found


def test_settings_of_which_there_is_one_are_written_in_order_with_their_nulls() -> None:
    text = dump({"incident_settings": {"network_targets": None, "match": {}, "enabled": True}})
    assert text.endswith("incident_settings:\n  enabled: true\n  match: {}\n  network_targets: null\n")


def test_an_export_of_nothing_can_be_applied() -> None:
    assert loads(dump({section: [] for section in SECTIONS}), CATALOG).data == {"targets": []}


@settings(max_examples=200, deadline=None)
@given(near(loads(GOOD, CATALOG).data))
def test_any_data_is_taken_or_refused_with_a_line(config: object) -> None:
    try:
        loads(json.dumps(config), CATALOG, "my.yaml")
    except FileError as error:
        assert all(line.startswith("my.yaml:1: ") for line in str(error).splitlines())  # noqa: PT017
