"""What is logged shows no secret and has an end; what is counted is printed as CloudWatch reads it."""

import io
import json
import time
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from tests.handlers.doubles import Context
from watchkeeper import telemetry

KEY = "sb_secret_" + "a" * 30


@pytest.fixture
def lines() -> Any:
    """Logs, and what came out."""
    out = io.StringIO()
    log = Logger(service=f"test-{id(out)}", logger_formatter=telemetry.Formatter(), stream=out, level="INFO")
    return log, out.getvalue


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl",
        "https://user:pa55word@node.example.com/",
        "Authorization: Bearer abcdef0123456789",
    ],
)
def test_no_line_shows_a_secret(lines: Any, secret: str) -> None:
    log, printed = lines
    log.warning(f"refused: {secret}", extra={"deep": {"list": [secret]}})
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("broke")
    assert "refused" in printed()
    for part in (KEY, "c2lnbmF0dXJl", "pa55word", "abcdef0123456789"):
        assert part not in printed()
    assert all(json.loads(line) for line in printed().splitlines()), "still JSON"


def test_what_is_hidden_is_never_shown(lines: Any) -> None:
    log, printed = lines
    log.info("with %s", telemetry.hide("correct horse"))
    assert "correct horse" not in printed()
    assert "***" in printed()


def test_what_is_long_is_cut(lines: Any) -> None:
    log, printed = lines
    nested: Any = "deep"
    for _ in range(50):
        nested = {"in": nested}
    log.info("x" * 100_000, extra={"rows": list(range(10_000)), "nested": nested, "why": "y" * 100_000})
    assert 0 < len(printed()) < 6000
    told = json.loads(printed())
    assert told["why"].endswith("(100000 characters)")
    assert told["rows"][-1] == "… (10000 in all)"


def test_a_count_is_a_metric_without_dimensions_if_it_is_one_of_the_few(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METRICS_NAMESPACE", "Watchkeeper/test")
    meter = telemetry.Meter("worker")

    @meter.told
    def handler(_event: dict[str, Any], _context: Any) -> str:
        meter.add("Ticks")
        meter.add("Ticks", 2)
        meter.add("NotAMetric", 7)
        return "done"

    assert handler({}, Context()) == "done"
    line = json.loads(capsys.readouterr().out)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive == {
        "Namespace": "Watchkeeper/test", "Dimensions": [[]], "Metrics": [{"Name": "Ticks", "Unit": "Count"}],
    }  # fmt: skip
    assert (line["Ticks"], line["NotAMetric"], line["service"]) == (3, 7, "worker")
    assert line["function_request_id"] == Context.aws_request_id
    assert line["DurationMs"] >= 0
    assert abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 60


def test_what_was_counted_before_a_failure_is_told_and_then_forgotten(
    capsys: pytest.CaptureFixture[str],
) -> None:
    meter = telemetry.Meter("worker")

    @meter.told
    def handler(event: dict[str, Any], _context: Any) -> None:
        meter.add("StoreUnreachable", event["n"])
        raise ValueError

    for n in (1, 0):
        with pytest.raises(ValueError):  # noqa: PT011 - any will do
            handler({"n": n}, Context())
    assert [json.loads(line)["StoreUnreachable"] for line in capsys.readouterr().out.splitlines()] == [1, 0]


def test_no_more_metrics_than_are_free() -> None:
    assert len(telemetry.METRICS) <= 10


def test_messages_say_where_they_come_from() -> None:
    bodies = [
        '{"correlation_id": "b"}',
        "{",
        "[]",
        "{}",
        '{"correlation_id": "a,b"}',
        '{"correlation_id": 7}',
    ]
    assert telemetry.correlation(bodies) == "a,b"
    assert telemetry.correlation(["{}"]) is None
