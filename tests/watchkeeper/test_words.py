import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.watchkeeper.notifiers.support import HOSTILE, NOW, SIGNED, message
from watchkeeper.text import GREEN, PLAIN, Wording, body, is_web_address
from watchkeeper.words import span, wording

DASHBOARD, RUNBOOK = "https://watch.example.com", "https://runbooks.example.com/"


def words(event: str = "trigger", now: datetime = NOW, **given: Any) -> Wording:
    return wording(message("slack", event, **given), now, DASHBOARD, RUNBOOK)


def facts(said: Wording) -> dict[str, str]:
    return dict(said.facts)


@pytest.mark.parametrize(
    ("event", "title"),
    [
        ("trigger", "CRITICAL anvil: chain stalled"),
        ("escalate", "Worse: CRITICAL anvil: chain stalled"),
        ("remind", "Still firing: CRITICAL anvil: chain stalled"),
        ("acknowledge", "Acknowledged: CRITICAL anvil: chain stalled"),
        ("resolve", "Resolved: anvil: chain stalled"),
        ("test", "Test from Watchkeeper"),
    ],
)
def test_titles(event: str, title: str) -> None:
    assert words(event).title == title


def test_an_alert_in_all_its_words() -> None:
    said = words(occurrences=3)
    assert said.lines == ("no block for 75 s, expected one every 12 s",)
    assert facts(said) == {
        "Where": "anvil (anvil, evm)",
        "Since": "2026-11-23 12:00:30 UTC (5 min, seen 3 times)",
        "It means": "No new blocks arrive: transactions wait and nothing is confirmed.",
        "Values": "height 123 blocks; active peers unknown (5 peers 5 min ago)",
        "On it": "nobody yet",
        "Sent because": "route: everything",
    }
    assert dict(said.links) == {
        "Runbook": "https://runbooks.example.com/chain_stalled",
        "Alert": "https://watch.example.com/alerts/00000000-0000-4000-8000-000000000000",
    }


def test_the_end_says_when_and_why_and_how_long_it_took() -> None:
    said = words("resolve", NOW + timedelta(days=2))
    assert facts(said)["Ended"] == "2026-11-23 12:05:30 UTC: the rule is clear"
    assert facts(said)["Since"] == "2026-11-23 12:00:30 UTC (5 min)"
    assert "It means" not in facts(said)
    assert said.colour == GREEN


def test_who_is_on_it() -> None:
    assert facts(words("acknowledge"))["On it"] == "ann@example.com since 2026-11-23 12:05:30 UTC"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"value": "0.1", "unit": None, "known": True}, "fees 0.1"),
        ({"value": None, "known": True}, "fees unknown"),
        ({"value": None, "known": False}, "fees unknown"),
        ({"value": "7", "known": False, "observed_at": None}, "fees unknown"),
        (
            {"value": "7", "unit": "eth", "known": False, "observed_at": "2026-11-23T10:00:30Z"},
            "fees unknown (7 eth 2 h 5 min ago)",
        ),
    ],
)
def test_a_value_that_is_not_known_is_never_shown_as_if_it_were(value: dict[str, Any], told: str) -> None:
    assert facts(words(values=[{"name": "fees", **value}]))["Values"] == told


def test_an_alert_type_of_tomorrow_has_words_too() -> None:
    said = words(alert_type="brand_new", metadata={}, target=None, source="ci", values=[])
    assert said.title == "CRITICAL ci: brand new"
    assert set(facts(said)) == {"Where", "Since", "On it", "Sent because"}


def test_a_storm_lists_the_worst_first() -> None:
    storm = message("slack", count=30, severity="warning")
    worse = storm.deliveries[20].alert
    assert worse
    changed = worse.model_copy(update={"severity": "critical"})
    deliveries = list(storm.deliveries)
    deliveries[20] = deliveries[20].model_copy(update={"alert": changed})
    said = wording(storm.model_copy(update={"deliveries": tuple(deliveries)}), NOW, DASHBOARD)
    assert said.title == "30 alerts, the worst is critical"
    assert said.lines[0].startswith("CRITICAL node-20: chain stalled: no block")
    assert (said.severity, len(said.lines)) == ("critical", 30)
    text = body(said, 1000, PLAIN)
    assert re.search(r"\n… and \d+ more\nAlerts: https://watch.example.com/alerts$", text)


