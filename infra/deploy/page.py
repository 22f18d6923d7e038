"""The page: built files into the bucket, in an order in which no visitor meets half of a version."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from infra.deploy.account import Account
from infra.deploy.settings import Deployment
from infra.local.paths import ROOT
from infra.local.steps import LocalError

DIST = ROOT / "dashboard" / "dist"
KEPT = "public, max-age=31536000, immutable"  # an asset's name carries a hash of what is in it
CHECKED = "no-cache"
PACKED = {".br": "br", ".gz": "gzip"}
# Which files this build and the one before it have: a tab that is open still asks for those of yesterday.
BUILDS = "builds.json"


@dataclass(frozen=True)
class File:
    """One object of the bucket."""

    key: str
    body: bytes
    content_type: str
    cache_control: str
    encoding: str | None = None

    def put(self, s3: Any, bucket: str) -> None:
        """Uploads it."""
        encoding = {"ContentEncoding": self.encoding} if self.encoding else {}
        s3.put_object(
            Bucket=bucket, Key=self.key, Body=self.body, ContentType=self.content_type,
            CacheControl=self.cache_control, **encoding,
        )  # fmt: skip

    @property
    def etag(self) -> str:
        """S3's, for an object that was put in one piece and is encrypted with S3's own key."""
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


def upload(deployment: Deployment, account: Account, dist: Path = DIST) -> str:
    """Assets, then what refers to them, then away with what is old."""
    s3, bucket = account.client("s3"), account.output("PageBucket")
    there = {each["Key"]: each["ETag"] for each in _objects(s3, bucket)}
    files = list(files_of(deployment, dist))
    changed = [file for file in files if there.get(file.key) != file.etag]
    for file in changed:
        file.put(s3, bucket)
    removed = _remove_old(s3, bucket, {file.key for file in files}, set(there))
    if any(file.cache_control == CHECKED for file in changed):
        _invalidate(account)
    return f"{len(changed)} files uploaded, {removed} removed"


def files_of(deployment: Deployment, dist: Path = DIST) -> Iterator[File]:
    """All files in the order in which they go out: index.html after all it needs."""
    for path in sorted((dist / "assets").iterdir()):
        yield _file(f"assets/{path.name}", path, KEPT)
    yield File("config.json", config(deployment, dist), "application/json", CHECKED)
    for path in sorted(dist.glob("index.html*"), reverse=True):
        yield _file(path.name, path, CHECKED)


def _file(key: str, path: Path, cache_control: str) -> File:
    plain = path.with_suffix("") if path.suffix in PACKED else path
    kind = mimetypes.guess_type(plain.name)[0] or "application/octet-stream"
    content_type = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    return File(key, path.read_bytes(), content_type, cache_control, PACKED.get(path.suffix))


def config(deployment: Deployment, dist: Path = DIST) -> bytes:
    """The only file that differs between installations."""
    usual = json.loads((dist / "config.json").read_text())
    own = {
        "api_url": deployment.supabase_url,
        "publishable_key": deployment.publishable_key,
        "sign_in": list(deployment.sign_in),
        "mfa": deployment.mfa,
        "realtime": deployment.realtime,
    }
    return json.dumps({**usual, **own}, indent=2).encode()


def incomplete(dist: Path = DIST) -> str | None:
    """What is wrong with the build, if anything."""
    needed = [dist / name for name in ("index.html", "config.json", "assets")]
    if not all(path.exists() for path in needed):
        return f"the page is not built: {dist} lacks index.html, config.json or assets; run make setup"
    plain = [
        path for path in [dist / "index.html", *(dist / "assets").iterdir()] if path.suffix not in PACKED
    ]
    for path in plain:
        if not all(path.with_name(path.name + suffix).is_file() for suffix in PACKED):
            return f"the page is not built whole: {path.name} has no packed copies; run make setup"
    return None


def _objects(s3: Any, bucket: str) -> Iterator[dict[str, Any]]:
    for answer in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from answer.get("Contents", [])


def _remove_old(s3: Any, bucket: str, now: set[str], there: set[str]) -> int:
    builds = _builds(s3, bucket, there)
    if builds["now"] != sorted(now):
        builds = {"now": sorted(now), "before": builds["now"]}
        s3.put_object(
            Bucket=bucket, Key=BUILDS, Body=json.dumps(builds).encode(), ContentType="application/json"
        )
    old = sorted(there - now - set(builds["before"]) - {BUILDS})
    _delete(s3, bucket, old)
    return len(old)


def _builds(s3: Any, bucket: str, there: set[str]) -> dict[str, list[str]]:
    if BUILDS not in there:
        return {"now": [], "before": []}
    found: dict[str, list[str]] = json.loads(s3.get_object(Bucket=bucket, Key=BUILDS)["Body"].read())
    return found


def _delete(s3: Any, bucket: str, keys: list[str]) -> None:
    for start in range(0, len(keys), 1000):
        portion = [{"Key": key} for key in keys[start : start + 1000]]
        failed = s3.delete_objects(Bucket=bucket, Delete={"Objects": portion, "Quiet": True}).get("Errors")
        if failed:
            raise LocalError(f"cannot delete {failed[0]['Key']} of {bucket}: {failed[0].get('Message')}")


def _invalidate(account: Account) -> None:
    paths = ["/index.html*", "/config.json"]
    account.client("cloudfront").create_invalidation(
        DistributionId=account.output("PageDistribution"),
        InvalidationBatch={
            "Paths": {"Quantity": len(paths), "Items": paths},
            "CallerReference": uuid4().hex,
        },
    )


def empty(account: Account) -> None:
    """A bucket goes with its stack only when nothing is in it. All of the page can be built again."""
    bucket = account.outputs().get("PageBucket")
    if bucket:
        s3 = account.client("s3")
        _delete(s3, bucket, [each["Key"] for each in _objects(s3, bucket)])
