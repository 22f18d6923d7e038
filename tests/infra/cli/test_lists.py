"""Who is on call, silences, heartbeats and latency, as an operator reads them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.handlers.doubles import Json
from tests.infra.cli.conftest import Command

ID = "5f0c4f1e-0000-4000-8000-000000000001"


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def on_call(*channels: str) -> Json:
    return {"rotation": "first", "person": "ann@example.org", "channels": list(channels), "at": at(0)}


def test_who_is_on_call_and_how_they_are_reached(command: Command) -> None:
    command.rpcs.answers["who_is_on_call"] = lambda _: [on_call("phone", "mail")]
    ran = command("oncall", "first", "--at", "2026-12-24T18:00Z")
    assert (ran.code, ran.out) == (0, "  first  ann@example.org  by phone, mail\n")
    assert command.rpcs.called("who_is_on_call") == [{"rotation": "first", "moment": "2026-12-24T18:00Z"}]


def test_a_person_whom_no_channel_reaches_is_a_problem(command: Command) -> None:
    command.rpcs.answers["who_is_on_call"] = lambda _: [on_call()]
    ran = command("oncall")
    assert ran.code == 1
    assert "NO CHANNEL reaches them" in ran.out
    assert command.rpcs.called("who_is_on_call") == [{"rotation": None}]


def test_somebody_stands_in_for_a_while(command: Command) -> None:
    command.rpcs.answers["save_override"] = lambda _: {}
    times = ("--from", "2026-12-24T18:00Z", "--to", "2026-12-26T08:00Z")
    ran = command("oncall", "first", "--instead", "bob@example.org", *times)
    assert (ran.code, ran.out.split()[0]) == (0, "bob@example.org")
    (sent,) = command.rpcs.called("save_override")
    assert (sent["rotation"], sent["person"], sent["to_time"]) == ("first", "bob@example.org", times[3])
    assert command("oncall", "--instead", "bob@example.org", *times).code == 2


SILENCE = {
    "id": ID, "kind": "silence", "comment": "deploy", "match": {"min_severity": "warning", "labels": {"env": "prod"}},
    "starts_at": "2026-01-05T09:00:00", "ends_at": "2026-01-05T10:00:00", "time_zone": "UTC", "rrule": None,
    "active": True, "until": "2026-01-05T10:00:00+00:00",
}  # fmt: skip


def test_silences_say_what_they_hold_back_and_until_when(command: Command) -> None:
    command.rpcs.answers["list_silences"] = lambda _: [SILENCE, {**SILENCE, "active": False, "match": {}}]
    first, second = command("silences").out.splitlines()
    assert "active until 2026-01-05T10:00" in first
    assert "min_severity warning; labels env=prod  deploy" in first
    assert "not active" in second
    assert second.split()[-2:] == ["everything", "deploy"]


def test_a_silence_is_ended_by_the_start_of_its_id(command: Command) -> None:
    command.rpcs.answers["list_silences"] = lambda _: [SILENCE]
    command.rpcs.answers["end_silence"] = lambda _: None
    assert command("silences", "end", "5f0c").code == 0
    assert command.rpcs.called("end_silence") == [{"silence_id": ID}]


def test_a_preview_shows_what_would_be_held_back(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "silence.yaml"
    file.write_text("silences: [{comment: deploy, starts_at: 2026-01-05T09:00, ends_at: 2026-01-05T10:00}]")
    alert = {
        "id": "5f0c4f1e-0000-4000-8000-000000000001",
        "status": "firing", "severity": "critical", "target": "site", "alert_type": "service_down", "message": "no",
        "first_seen_at": at(-60), "acknowledged": False,
    }  # fmt: skip
    command.rpcs.answers["preview_silence"] = lambda _: {
        "active": False, "alerts": [alert], "fired_in_30_days": 4,
    }  # fmt: skip
    ran = command("silences", "preview", str(file))
    assert ran.code == 0
    assert ran.out.startswith(
        "deploy: not active now; matches 1 firing, 4 in the last 30 days\n  5f0c4f1e  firing  critical  site"
    )
    assert [function for function, _ in command.rpcs.calls] == ["preview_silence"]


def test_a_file_without_silences_has_nothing_to_preview(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("targets: []")
    assert command("silences", "preview", str(tmp_path / "a.yaml")).err == "a.yaml has no silences\n"


HEARTBEAT: Json = {"name": "backup", "cron": None, "period_s": 3600}


def test_a_heartbeat_says_when_it_came_and_is_due(command: Command) -> None:
    beat = {
        **HEARTBEAT,
        "status": "ok",
        "last_event": "success",
        "last_event_at": at(-60),
        "due_at": at(3001),
    }
    command.rpcs.answers["list_heartbeats"] = lambda _: [beat]
    ran = command("heartbeats")
    assert (ran.code, ran.out) == (0, "  backup  ok  every 3600 s  success 60 s ago  due in 50 min\n")


def test_a_late_heartbeat_is_a_problem_and_one_that_never_came_says_so(command: Command) -> None:
    late = {**HEARTBEAT, "status": "critical", "last_event": None, "last_event_at": None, "due_at": at(-300)}
    command.rpcs.answers["list_heartbeats"] = lambda _: [late]
    ran = command("heartbeats", "list")
    assert (ran.code, ran.out) == (1, "  backup  critical  every 3600 s  never reported  due 5 min ago\n")


def test_latency_is_unknown_until_something_was_delivered(command: Command) -> None:
    line = {
        "kind": "uptime", "alerts": 2, "delivered": 1, "delivered_within_30_s": 1, "acknowledged_within_5_min": 0,
        "detected_to_delivered_s": {"p50": 0.4, "p95": 1.25, "p99": 2}, "due_to_delivered_s": None,
    }  # fmt: skip
    command.rpcs.answers["get_alert_latency"] = lambda _: [line]
    ran = command("latency", "--days", "1")
    assert ran.code == 0
    assert "p50 0.4 s p95 1.25 s p99 2 s  unknown" in ran.out.splitlines()[1]
    assert command.rpcs.called("get_alert_latency") == [{"window_s": 86400}]


def test_no_alert_has_no_latency(command: Command) -> None:
    command.rpcs.answers["get_alert_latency"] = lambda _: []
    assert command("latency").out == "no alert in the last 7 days\n"