def test_a_test_says_that_nothing_is_wrong() -> None:
    assert words("test").lines == ("The channel ops works. Nothing is wrong.",)


@pytest.mark.parametrize(
    "labels", [{"runbook": "https://wiki.example/a?b=1#c"}, {"runbook": "http://wiki/x"}]
)
def test_a_targets_own_runbook_comes_first(labels: dict[str, str]) -> None:
    assert dict(words(metadata={"labels": labels}).links)["Runbook"] == labels["runbook"]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "ftp://x/", "https://", "https://x y/", "https://x/\r\nA: b", "https://x/<b>", "//x/",
        "https://x/|y", "https://x/" + "y" * 600, "https://x/\u202e", "https://x/@everyone",
        "https://bank.example@x/", 'https://x/"', "https://[::1", 7, None, ["https://x/"],
    ],
)  # fmt: skip
def test_a_runbook_that_is_no_plain_link_is_left_out(url: object) -> None:
    assert not isinstance(url, str) or not is_web_address(url)
    link = dict(words(metadata={"labels": {"runbook": url}}).links)["Runbook"]
    assert link == "https://runbooks.example.com/chain_stalled"


@pytest.mark.parametrize("labels", [None, [], "x", {"runbook": {}}])
def test_labels_of_any_shape(labels: object) -> None:
    assert words(metadata={"labels": labels, "network": {"a": 1}, "chain": 7}).title


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (-5, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (90061, "1 d 1 h")],
)
def test_spans(seconds: float, told: str) -> None:
    assert span(timedelta(seconds=seconds)) == told


def test_a_body_keeps_its_links_however_long_the_rest_is() -> None:
    said = words(message=HOSTILE, why="x" * 9000)
    assert body(said, 1000, PLAIN).endswith("\nAlert: " + dict(said.links)["Alert"])


def test_every_text_is_one_line() -> None:
    said = words(
        message=HOSTILE, target=HOSTILE, alert_type=HOSTILE, why=HOSTILE, metadata={"network": HOSTILE}
    )
    for text in (said.title, *said.lines, *facts(said).values()):
        assert text.isprintable()
        assert "\u202e" not in text


def test_hebrew_stays_hebrew() -> None:
    assert words(message="שלום").lines == ("שלום",)


# Incidents


@pytest.mark.parametrize(
    ("event", "changes", "title"),
    [
        ("trigger", {}, "CRITICAL incident: 3 targets of anvil fail"),
        ("trigger", {"severity": "low"}, "LOW incident: 3 targets of anvil fail"),
        ("update", {}, "Update: CRITICAL incident: 3 targets of anvil fail"),
        ("resolve", {}, "Resolved: incident: 3 targets of anvil fail"),
    ],
)
def test_titles_of_an_incident(event: str, changes: dict[str, Any], title: str) -> None:
    assert words(event, about="incident", **changes).title == title


def test_an_incident_in_all_its_words() -> None:
    said = words("update", about="incident", status="investigating", assigned_to_email="ann@example.com",
                 change="open → investigating: looking at the switch")  # fmt: skip
    assert said.lines == ("open → investigating: looking at the switch", "They all went within a minute.")
    assert facts(said) == {
        "Status": "investigating",
        "Severity": "critical",
        "Affected": "node-1, node-2, node-3",
        "Since": "2026-11-23 12:00:30 UTC (5 min)",
        "On it": "ann@example.com",
        "Sent because": "route: everything",
    }
    assert said.links == (
        ("Incident", "https://watch.example.com/incidents/00000000-0000-4000-b000-000000000000"),
    )


def test_an_incident_of_which_little_is_known() -> None:
    said = words(about="incident", affected_systems=[], network=None, description=None, change=None)
    assert said.lines == ()
    assert set(facts(said)) == {"Status", "Severity", "Since", "On it", "Sent because"}
    assert facts(said)["On it"] == "nobody yet"
    assert wording(message("slack", about="incident"), NOW).links == ()


def test_a_title_is_not_said_twice() -> None:
    assert words(about="incident", change="3 targets of anvil fail", description=None).lines == ()


