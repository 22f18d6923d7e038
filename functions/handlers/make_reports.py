"""Every minute: make the reports that are due or were asked for, keep their files in S3 and sign links to them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from importlib import import_module
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from watchkeeper import aws, faults, telemetry
from watchkeeper.errors import StoreError
from watchkeeper.report_names import file_name, media_type
from watchkeeper.settings import ReportSettings, Settings
from watchkeeper.store import Json, Store, StoreUnreachable

# Longer than the function may run, so that nobody else makes what is still being made.
LEASE_S = 330
RESERVE_MS = 150_000  # a report begun later than this might be cut off
ERROR_CHARS = 1000
# The database refused the report as such: what it is about does not exist any more, or never made sense.
REFUSED = ("22023", "PT404")

logger = telemetry.logger("make_reports")
meter = telemetry.Meter("make_reports")


class Taken(Exception):  # noqa: N818 - no failure: somebody else makes it now
    """The lease is over; somebody else makes this report."""


@cache
def store() -> Store:
    settings = Settings.from_env()
    key = telemetry.hide(settings.supabase_secret_key)
    return Store(settings.supabase_url, key, newer_key=telemetry.hiding(settings.newer_key))


@cache
def shelf() -> "Shelf":
    return Shelf(ReportSettings.from_env())


@logger.inject_lambda_context
@meter.told
@faults.reporting(logger)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:  # noqa: ARG001 - AWS passes both
    """Entry point. What there is no time for, the next minute takes."""
    outcomes: dict[str, int] = {}
    while context.get_remaining_time_in_millis() > RESERVE_MS and (report := store().claim_report(LEASE_S)):
        outcome = attend_to(report)
        meter.add(f"Reports{outcome.title()}", 1)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    meter.add("ReportsClaimed", sum(outcomes.values()))
    return outcomes


def attend_to(report: Json) -> str:
    """Make one report. Whatever goes wrong with it is written down, so that the others have their turn."""
    try:
        made = make(report)
        told = settle(report, outcome="made", **made)
    except Taken:
        logger.warning("somebody else makes it now", extra={"report_id": report["id"]})
        return "stale"
    except Exception as error:
        logger.exception("not made", extra={"report_id": report["id"], "attempt": report["attempt"]})
        return give_back(report, error)
    return "made" if told else "stale"


def give_back(report: Json, error: Exception) -> str:
    """Say why. If even that fails, the lease ends by itself."""
    outcome = "failed" if isinstance(error, StoreError) and error.code in REFUSED else "retry"
    why = f"{type(error).__name__}: {error}"[:ERROR_CHARS]
    try:
        return outcome if settle(report, outcome=outcome, error=why) else "stale"
    except StoreError:
        logger.exception("not settled; its lease ends by itself", extra={"report_id": report["id"]})
        return "unsettled"


def make(report: Json) -> Json:
    """Its files and links. Files that are there already, as when only new links were asked for, are kept."""
    if report["files"] and all(shelf().has(file["key"]) for file in report["files"]):
        return {"files": report["files"], **shelf().links(report["files"])}
    progress(report, 5, "reading the figures")
    try:
        data = store().get_report_data(report["id"], report["lease_id"])
    except StoreError as error:
        if error.code == "PT409":
            raise Taken from None
        raise
    files = list(make_files(report, data))
    return {"files": files, "summary": summary(data), **shelf().links(files)}


def make_files(report: Json, data: Json) -> Iterable[Json]:
    # PDF and charts are of no use to a tick that has nothing to do.
    render: Any = import_module("watchkeeper.reports").render
    span = datetime.fromisoformat(report["from_time"]), datetime.fromisoformat(report["to_time"])
    formats = report["formats"]
    for n, format_ in enumerate(formats):
        progress(report, 10 + 85 * n // len(formats), f"making the {format_} file")
        body: bytes = render(report["kind"], data, format_)
        file = {
            "format": format_,
            "name": file_name(report["title"], *span, format_),
            # Neither title nor plan: a key stays in logs, and a name may be somebody's.
            "key": f"reports/{report['id']}/{file_name(report['kind'], *span, format_)}",
            "bytes": len(body),
            "sha256": sha256(body).hexdigest(),
        }
        shelf().put(file, body)
        yield file


def summary(data: Json) -> Json:
    """What a message says of it."""
    totals, objective, incidents = (data.get(key) or {} for key in ("totals", "objective", "incidents"))
    return {
        "availability_percent": totals.get("availability_percent"),
        "objective_percent": objective.get("percent"),
        "met": totals.get("met"),
        "incidents": incidents.get("count"),
    }


def progress(report: Json, percent: int, step: str) -> None:
    """People wait for it. Not being able to say so is no reason to stop."""
    try:
        told = settle(report, outcome="making", progress=percent, step=step)
    except StoreUnreachable as error:
        logger.warning("progress not told", extra={"why": error.message})
        return
    if not told:
        raise Taken


def settle(report: Json, **settlement: object) -> bool:
    """False: the lease is somebody else's now, and nothing changed."""
    told = store().settle_report({"id": report["id"], "lease_id": report["lease_id"], **settlement})
    return bool(told["settled"])


class Shelf:
    """The bucket of reports."""

    def __init__(self, settings: ReportSettings) -> None:
        self._settings = settings
        # By itself boto3 signs links of some regions in a way that S3 stops taking. Trying again is the database's.
        self._s3: Any = aws.client("s3", read_s=30, tries=2, signature="s3v4")

    def put(self, file: Json, body: bytes) -> None:
        self._s3.put_object(
            Bucket=self._settings.bucket,
            Key=file["key"],
            Body=body,
            ContentType=media_type(file["format"]),
            ContentDisposition=_disposition(file),
        )

    def has(self, key: str) -> bool:
        """Without the right to list, S3 says 403 of what is not there."""
        try:
            self._s3.head_object(Bucket=self._settings.bucket, Key=key)
        except aws.errors() as error:
            if aws.code(error) in ("403", "404"):
                return False
            raise
        return True

    def links(self, files: Iterable[Json]) -> Json:
        """To read, and for a while: whoever has a link needs no other right."""
        expire_at = datetime.now(UTC) + timedelta(seconds=self._settings.link_expires_s)
        links = {file["format"]: self._link(file) for file in files}
        return {"links": links, "links_expire_at": expire_at.isoformat()}

    def _link(self, file: Json) -> str:
        named = {"Bucket": self._settings.bucket, "Key": file["key"]}
        link: str = self._s3.generate_presigned_url(
            "get_object",
            Params={**named, "ResponseContentDisposition": _disposition(file)},
            ExpiresIn=self._settings.link_expires_s,
        )
        return link


def _disposition(file: Json) -> str:
    return f"attachment; filename={json.dumps(file['name'])}"
