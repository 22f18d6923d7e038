"""Each alarm tells the operators, and the runbook says what it means; and nothing is measured that nobody writes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.house.test_template import ROOT, of_type, resources
from watchkeeper.telemetry import METRICS

ALARMS = of_type("AWS::CloudWatch::Alarm")
RUNBOOK = (ROOT / "infra" / "runbook.md").read_text()
PARAGRAPHS = dict(re.findall(r"^## ([a-z-]+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.M | re.S))


def name_of(alarm: dict[str, Any]) -> str:
    name: str = alarm["AlarmName"]["Fn::Sub"]
    return name.removeprefix("watchkeeper-${Stage}-")


def stats(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics that it looks at."""
    return [q["MetricStat"]["Metric"] for q in alarm.get("Metrics", []) if "MetricStat" in q] or [alarm]


def test_every_alarm_has_its_paragraph_and_every_paragraph_its_alarm() -> None:
    assert sorted(PARAGRAPHS) == sorted(name_of(alarm) for alarm in ALARMS.values())


@pytest.mark.parametrize("name", PARAGRAPHS)
def test_a_paragraph_says_what_it_means_how_to_look_and_what_to_do(name: str) -> None:
    said = re.findall(r"^\*\*(.+?):\*\*", PARAGRAPHS[name], re.M)
    assert said == ["What it means", "How to look", "What to do"]


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_tells_the_operators_when_it_begins_and_when_it_ends(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "Operators"}]
    assert f"See {name_of(alarm)} in infra/runbook.md." in alarm["AlarmDescription"]
    assert alarm["TreatMissingData"] in ("breaching", "notBreaching"), "silence is decided upon"


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_looks_at_metrics_that_there_are(name: str) -> None:
    for metric in stats(ALARMS[name]):
        if metric["Namespace"] == {"Fn::Sub": "Watchkeeper/${Stage}"}:
            assert metric["MetricName"] in METRICS
        for dimension in metric.get("Dimensions", []):
            value = dimension["Value"]
            if isinstance(value, dict):
                logical_id = value.get("Ref") or value["Fn::GetAtt"][0]
                assert logical_id in resources()


def test_an_alarm_that_computes_is_left_out_where_that_is_not_to_be_had() -> None:
    for name, alarm in ALARMS.items():
        assert (resources()[name].get("Condition") == "ComputesMetrics") == ("Metrics" in alarm), name


def test_silence_is_an_alarm_where_there_must_be_something() -> None:
    breaching = {name_of(a) for a in ALARMS.values() if a["TreatMissingData"] == "breaching"}
    assert breaching == {"ticks-stopped", "deliveries-stopped"}


def test_an_alarm_of_many_metrics_has_no_more_than_cloudwatch_takes() -> None:
    for alarm in ALARMS.values():
        queries = alarm.get("Metrics", [])
        assert len(stats(alarm)) <= 10
        assert sum(query.get("ReturnData", True) for query in queries) == bool(queries)


def test_all_functions_and_dead_letters_are_looked_at() -> None:
    looked_at = json.dumps(list(ALARMS.values()))
    for name in [*of_type("AWS::Lambda::Function"), *of_type("AWS::SQS::Queue")]:
        assert f'"{name}"' in looked_at, name


def test_the_functions_write_where_the_alarms_read() -> None:
    for function in of_type("AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["METRICS_NAMESPACE"] == {
            "Fn::Sub": "Watchkeeper/${Stage}"
        }


def test_the_dashboard_is_json_and_shows_what_there_is() -> None:
    (dashboard,) = of_type("AWS::CloudWatch::Dashboard").values()
    body = dashboard["DashboardBody"]["Fn::Sub"]
    widgets = json.loads(body)["widgets"]
    listed = {each.rpartition("${Stage}-")[2] for each in widgets[0]["properties"]["alarms"]}
    assert listed == set(PARAGRAPHS) - {"charges"}, "that one is not in every region"
    shown = {
        metric[1]
        for w in widgets
        for metric in w["properties"].get("metrics", [])
        if "Watchkeeper" in metric[0]
    }
    assert shown == set(METRICS)
    named = {each.split(".")[0] for each in re.findall(r"\$\{([^}]+)\}", body)} - {
        "Stage",
        "AWS::Region",
        "AWS::Partition",
        "AWS::AccountId",
    }
    assert named <= set(resources())


def test_every_metric_is_written_somewhere() -> None:
    sources = "".join(path.read_text() for path in Path(ROOT / "functions" / "handlers").glob("*.py"))
    for name in METRICS:
        family = re.match(r"(Results|Deliveries)", name)
        assert f'"{name}"' in sources or (family and f'f"{family[0]}{{' in sources), name