def test_the_end_of_an_incident_says_when_and_why() -> None:
    said = words("resolve", NOW + timedelta(days=2), about="incident")
    assert facts(said)["Ended"] == "2026-11-23 12:05:30 UTC: the switch was replaced"
    assert facts(said)["Since"] == "2026-11-23 12:00:30 UTC (5 min)"
    assert "On it" not in facts(said)
    assert said.colour == GREEN


def test_an_incident_that_is_closed_later_is_no_alarm() -> None:
    assert words("update", about="incident", status="closed").severity == "info"
    assert words("update", about="incident", status="open").severity == "critical"


def test_a_storm_of_incidents_and_alerts_says_both() -> None:
    storm = message("slack", count=3)
    other = message("slack", about="incident", severity="high").deliveries
    said = wording(storm.model_copy(update={"deliveries": storm.deliveries + other}), NOW, DASHBOARD)
    assert said.title == "4 alerts and incidents, the worst is critical"
    assert said.lines[-1] == "HIGH incident: 3 targets of anvil fail: opened"
    assert dict(said.links) == {"Alerts": f"{DASHBOARD}/alerts", "Incidents": f"{DASHBOARD}/incidents"}
    changed = words("update", about="incident", count=2)
    assert changed.title == "2 incidents have changed, the worst is critical"


# Reports


def told(**changes: Any) -> Wording:
    return words("report", about="report", **changes)


def test_a_report_in_all_its_words() -> None:
    said = told()
    assert said.title == "Report: Service levels of October"
    assert said.lines == ("Availability: 99.9512 %, the objective is 99.9 %: met.",)
    assert facts(said) == {
        "Period": "2026-10-01 to 2026-10-31 (UTC)",
        "Incidents": "3",
        "Files can be fetched until": "2026-11-30 12:05:30 UTC",
        "Sent because": "route: everything",
    }
    page = "https://watch.example.com/reports/00000000-0000-4000-c000-000000000000"
    assert said.links == (
        ("Report", page),
        ("PDF", SIGNED),
        ("HTML", "http://files.example.com/october.html"),
    )


@pytest.mark.parametrize(
    ("summary", "line"),
    [
        (
            {"availability_percent": 99.89, "objective_percent": 99.9, "met": False},
            "99.89 %, the objective is 99.9 %: NOT met.",
        ),
        (
            {"availability_percent": 100, "objective_percent": 99.9},
            "100 %, the objective is 99.9 %: cannot be told.",
        ),
        ({"availability_percent": 99.99999, "objective_percent": None}, "99.99999 %, without an objective."),
        ({"availability_percent": None, "objective_percent": 99.9, "met": None}, "not measured."),
        ({}, "not measured."),
    ],
)
def test_availability_in_words(summary: dict[str, Any], line: str) -> None:
    said = told(summary=summary)
    assert said.lines == (f"Availability: {line}",)
    assert "Incidents" not in facts(said)


def test_a_report_that_is_not_about_service_levels_says_nothing_of_them() -> None:
    made = message("slack", "report", about="report", summary={})
    (delivery,) = made.deliveries
    assert delivery.report
    report = delivery.report.model_copy(update={"kind": "compliance"})
    changed = made.model_copy(update={"deliveries": (delivery.model_copy(update={"report": report}),)})
    assert wording(changed, NOW).lines == ()


def test_a_period_that_is_no_whole_days_says_its_moments() -> None:
    times = {"from": "2026-10-01T00:00:00+02:00", "to": "2026-10-02T00:00:00+00:00"}
    assert facts(told(**times))["Period"] == "2026-09-30 22:00:00 UTC to 2026-10-02 00:00:00 UTC"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://x/", "s3://bucket/key", "https://x/ y", "https://x/" + "y" * 3000]
)
def test_a_file_that_is_no_plain_link_is_left_out(url: str) -> None:
    said = told(links={"pdf": url, "exe": "https://x/virus.exe"})
    assert [label for label, _ in said.links] == ["Report"]
    assert "Files can be fetched until" not in facts(said)


def test_long_addresses_of_files_leave_room_for_what_is_said() -> None:
    said = told(links=dict.fromkeys(("pdf", "html", "csv", "json"), SIGNED))
    text = body(said, 4000, PLAIN)
    assert text.startswith("Availability: 99.9512 %")
    assert "Period: 2026-10-01" in text
    assert "\nReport: https://watch.example.com/reports/" in text
    assert text.endswith(f"PDF: {SIGNED}\n… and 3 more")
