"""What a month uses, against small cases counted by hand."""

from pathlib import Path

import pytest

from infra.cost.usage import (
    MONTH_S,
    Plan,
    Template,
    gb_seconds,
    invocations,
    kinds,
    log_gb,
    read_figures,
    runs_per_month,
    sqs_requests,
    usage,
)
from watchkeeper.model import KINDS

MINUTES = 43_800
FIGURES = {
    "task_bytes": 400,
    "cpu_s": {
        "schedule_checks": 0.01,
        "run_checks": 0.1,
        "deliver_notifications": 0.01,
        "make_reports": 0.02,
    },
    "log_bytes": {"schedule_checks": 650},
}
SMALL = """
Globals: {Function: {Handler: handlers.run_checks.handler, MemorySize: 512}}
Parameters: {LogRetentionDays: {Default: 30}}
Resources:
  ScheduleChecks:
    Type: AWS::Serverless::Function
    Properties:
      Handler: handlers.schedule_checks.handler
      Events: {EveryMinute: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 minute)}}}
  CheckUptime:
    Type: AWS::Serverless::Function
    Properties: {Events: {Due: {Type: SQS, Properties: {Queue: !GetAtt UptimeChecks.Arn}}}}
  DeliverNotifications:
    Type: AWS::Serverless::Function
    Properties:
      Handler: handlers.deliver_notifications.handler
      MemorySize: 2048
      Events: {Nudge: {Type: SQS, Properties: {Queue: !GetAtt Notifications.Arn}}}
  Late: {Type: AWS::CloudWatch::Alarm, Properties: {MetricName: Invocations}}
  Stopped:
    Type: AWS::CloudWatch::Alarm
    Properties: {Metrics: [{Id: e, Expression: a + b}, {Id: a, MetricStat: {}}, {Id: b, MetricStat: {}}]}
"""
ONE = Plan(targets=1, interval_s=60, checks=1, alerts_per_day=0)


@pytest.fixture
def small(tmp_path: Path) -> Template:
    (tmp_path / "t.yaml").write_text(SMALL)
    return Template(tmp_path / "t.yaml")


@pytest.mark.parametrize(
    ("plan", "messages"),
    [
        (Plan(targets=0), 0),
        (Plan(targets=1), 1),
        # 7 is a multiple of no grid but that of whole seconds.
        (Plan(targets=4, interval_s=7, seconds=6), 4),  # each in a second of its own
        (Plan(targets=100, interval_s=7, seconds=6), 6),  # 17 in each
        (Plan(targets=151, interval_s=7, seconds=6), 12),  # 26 in a second make two messages
        (Plan(targets=100, seconds=1), 4),  # all saved together
        (Plan(targets=100, seconds=30), 4),  # saved at any time: 50 at 0 and 30, 50 at 15 and 45
        (Plan(targets=151, seconds=30), 8),
        (Plan(targets=100, interval_s=7, seconds=60), 7),  # there are no more seconds
        (Plan(targets=100, interval_s=5, seconds=60), 4),
    ],
)
def test_checks_of_one_second_share_a_message(plan: Plan, messages: int) -> None:
    assert plan.messages_per_slot == messages


def test_schedules_are_counted() -> None:
    assert runs_per_month("rate(1 minute)") == MINUTES
    assert runs_per_month("rate(2 hours)") == 365
    assert runs_per_month("cron(20 0 * * ? *)") == pytest.approx(MONTH_S / 86400)
    with pytest.raises(ValueError, match="cannot tell"):
        runs_per_month("cron(0 0 1 * ? *)")


def test_invocations_are_ticks_sweeps_and_messages(small: Template) -> None:
    assert invocations(ONE, small) == {
        "ScheduleChecks": MINUTES,
        "CheckUptime": MINUTES,  # one message for its one slot a minute
        "DeliverNotifications": 4 * MINUTES,  # the four sweeps of a minute
    }
    alerting = Plan(targets=1, interval_s=60, alerts_per_day=24)
    assert invocations(alerting, small)["DeliverNotifications"] == pytest.approx(4 * MINUTES + 2 * 730)


def test_queue_requests(small: Template) -> None:
    assert sqs_requests(ONE, small, FIGURES) == {
        "sent": 2 * MINUTES,  # the checks of a minute, and its sweeps
        "received": 5 * MINUTES,
        "deleted": 5 * MINUTES,
        "asked in vain": 2 * 15 * MINUTES,
    }


def test_computing(small: Template) -> None:
    """At 512 MB a function has 512/1769 of a processor; above 1769 MB it has one."""
    slow = 1769 / 512
    by_hand = (
        MINUTES * (0.01 * slow + 0.05) * 0.5
        + MINUTES * (0.1 * slow + 0.55) * 0.5
        + 4 * MINUTES * (0.01 + 0.05) * 2
    )
    assert gb_seconds(ONE, small, FIGURES) == pytest.approx(by_hand)


def test_logs(small: Template) -> None:
    assert log_gb(ONE, small, FIGURES) == pytest.approx(MINUTES * (6 * 350 + 650) / 1e9)


def test_an_alarm_that_computes_counts_for_each_metric_it_reads(small: Template) -> None:
    assert {what: used for _, what, used in usage(ONE, small, FIGURES)}["alarms, metrics"] == 1 + 2


def test_what_is_deployed_can_be_counted() -> None:
    own = Template.own()
    assert len(kinds(own)) == len(KINDS)
    runs = invocations(Plan(), own)
    assert [
        name for name, count in runs.items() if count == 0 and name not in (*kinds(own), "RecordSpooled")
    ] == []
    figures = read_figures()
    assert set(figures["cpu_s"]) == set(figures["log_bytes"])
    assert {name.split(".")[1] for name in (f["Handler"] for f in own.functions.values())} >= set(
        figures["cpu_s"]
    )
