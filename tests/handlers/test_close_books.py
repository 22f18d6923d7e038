"""Closing the books: days, months, and the audit log's head in S3, each whatever became of the others."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from handlers import close_books
from tests.handlers.doubles import Context, Json, Rpcs, refusal
from watchkeeper.errors import StoreError
from watchkeeper.settings import BooksSettings

BUCKET = "heads-of-a-test"
HEAD: Json = {"seq": 7, "hash": "ab" * 32, "at": "2026-11-02T00:00:00+00:00"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        monkeypatch.setattr(close_books, "s3", lambda: client)
        yield client


@pytest.fixture
def database(rpcs: Rpcs, monkeypatch: pytest.MonkeyPatch) -> Rpcs:
    store = rpcs.store()
    monkeypatch.setattr(close_books, "store", lambda: store)
    uses(monkeypatch, "GOVERNANCE")
    days = [{"days": 5, "more": True}, {"days": 2, "more": False}]
    rpcs.answers["roll_up_days"] = lambda _: days.pop(0)
    rpcs.answers["close_months"] = lambda _: {"closed": [{"month": "2026-10", "hash": "cd" * 32}]}
    rpcs.answers["audit_head"] = lambda _: HEAD
    return rpcs


def uses(monkeypatch: pytest.MonkeyPatch, lock_mode: Any) -> None:
    monkeypatch.setattr(close_books, "settings", lambda: BooksSettings(BUCKET, lock_mode, 400))


def run(remaining_ms: int = 600_000) -> Json:
    context: Any = Context(remaining_ms)
    told: Json = close_books.handler({}, context)
    return told


def key() -> str:
    return f"audit/{datetime.now(UTC):%Y/%m/%d}.json"


@pytest.mark.usefixtures("database")
def test_days_are_rolled_up_until_none_is_left_and_the_head_is_locked(s3: Any) -> None:
    s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    told = run()
    assert (told["days"], told["months"]) == (7, ["2026-10"])
    assert told["head"] == {"key": key(), "written": True, "locked": True, "seq": 7}
    kept = s3.get_object(Bucket=BUCKET, Key=key())
    written = json.loads(kept["Body"].read())
    assert {name: written[name] for name in HEAD} == HEAD
    assert kept["ObjectLockMode"] == "GOVERNANCE"
    until = datetime.fromisoformat(written["written_at"]) + timedelta(days=400)
    assert abs(kept["ObjectLockRetainUntilDate"] - until) < timedelta(seconds=2)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=BUCKET, Key=key(), VersionId=kept["VersionId"])


def test_the_first_head_of_a_day_stays(s3: Any, database: Rpcs) -> None:
    s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    run()
    database.answers["roll_up_days"] = lambda _: {"days": 0, "more": False}
    database.answers["audit_head"] = lambda _: {**HEAD, "seq": 8}
    assert run()["head"] == {"key": key(), "written": False}
    assert json.loads(s3.get_object(Bucket=BUCKET, Key=key())["Body"].read())["seq"] == 7
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 1


@pytest.mark.usefixtures("database")
def test_a_bucket_without_object_lock_is_said_so_and_used(s3: Any, caplog: pytest.LogCaptureFixture) -> None:
    s3.create_bucket(Bucket=BUCKET)
    assert run()["head"]["locked"] is False
    assert "has no Object Lock" in caplog.text
    assert json.loads(s3.get_object(Bucket=BUCKET, Key=key())["Body"].read())["seq"] == 7


@pytest.mark.usefixtures("database")
def test_no_lock_if_none_is_wanted(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    uses(monkeypatch, "NONE")
    assert run()["head"]["locked"] is False
    assert "ObjectLockMode" not in s3.get_object(Bucket=BUCKET, Key=key())


def test_what_fails_is_an_error_and_keeps_nothing_else_from_its_turn(s3: Any, database: Rpcs) -> None:
    s3.create_bucket(Bucket=BUCKET)
    database.answers["roll_up_days"] = lambda _: refusal("XX000", "broken", 500)
    with pytest.raises(StoreError, match="broken"):
        run()
    assert len(database.called("close_months")) == 1
    assert s3.get_object(Bucket=BUCKET, Key=key())


@pytest.mark.usefixtures("s3", "database")
def test_a_bucket_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        run()


def test_what_there_is_no_time_for_is_left_to_the_next_day(s3: Any, database: Rpcs) -> None:
    s3.create_bucket(Bucket=BUCKET)
    assert run(remaining_ms=10_000)["days"] == 0
    assert database.called("roll_up_days") == []
