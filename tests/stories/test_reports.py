"""From a wish to a file that opens: the deployed functions make reports, deliver them and close the books."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_hex
from typing import Any

import httpx
import pytest

from tests.stories.endpoints import Node, Receiver, receiver
from tests.stories.world import PATIENCE_S, World, eventually

Json = dict[str, Any]


@pytest.fixture
def hook(world: World) -> Iterator[tuple[str, Receiver]]:
    """A channel by name, and what it heard."""
    name = f"story-{token_hex(4)}"
    secret = f"/watchkeeper/channels/{name}"
    with receiver() as served:
        world.aws.client("ssm").put_parameter(Name=secret, Value=served.url, Type="SecureString")
        world.store.save_channel({"name": name, "kind": "webhook", "secrets": {"url": f"ssm:{secret}"}})
        yield name, served
        world.store.delete_channel(name)


def invoke(world: World, function: str) -> Json:
    reply = world.functions.invoke(FunctionName=world.names[function], Payload=b"{}")
    told: Json = json.loads(reply["Payload"].read())
    assert not reply.get("FunctionError"), told
    return told


def made(world: World, report: Json) -> Json:
    """The report when it is made, by this call or by the Scheduler's."""
    invoke(world, "MakeReports")

    def find() -> Json | None:
        found = next(each for each in world.store.list_reports() if each["id"] == report["id"])
        assert found["status"] != "failed", found
        return found if found["status"] == "made" else None

    return eventually(find)


def test_a_report_is_asked_for_made_kept_and_delivered(
    world: World, chain_node: Node, hook: tuple[str, Receiver]
) -> None:
    channel, receiver = hook
    target = world.watch(chain_node.url, name="north", checks={"uptime": {"timeout_s": 2}})
    target.look()
    now = datetime.now(UTC)
    report = world.store.request_report(
        (now - timedelta(days=1)).isoformat(),
        (now + timedelta(minutes=1)).isoformat(),
        match={"targets": [target.name]},
        channels=[channel],
        title="North, yesterday",
    )
    found = made(world, report)

    s3 = world.aws.client("s3")
    assert [file["format"] for file in found["files"]] == ["html", "pdf", "csv", "json"]
    for file in found["files"]:
        body = s3.get_object(Bucket=world.names["Reports"], Key=file["key"])["Body"].read()
        assert (len(body), sha256(body).hexdigest()) == (file["bytes"], file["sha256"])
        opened = httpx.get(found["links"][file["format"]], timeout=PATIENCE_S)
        assert (opened.status_code, opened.content) == (200, body)
        assert opened.headers["content-disposition"] == f'attachment; filename="{file["name"]}"'
    figures = json.loads(httpx.get(found["links"]["json"], timeout=PATIENCE_S).content)
    assert [each["name"] for each in figures["targets"]] == [target.name]
    assert httpx.get(found["links"]["pdf"], timeout=PATIENCE_S).content.startswith(b"%PDF-")

    link = found["links"]["csv"]
    assert httpx.put(link, content=b"forged", timeout=PATIENCE_S).status_code == 403
    unsigned = httpx.get(link.partition("?")[0], timeout=PATIENCE_S)
    assert unsigned.status_code == 403, "without its signature it opens nothing"

    world.tick()  # which orders the sweeps of its minute
    (message,) = eventually(lambda: receiver.heard)
    assert message["event"] == "report"
    assert link in json.dumps(message)


def test_new_links_to_a_report_open_the_files_that_are_kept(world: World) -> None:
    report = world.store.request_report(
        "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", formats=["csv"], title="A day"
    )
    first = made(world, report)
    world.store.renew_report(report["id"])
    again = made(world, report)
    assert again["files"] == first["files"]
    assert again["made_at"] > first["made_at"]
    assert httpx.get(again["links"]["csv"], timeout=PATIENCE_S).status_code == 200


def test_the_books_are_closed_once_a_day_and_the_head_of_the_log_is_kept(world: World) -> None:
    began = datetime.now(UTC)
    told = invoke(world, "CloseBooks")
    s3, bucket, key = world.aws.client("s3"), world.names["AuditHeads"], told["head"]["key"]
    assert key in {f"audit/{day:%Y/%m/%d}.json" for day in (began, datetime.now(UTC))}
    kept = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    head = world.store.audit_head()
    assert 0 <= kept["seq"] <= head["seq"]
    verdict = world.db.execute(
        "select public.verify_audit_log(1, jsonb_build_array(jsonb_build_object('seq', %s::bigint, 'hash', %s::text)))",
        [kept["seq"], kept["hash"]],
    ).fetchone()
    assert verdict
    assert verdict[0]["ok"], verdict
    name = f"story-{token_hex(4)}"
    world.store.save_report_plan({"name": name, "enabled": False})
    world.store.delete_report_plan(name)  # by now the log has a newer head

    again = invoke(world, "CloseBooks")
    assert again["days"] == 0
    assert again["head"] == {"key": key, "written": False}
    assert json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) == kept
