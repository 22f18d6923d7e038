"""Making reports: claim, render, store, sign, settle; with S3 as moto has it and the real renderer."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
from moto import mock_aws

from handlers import make_reports
from tests.handlers.doubles import Context, Json, Rpcs, refusal
from watchkeeper import reports
from watchkeeper.settings import ReportSettings

BUCKET = "reports-of-a-test"
ID, LEASE = "5f0c4f1e-0000-4000-8000-000000000001", "5f0c4f1e-0000-4000-8000-000000000002"
OCTOBER = {"from_time": "2026-10-01T00:00:00+00:00", "to_time": "2026-11-01T00:00:00+00:00"}
TOTALS = {
    "watched_s": 1000, "up_s": 999, "down_s": 1, "unknown_s": 0, "maintenance_s": 0,
    "availability_percent": 99.9, "measured_percent": 100, "budget_s": 1, "spent_s": 1, "met": True,
}  # fmt: skip
FIGURES: Json = {
    "from": OCTOBER["from_time"], "to": OCTOBER["to_time"], "generated_at": "2026-11-02T00:30:00+00:00",
    "objective": {"name": "gold", "percent": 99.9, "counts_unknown": "apart"}, "totals": TOTALS,
    "incidents": {"count": 2}, "title": "Zoë's nodes",
}  # fmt: skip


def a_report(**changes: object) -> Json:
    return {
        "id": ID, "lease_id": LEASE, "kind": "sla", "title": "Zoë's nodes", **OCTOBER, "formats": ["html", "csv"],
        "files": [], "attempt": 1, **changes,
    }  # fmt: skip


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield boto3.resource("s3").Bucket(BUCKET)


@pytest.fixture
def database(rpcs: Rpcs, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> Rpcs:  # noqa: ARG001 - the shelf needs it
    """Hands out one report."""
    store, shelf = rpcs.store(), make_reports.Shelf(ReportSettings(BUCKET, 3600))
    monkeypatch.setattr(make_reports, "store", lambda: store)
    monkeypatch.setattr(make_reports, "shelf", lambda: shelf)
    waiting = [a_report()]
    rpcs.answers["claim_report"] = lambda _: waiting.pop() if waiting else None
    rpcs.answers["get_report_data"] = lambda _: FIGURES
    rpcs.answers["settle_report"] = lambda _: {"settled": True}
    return rpcs


def hands_out(rpcs: Rpcs, *found: Json) -> None:
    waiting = list(found)
    rpcs.answers["claim_report"] = lambda _: waiting.pop(0) if waiting else None


def run(remaining_ms: int = 300_000) -> dict[str, int]:
    context: Any = Context(remaining_ms)
    told: dict[str, int] = make_reports.handler({}, context)
    return told


def settled(rpcs: Rpcs) -> list[Json]:
    return [args["report"] for args in rpcs.called("settle_report")]


def test_nothing_to_do_costs_one_call(database: Rpcs, monkeypatch: pytest.MonkeyPatch) -> None:
    hands_out(database)
    monkeypatch.setattr(make_reports, "shelf", lambda: pytest.fail("it needs no S3 to do nothing"))
    assert run() == {}
    assert database.calls == [("claim_report", {"lease_s": make_reports.LEASE_S})]


def test_a_report_is_made_stored_and_settled_with_what_it_takes_to_check_it(
    database: Rpcs, bucket: Any
) -> None:
    assert run() == {"made": 1}
    *steps, made = settled(database)
    assert [step["outcome"] for step in steps] == ["making"] * len(steps)
    assert [step["progress"] for step in steps] == sorted(step["progress"] for step in steps)
    assert steps[-1]["step"] == "making the csv file"
    assert {(s["id"], s["lease_id"]) for s in settled(database)} == {(ID, LEASE)}
    assert made["summary"] == {
        "availability_percent": 99.9, "objective_percent": 99.9, "met": True, "incidents": 2,
    }  # fmt: skip
    assert [file["name"] for file in made["files"]] == ["zoe-s-nodes-2026-10.html", "zoe-s-nodes-2026-10.csv"]
    for file in made["files"]:
        stored = bucket.Object(file["key"]).get()
        body = stored["Body"].read()
        assert body == reports.render("sla", FIGURES, file["format"])
        assert (file["bytes"], file["sha256"]) == (len(body), sha256(body).hexdigest())
    assert bucket.Object(made["files"][1]["key"]).content_type == "text/csv; charset=utf-8"


@pytest.mark.usefixtures("database")
def test_a_key_tells_of_nobody(bucket: Any) -> None:
    run()
    assert [item.key for item in bucket.objects.all()] == [
        f"reports/{ID}/sla-2026-10.csv",
        f"reports/{ID}/sla-2026-10.html",
    ]


def test_a_link_reads_one_file_for_a_while_and_names_it(database: Rpcs) -> None:
    began = datetime.now(UTC)
    run()
    made = settled(database)[-1]
    assert set(made["links"]) == {"html", "csv"}
    link = urlsplit(made["links"]["csv"])
    asked = {name: values[0] for name, values in parse_qs(link.query).items()}
    assert link.path.endswith(f"/reports/{ID}/sla-2026-10.csv")
    assert asked["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert asked["X-Amz-Expires"] == "3600"
    assert asked["response-content-disposition"] == 'attachment; filename="zoe-s-nodes-2026-10.csv"'
    expires = datetime.fromisoformat(made["links_expire_at"])
    assert began + timedelta(hours=1) <= expires <= datetime.now(UTC) + timedelta(hours=1)


def test_new_links_are_signed_without_making_the_files_again(database: Rpcs) -> None:
    run()
    files = settled(database)[-1]["files"]
    database.calls.clear()
    hands_out(database, a_report(files=files))
    assert run() == {"made": 1}
    (made,) = settled(database)
    assert made["files"] == files
    assert set(made["links"]) == {"html", "csv"}
    assert "summary" not in made
    assert database.called("get_report_data") == []


def test_files_that_are_gone_are_made_again(database: Rpcs, bucket: Any) -> None:
    run()
    files = settled(database)[-1]["files"]
    bucket.Object(files[0]["key"]).delete()
    hands_out(database, a_report(files=files))
    assert run() == {"made": 1}
    assert bucket.Object(files[0]["key"]).content_length == files[0]["bytes"]


def test_a_poison_report_says_so_and_the_next_has_its_turn(database: Rpcs) -> None:
    poison = a_report(id=ID[:-1] + "9", kind="horoscope")
    hands_out(database, poison, a_report())
    assert run() == {"retry": 1, "made": 1}
    bad = [each for each in settled(database) if each["id"] == poison["id"]][-1]
    assert bad["outcome"] == "retry"
    assert "horoscope" in bad["error"]


def test_figures_that_make_no_sense_are_tried_again_with_the_reason(database: Rpcs) -> None:
    database.answers["get_report_data"] = lambda _: {**FIGURES, "to": FIGURES["from"]}
    assert run() == {"retry": 1}
    assert settled(database)[-1]["error"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refusal("PT404", "objective: there is no objective gold", 404), "failed"),
        (refusal("22023", "to_time: must be after from_time"), "failed"),
        (refusal("57014", "canceling statement due to statement timeout", 500), "retry"),
        (httpx.Response(503, json={"code": "503", "message": "away"}), "retry"),
    ],
)
def test_what_the_database_refuses_as_such_is_not_tried_again(
    database: Rpcs, answer: httpx.Response, outcome: str
) -> None:
    database.answers["get_report_data"] = lambda _: answer
    assert run() == {outcome: 1}
    assert settled(database)[-1]["outcome"] == outcome


def test_an_upload_that_fails_is_tried_again_later(database: Rpcs, bucket: Any) -> None:
    bucket.delete()
    assert run() == {"retry": 1}
    assert "NoSuchBucket" in settled(database)[-1]["error"]


def test_who_lost_the_lease_stops_and_settles_nothing(database: Rpcs, bucket: Any) -> None:
    database.answers["settle_report"] = lambda args: {"settled": args["report"].get("progress") == 5}
    assert run() == {"stale": 1}
    assert [each["outcome"] for each in settled(database)] == ["making", "making"]
    assert list(bucket.objects.all()) == []


def test_who_lost_the_lease_before_reading_stops_too(database: Rpcs) -> None:
    database.answers["get_report_data"] = lambda _: refusal("PT409", "lease_id: somebody else", 409)
    assert run() == {"stale": 1}


def test_progress_that_cannot_be_told_stops_nothing(database: Rpcs) -> None:
    away = httpx.Response(503, json={"code": "503", "message": "away"})
    database.answers["settle_report"] = lambda args: (
        away if args["report"]["outcome"] == "making" else {"settled": True}
    )
    assert run() == {"made": 1}


def test_an_outage_while_settling_leaves_it_to_the_lease(database: Rpcs) -> None:
    database.answers["settle_report"] = lambda _: httpx.Response(503, json={"code": "503", "message": "away"})
    assert run() == {"unsettled": 1}


def test_nothing_is_begun_that_might_be_cut_off(database: Rpcs) -> None:
    assert run(remaining_ms=100_000) == {}
    assert database.calls == []


@pytest.mark.parametrize("figures", [{}, {"totals": None, "objective": None, "incidents": None}])
def test_what_was_not_measured_is_not_made_up(figures: Json) -> None:
    assert set(make_reports.summary(figures).values()) == {None}


def test_a_quote_in_a_name_cannot_end_the_header() -> None:
    assert make_reports._disposition({"name": 'a"b'}) == 'attachment; filename="a\\"b"'
    assert json.loads(make_reports._disposition({"name": "a.pdf"}).partition("=")[2]) == "a.pdf"
