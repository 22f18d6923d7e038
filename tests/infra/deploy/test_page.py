"""The page's upload: in which order, with which headers, and what goes when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.deploy.page import BUILDS, empty, files_of, incomplete, upload
from infra.deploy.settings import Deployment, read
from tests.infra.deploy.conftest import write_page
from tests.infra.deploy.test_settings import GIVEN

BUCKET = "page"


class Recorded:
    """A bucket and a distribution, and what was done to them in its order."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3", region_name="us-east-1")
        self.s3.create_bucket(Bucket=BUCKET)
        self.done: list[str] = []
        self.invalidated: list[list[str]] = []
        self.s3.meta.events.register("before-call.s3.*", self._note)

    def _note(self, model: Any, params: Any, **_: Any) -> None:
        if model.name in ("PutObject", "DeleteObjects"):
            self.done.append(f"{model.name} {params['url_path'].strip('/?').removesuffix('delete')}".strip())

    def client(self, service: str) -> Any:
        return self.s3 if service == "s3" else self

    def output(self, name: str) -> str:
        return {"PageBucket": BUCKET, "PageDistribution": "E1"}[name]

    def outputs(self) -> dict[str, str]:
        return {"PageBucket": BUCKET}

    def create_invalidation(self, InvalidationBatch: Any, **_: Any) -> None:  # noqa: N803  (as boto3 has it)
        self.invalidated.append(InvalidationBatch["Paths"]["Items"])

    def names(self) -> set[str]:
        return {each["Key"] for each in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield Recorded()


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    write_page(tmp_path, "one")
    return tmp_path


@pytest.fixture
def deployment() -> Deployment:
    return read("prod", {**GIVEN, "PAGE_SIGN_IN": "password,github", "PAGE_MFA": "true"})[0]


def test_what_is_referred_to_goes_first_and_what_is_old_last(
    there: Any, deployment: Deployment, dist: Path
) -> None:
    upload(deployment, there, dist)
    write_page(dist, "two")
    upload(deployment, there, dist)
    there.done.clear()
    write_page(dist, "three")
    upload(deployment, there, dist)
    assert there.done == [
        "PutObject assets/main-three.js", "PutObject assets/main-three.js.br", "PutObject assets/main-three.js.gz",
        "PutObject index.html.gz", "PutObject index.html",
        f"PutObject {BUILDS}", "DeleteObjects",
    ]  # fmt: skip


def test_an_open_tab_finds_the_files_of_the_version_before(
    there: Any, deployment: Deployment, dist: Path
) -> None:
    upload(deployment, there, dist)
    for version in ("two", "two"):
        write_page(dist, version)
        upload(deployment, there, dist)
        assert {"assets/main-one.js", "assets/main-two.js"} <= there.names()
    write_page(dist, "three")
    upload(deployment, there, dist)
    assert "assets/main-one.js" not in there.names()
    assert {"assets/main-two.js", "assets/main-three.js", "assets/styles-same.css"} <= there.names()


def test_only_what_changed_is_sent_and_told_to_cloudfront(
    there: Any, deployment: Deployment, dist: Path
) -> None:
    assert upload(deployment, there, dist) == "10 files uploaded, 0 removed"
    assert there.invalidated == [["/index.html*", "/config.json"]]
    assert upload(deployment, there, dist) == "0 files uploaded, 0 removed"
    assert len(there.invalidated) == 1


def test_an_upload_that_was_cut_off_is_finished_by_the_next(
    there: Any, deployment: Deployment, dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = there.s3.put_object
    with monkeypatch.context() as patch:
        patch.setattr(there.s3, "put_object", lambda **a: sent(**a) if "index" not in a["Key"] else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            upload(deployment, there, dist)
    assert "index.html" not in there.names(), "nobody is shown a page of which half is there"
    upload(deployment, there, dist)
    assert {file.key for file in files_of(deployment, dist)} < there.names()


def test_each_file_says_what_it_is_and_how_long_it_may_be_kept(
    there: Any, deployment: Deployment, dist: Path
) -> None:
    upload(deployment, there, dist)
    found = {key: there.s3.head_object(Bucket=BUCKET, Key=key) for key in there.names()}
    told = {
        key: (reply["ContentType"], reply.get("ContentEncoding"), reply.get("CacheControl"))
        for key, reply in found.items()
    }
    kept = "public, max-age=31536000, immutable"
    assert told["assets/main-one.js"] == ("text/javascript; charset=utf-8", None, kept)
    assert told["assets/main-one.js.br"] == ("text/javascript; charset=utf-8", "br", kept)
    assert told["assets/styles-same.css.gz"] == ("text/css; charset=utf-8", "gzip", kept)
    assert told["index.html"] == ("text/html; charset=utf-8", None, "no-cache")
    assert told["config.json"] == ("application/json", None, "no-cache")


def test_config_json_is_this_installation_s(there: Any, deployment: Deployment, dist: Path) -> None:
    upload(deployment, there, dist)
    config = json.loads(there.s3.get_object(Bucket=BUCKET, Key="config.json")["Body"].read())
    assert config == {
        "api_url": deployment.supabase_url,
        "publishable_key": "sb_publishable_x",
        "sign_in": ["password", "github"],
        "mfa": True,
        "realtime": False,
        "health_every_s": 30,
    }


def test_a_page_that_is_not_built_whole_is_refused(dist: Path, tmp_path: Path) -> None:
    assert incomplete(dist) is None
    (dist / "assets" / "main-one.js.br").unlink()
    assert "main-one.js has no packed copies" in str(incomplete(dist))
    assert "is not built" in str(incomplete(tmp_path / "nothing"))


def test_a_bucket_is_emptied_before_it_goes(there: Any, deployment: Deployment, dist: Path) -> None:
    upload(deployment, there, dist)
    empty(there)
    assert there.names() == set()
