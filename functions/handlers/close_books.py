"""Every day: roll up the days and close the months that have ended, and leave the audit log's head outside."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from watchkeeper import aws, faults, telemetry
from watchkeeper.settings import BooksSettings, Settings
from watchkeeper.store import Json, Store

# A portion that takes longer than the patience of a call is asked for again, four times in all.
RESERVE_MS = 90_000

logger = telemetry.logger("close_books")


@cache
def settings() -> BooksSettings:
    return BooksSettings.from_env()


@cache
def store() -> Store:
    settings = Settings.from_env()
    key = telemetry.hide(settings.supabase_secret_key)
    return Store(settings.supabase_url, key, newer_key=telemetry.hiding(settings.newer_key))


@cache
def s3() -> Any:
    return aws.client("s3", read_s=10, tries=3)


@logger.inject_lambda_context
@faults.reporting(logger)
def handler(event: dict[str, Any], context: LambdaContext) -> Json:  # noqa: ARG001 - AWS passes both
    """Entry point. Each duty is tried, whatever became of the ones before; run again, it finds its work done."""
    told: Json = {}
    failures: list[Exception] = []
    duties: dict[str, Callable[[], object]] = {
        "days": lambda: roll_up(lambda: context.get_remaining_time_in_millis() > RESERVE_MS),
        "months": lambda: [each["month"] for each in store().close_months()["closed"]],
        "head": keep_head,
    }
    for name, duty in duties.items():
        try:
            told[name] = duty()
        except Exception as error:
            logger.exception("not done", extra={"duty": name})
            failures.append(error)
    logger.info("books", extra=told)
    if failures:
        raise failures[0]
    return told


def roll_up(time_left: Callable[[], bool]) -> int:
    """How many days; what there is no time for, the next day takes."""
    days, more = 0, True
    while more and time_left():
        portion = store().roll_up_days()
        days += portion["days"]
        more = bool(portion["more"])
    return days


def keep_head() -> Json:
    """Whoever rewrites the log later cannot rewrite this. The first head of a day stays."""
    now = datetime.now(UTC)
    key = f"audit/{now:%Y/%m/%d}.json"
    head = {**store().audit_head(), "written_at": now.isoformat()}
    body = json.dumps(head, indent=2, sort_keys=True).encode()
    try:
        locked = put(key, body, now)
    except aws.errors() as error:
        if aws.code(error) != "PreconditionFailed":
            raise
        return {"key": key, "written": False}
    return {"key": key, "written": True, "locked": locked, "seq": head["seq"]}


def put(key: str, body: bytes, now: datetime) -> bool:
    """Whether it is locked: nobody can delete it before its time, and in COMPLIANCE mode not even the account."""
    write_once = {"IfNoneMatch": "*", "ContentType": "application/json", "ChecksumAlgorithm": "SHA256"}
    target = {"Bucket": settings().heads_bucket, "Key": key, "Body": body, **write_once}
    if settings().lock_mode != "NONE":
        until = now + timedelta(days=settings().lock_days)
        try:
            s3().put_object(**target, ObjectLockMode=settings().lock_mode, ObjectLockRetainUntilDate=until)
        except aws.errors() as error:
            # Its message: Bucket is missing Object Lock Configuration.
            if aws.code(error) != "InvalidRequest":
                raise
            logger.warning("the bucket has no Object Lock: whoever may delete can delete the head")
        else:
            return True
    s3().put_object(**target)
    return False
