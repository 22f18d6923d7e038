"""Who may do what: people and nobody at the API, and a worker's role in AWS."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from infra.local.build import runtime
from tests.stories.world import World

PROBE = """
import boto3, botocore.exceptions

def handler(event, context):
    told = {}
    for action, (service, call, arguments) in event.items():
        try:
            getattr(boto3.client(service), call)(**arguments)
            told[action] = "allowed"
        except botocore.exceptions.ClientError as error:
            told[action] = error.response["Error"]["Code"]
    return told
"""

CALLS: dict[str, dict[str, Any]] = {
    "get_system_health_summary": {},
    "list_targets": {},
    "list_alerts": {},
    "save_target": {"target": {"name": "mine", "endpoint": "http://127.0.0.1:9", "checks": {"uptime": {}}}},
    "apply_targets": {"targets": []},
    "list_members": {},
    "grant_role": {"email": "a@example.org", "role": "admin"},
    "record_system_metric": {"metric_name_param": "m", "metric_value_param": 1},
    "claim_due_checks": {},
    "record_check_results": {"results": []},
    "publish_catalog": {"catalog": {}},
    "observe_chain_tables": {"subject": "head", "settings": {}},
    "prune_history": {},
}
READING = {"get_system_health_summary", "list_targets", "list_alerts"}


def allowed(world: World, role: str | None) -> set[str]:
    """The calls that somebody with this role is not refused."""
    person = world.api.person(role)
    replies = {name: world.api.call(name, person=person, **arguments) for name, arguments in CALLS.items()}
    refused = {name for name, reply in replies.items() if reply.status_code == 403}
    answered = {name for name, reply in replies.items() if reply.status_code == 200}
    assert refused | answered == set(CALLS), replies
    return answered


@pytest.mark.parametrize("role", ["viewer", "auditor"])
def test_who_may_only_read_reads_and_saves_nothing(world: World, role: str) -> None:
    assert allowed(world, role) == READING


def test_somebody_without_a_role_is_refused_all_but_who_they_are(world: World) -> None:
    assert allowed(world, None) == set()
    reply = world.api.call("whoami", person=world.api.person())
    assert (reply.status_code, reply.json()["role"]) == (200, None)


@pytest.mark.parametrize("function", [*CALLS, "whoami"])
def test_nobody_is_refused_everything(world: World, function: str) -> None:
    assert world.api.call(function, **CALLS.get(function, {})).status_code in {401, 403}


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        ("save_target", {"target": []}, "target"),
        ("save_target", {"target": {"name": ""}}, "target.name"),
        ("save_target", {"target": {"name": "x", "endpoint": "ftp://x", "checks": {}}}, "target.endpoint"),
        ("apply_targets", {"targets": [{"name": "x", "checks": {"tarot": {}}}]}, "targets[0]."),
        ("list_alerts", {"severity": "mild"}, "severity"),
        ("list_alerts", {"max_rows": 1000}, "max_rows"),
        (
            "record_system_metric",
            {"metric_name_param": "m", "metric_value_param": "NaN"},
            "metric_value_param",
        ),
        ("grant_role", {"email": "nobody@example.org", "role": "king"}, "role"),
    ],
)
def test_a_bad_argument_is_a_400_that_names_it(
    world: World, function: str, arguments: dict[str, Any], named: str
) -> None:
    reply = world.api.call(function, person=world.api.person("admin"), **arguments)
    assert (reply.status_code, reply.json()["message"].startswith(named)) == (400, True), reply.text


def test_an_object_arrives_as_an_object_however_deep(world: World) -> None:
    deep = {"list": [1, "2", None, {"a": True}], "text": '{"not": "an object"}', "brace": "{"}
    call = {"metric_name_param": "deep", "metric_value_param": 1, "metadata_param": deep}
    reply = world.api.call("record_system_metric", person=world.api.person("admin"), **call)
    row = world.db.execute(
        "select metadata from public.system_health_metrics where id = %s", [reply.json()]
    ).fetchone()
    assert row == (deep,)


def zipped(source: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("probe.py", source)
    return packed.getvalue()


def test_a_workers_role_may_take_its_own_checks_and_nothing_else(world: World) -> None:
    """A function with the worker's role tries; its name says no more than that."""
    role = world.functions.get_function_configuration(FunctionName=world.names["CheckUptime"])["Role"]
    world.functions.create_function(
        FunctionName="tries-what-a-worker-may",
        Runtime=runtime(),
        Handler="probe.handler",
        Role=role,
        Code={"ZipFile": zipped(PROBE)},
        Timeout=20,
    )
    tries = {
        "send": ("sqs", "send_message", {"QueueUrl": world.queue("uptime"), "MessageBody": "x"}),
        "take another's": ("sqs", "receive_message", {"QueueUrl": world.queue("p2p")}),
        "empty": ("sqs", "purge_queue", {"QueueUrl": world.queue("uptime")}),
        "read another secret": ("ssm", "get_parameter", {"Name": "/another/secret"}),
        "call a function": ("lambda", "invoke", {"FunctionName": world.names["ScheduleChecks"]}),
        "look at its own": (
            "sqs",
            "get_queue_attributes",
            {"QueueUrl": world.queue("uptime"), "AttributeNames": ["QueueArn"]},
        ),
    }
    try:
        reply = world.functions.invoke(
            FunctionName="tries-what-a-worker-may", Payload=json.dumps(tries).encode()
        )
        told = json.loads(reply["Payload"].read())
    finally:
        world.functions.delete_function(FunctionName="tries-what-a-worker-may")
    assert told.pop("look at its own") == "allowed"
    assert {code for code in told.values() if "AccessDenied" not in code} == set(), told
