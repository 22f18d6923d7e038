"""What the page, the CLI and a file of settings may ask; what is bad is refused by name and writes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.supabase.test_outbox import acknowledge
from tests.supabase.world import Json, World, a_target, anything, only, refused

CONFIG: Json = {
    "targets": [a_target("gateway", depends_on=[]), a_target("node", depends_on=["gateway"])],
    "channels": [
        {"name": "chat", "kind": "chat", "config": {"room": "ops"}, "secrets": {"url": "env:CHANNEL_CHAT"}},
        {"name": "phone", "kind": "pager", "person": "anna@example.org", "rate_per_minute": 10},
    ],
    "rotations": [
        {
            "name": "primary",
            "people": ["anna@example.org"],
            "starts_at": "2026-01-05T09:00",
            "time_zone": "Europe/Berlin",
        }
    ],
    "escalations": [
        {"name": "ladder", "steps": [{"after_s": 60, "on_call": ["primary"], "channels": ["phone"]}]}
    ],
    "routes": [
        {
            "name": "all",
            "channels": ["chat"],
            "escalation": "ladder",
            "hours": {"from": "09:00", "to": "17:00"},
        }
    ],
    "silences": [
        {
            "comment": "weekly",
            "starts_at": "2026-01-05T09:00",
            "ends_at": "2026-01-05T10:00",
            "rrule": "FREQ=WEEKLY",
        }
    ],
    "heartbeats": [{"name": "backup", "cron": "30 2 * * *"}],
}
KINDS = list(CONFIG)


def apply(world: World, config: Json = CONFIG, **how: bool) -> Json:
    answer: Json = world.db.rpc("apply_config", config=config, **how)
    return answer


def verdicts(answer: Json, verdict: str) -> set[str]:
    return {name for lines in answer["plan"].values() for name in lines[verdict]}


# A whole file ----------------------------------------------------------------------------------------------------


def test_a_file_is_created_and_then_unchanged(world: World) -> None:
    first = apply(world)
    names = {"gateway", "node", "chat", "phone", "primary", "ladder", "all", "weekly", "backup"}
    assert verdicts(first, "created") == names
    assert list(first["tokens"]) == ["backup"]
    second = apply(world)
    assert (verdicts(second, "unchanged"), second["tokens"]) == (names, {})


def test_what_is_exported_can_be_applied_and_changes_nothing(world: World) -> None:
    apply(world)
    exported = world.db.rpc("export_config")
    assert set(exported) > set(KINDS)
    assert not verdicts(apply(world, exported, prune=True), "changed")
    assert world.db.rpc("export_config") == exported


def test_a_dry_run_says_what_would_happen_and_writes_nothing(world: World) -> None:
    before = world.db.counts()
    planned = apply(world, dry_run=True)
    assert world.db.counts() == before
    assert "tokens" not in planned
    assert planned["plan"] == apply(world)["plan"]


def test_what_a_file_changes_is_named(world: World) -> None:
    apply(world)
    changed = {
        "channels": [{**CONFIG["channels"][0], "config": {"room": "dev"}}],
        "silences": [{**CONFIG["silences"][0], "kind": "maintenance"}],
    }
    answer = apply(world, changed)
    assert verdicts(answer, "changed") == {"chat", "weekly"}
    assert set(answer["plan"]) == {"channels", "silences"}


def test_what_a_file_does_not_mention_stays_without_prune(world: World) -> None:
    apply(world)
    apply(world, {"channels": [CONFIG["channels"][0]], "routes": []})
    assert [c["name"] for c in world.db.rpc("list_channels")] == ["chat", "phone"]


def test_pruning_takes_users_before_what_they_use(world: World) -> None:
    apply(world)
    answer = apply(world, {kind: [] for kind in KINDS}, prune=True)
    assert len(verdicts(answer, "deleted")) == 9
    exported = world.db.rpc("export_config")
    assert {kind: exported[kind] for kind in KINDS} == {kind: [] for kind in KINDS}


def test_pruning_what_is_still_in_use_is_refused(world: World) -> None:
    apply(world)
    with refused(world.db, "PT409", naming="name: "):
        apply(world, {"channels": []}, prune=True)


def test_one_bad_line_refuses_the_whole_file(world: World) -> None:
    with refused(world.db, "22023", naming="heartbeats[0]"):
        apply(world, {**CONFIG, "heartbeats": [{"name": "x"}]})


def test_a_big_file_is_taken(world: World) -> None:
    lines = [{"name": f"room-{n}", "kind": "chat", "config": {"room": "x" * 90}} for n in range(900)]
    assert len(verdicts(apply(world, {"channels": lines}), "created")) == 900


@pytest.mark.parametrize(
    ("naming", "wrong"),
    [
        *(("config", value) for value in anything([], "x", 1, None)),
        ("config.nope", {"nope": []}),
        *((f"config.{kind}", {kind: {}}) for kind in KINDS),
        *((f"{kind}[0]", {kind: [value]}) for kind in KINDS for value in anything(1, "x", [], {}, None)),
        *(
            (f"{kind}[0].nope", {kind: [{**CONFIG[kind][0], "nope": 1}]})
            for kind in ("channels", "rotations", "silences", "heartbeats")
        ),
        ("channels[1]", {"channels": [CONFIG["channels"][0]] * 2}),
        ("silences[1]", {"silences": CONFIG["silences"] * 2}),
        (
            "channels[0].secrets.url",
            {"channels": [{**CONFIG["channels"][0], "secrets": {"url": "https://hooks.example.org/T0/B0"}}]},
        ),
    ],
)
def test_a_bad_file_is_refused_by_name(world: World, naming: str, wrong: Any) -> None:
    with refused(world.db, "22023", naming=naming):
        world.db.run("select public.apply_config(%s)", Jsonb(wrong))


# Channels and the rest -------------------------------------------------------------------------------------------

CHANNEL: Json = {"name": "chat", "kind": "chat"}


@pytest.mark.parametrize(
    ("naming", "wrong"),
    [
        *(("channel", value) for value in anything([], 1, "x")),
        ("channel.name", {"kind": "chat"}),
        ("channel.kind", {"name": "x"}),
        ("channel.kind", {**CHANNEL, "kind": "fax"}),
        ("channel.nope", {**CHANNEL, "nope": 1}),
        ("channel.name", {**CHANNEL, "name": ""}),
        ("channel.config", {**CHANNEL, "config": []}),
        ("channel.config.nope", {**CHANNEL, "config": {"nope": 1}}),
        ("channel.config.to", {"name": "x", "kind": "mail"}),
        ("channel.secrets.password", {"name": "x", "kind": "mail", "config": {"to": "a@example.org"}}),
        ("channel.secrets.nope", {**CHANNEL, "secrets": {"nope": "env:CHANNEL_X"}}),
        *(
            ("channel.secrets.url", {**CHANNEL, "secrets": {"url": ref}})
            for ref in anything(
                "",
                "hunter2",
                "env:HOME",
                "env:CHANNEL_",
                "env:CHANNEL_x",
                "ssm:/other/x",
                "secretsmanager:prod/db",
                None,
                7,
                "ssm:/watchkeeper/channels/",
                "ssm:/watchkeeper/channels/a b",
                "env:CHANNEL_A\nB",
            )
        ),
        ("channel.rate_per_minute", {**CHANNEL, "rate_per_minute": 0}),
        ("channel.enabled", {**CHANNEL, "enabled": 1}),
    ],
)
def test_a_bad_channel_is_refused_by_name(world: World, naming: str, wrong: Any) -> None:
    with refused(world.db, "22023", naming=naming):
        world.db.run("select public.save_channel(%s)", Jsonb(wrong))


@pytest.mark.parametrize(
    "ref", ["env:CHANNEL_CHAT", "ssm:/watchkeeper/channels/chat", "secretsmanager:watchkeeper/channels/a/b-c"]
)
def test_a_secret_is_kept_as_a_reference(world: World, ref: str) -> None:
    world.channel("chat", secrets={"url": ref})
    assert only(world.db.rpc("list_channels"))["secrets"] == {"url": ref}


@pytest.mark.parametrize(
    ("state", "rpc", "naming", "wrong"),
    [
        ("22023", "save_route", "route.channels", {"name": "x"}),
        ("22023", "save_route", "route.match.nope", {"name": "x", "match": {"nope": 1}}),
        ("PT404", "save_route", "route.channels", {"name": "x", "channels": ["nobody"]}),
        ("PT404", "save_route", "route.escalation", {"name": "x", "escalation": "none"}),
        *(
            ("22023", "save_route", f"route.hours{path}", {"name": "x", "channels": ["chat"], "hours": hours})
            for path, hours in anything(
                ("", []),
                (".nope", {"nope": 1}),
                (".from", {"from": "9"}),
                (".to", {"to": "24:01"}),
                (".days", {"days": []}),
                (".days[0]", {"days": ["someday"]}),
                (".time_zone", {"time_zone": "Mars"}),
            )
        ),
        (
            "22023",
            "save_route",
            "route.remind_every_s",
            {"name": "x", "channels": ["chat"], "remind_every_s": 59},
        ),
        ("22023", "save_escalation", "escalation.steps", {"name": "x", "steps": []}),
        ("22023", "save_escalation", "escalation.steps[0].after_s", {"name": "x", "steps": [{}]}),
        (
            "PT404",
            "save_escalation",
            "escalation.steps[0].channels",
            {"name": "x", "steps": [{"after_s": 0, "channels": ["nobody"]}]},
        ),
        (
            "PT404",
            "save_escalation",
            "escalation.steps[0].on_call",
            {"name": "x", "steps": [{"after_s": 0, "on_call": ["none"]}]},
        ),
        (
            "22023",
            "save_rotation",
            "rotation.people",
            {"name": "x", "starts_at": "2026-01-05T09:00", "people": []},
        ),
        (
            "22023",
            "save_rotation",
            "rotation.starts_at",
            {"name": "x", "starts_at": "2026-02-30T09:00", "people": ["a@b"]},
        ),
        (
            "22023",
            "save_rotation",
            "rotation.time_zone",
            {"name": "x", "starts_at": "2026-01-05T09:00", "people": ["a@b"], "time_zone": ""},
        ),
        ("22023", "save_delivery_settings", "settings.nope", {"nope": 1}),
        ("22023", "save_delivery_settings", "settings.storm_alerts", {"storm_alerts": 1}),
    ],
)
def test_bad_settings_are_refused_by_name(
    world: World, state: str, rpc: str, naming: str, wrong: Json
) -> None:
    world.channel("chat")
    with refused(world.db, state, naming=naming):
        world.db.run(f"select public.{rpc}(%s)", Jsonb(wrong))


@pytest.mark.parametrize("kind", ["channel", "route", "escalation", "rotation", "heartbeat"])
def test_what_is_not_there_cannot_be_deleted(world: World, kind: str) -> None:
    with refused(world.db, "PT404", naming="name: "):
        world.db.rpc(f"delete_{kind}", name="nobody")
    with refused(world.db, "22023", naming="name: "):
        world.db.rpc(f"delete_{kind}", name="")


@pytest.mark.parametrize(
    ("kind", "name"), [("channel", "phone"), ("rotation", "primary"), ("escalation", "ladder")]
)
def test_what_is_in_use_cannot_be_deleted(world: World, kind: str, name: str) -> None:
    apply(world)
    with refused(world.db, "PT409", naming="name: "):
        world.db.rpc(f"delete_{kind}", name=name)


def test_a_name_is_free_again_once_its_channel_is_deleted(world: World) -> None:
    world.channel("chat")
    world.db.rpc("delete_channel", name="chat")
    world.channel("chat", "pager")
    assert only(world.db.rpc("list_channels"))["kind"] == "pager"


def test_an_override_needs_a_rotation_and_an_end_after_its_start(world: World) -> None:
    now = datetime.now(UTC)
    with refused(world.db, "PT404", naming="rotation"):
        world.db.rpc(
            "save_override", rotation="none", person="a@b", from_time=now, to_time=now + timedelta(hours=1)
        )
    world.setting("rotation", name="primary", starts_at="2026-01-05T09:00", people=["a@b"])
    with refused(world.db, "22023", naming="to_time"):
        world.db.rpc("save_override", rotation="primary", person="a@b", from_time=now, to_time=now)


# The ledger ------------------------------------------------------------------------------------------------------


@pytest.fixture
def told(world: World) -> World:
    world.channel("chat", "pager", secrets={"url": "env:CHANNEL_CHAT"})
    world.route("chat")
    return world


def test_the_ledger_is_read_newest_first_page_by_page(told: World) -> None:
    for n in range(5):
        told.fire(n, f"node-{n}")
    first = told.db.rpc("list_deliveries", max_rows=3)
    rest = told.db.rpc("list_deliveries", max_rows=3, before_seq=first[-1]["seq"])
    assert [each["source"] for each in first + rest] == [f"node-{n}" for n in (4, 3, 2, 1, 0)]
    assert not {"lease_id", "thread", "secrets"} & set(first[0])
    assert (
        told.db.rpc("list_deliveries", status="sent")
        == told.db.rpc("list_deliveries", channel="nobody")
        == []
    )
    for naming, wrong in (("status", {"status": "lost"}), ("max_rows", {"max_rows": 201})):
        with refused(told.db, "22023", naming=naming):
            told.db.rpc("list_deliveries", **wrong)


def retry(world: World, seconds: float, status: str) -> None:
    found = world.db.value(
        "select id from watchkeeper.deliveries where status = %s order by seq limit 1", status
    )
    world.db.run("select watchkeeper.retry_delivery(%s, %s)", found, world.at(seconds))


def test_a_dead_letter_tried_again_is_a_new_row_and_gets_its_end(told: World) -> None:
    told.fire(0)
    told.settle(1, told.claim(1), "dead", error="no")
    told.end(2)
    retry(told, 10, "dead")
    assert told.send(11) == [("chat", "trigger"), ("chat", "resolve")]
    assert told.ledger("anvil")[0] == ("chat", "trigger", "dead")
    with refused(told.db, "PT409", naming="delivery_id: it is being tried again"):
        retry(told, 12, "dead")


def test_what_was_sent_or_cancelled_or_is_unknown_is_not_tried_again(told: World) -> None:
    told.fire(0)
    messages = told.claim(1)
    told.end(2)
    told.settle(3, messages, "dead")
    told.fire(4, "web")
    told.send(5)
    for status in ("sent", "cancelled"):
        with refused(told.db, "PT409", naming="delivery_id"):
            retry(told, 6, status)
    with refused(told.db, "PT404", naming="delivery_id"):
        told.db.rpc("retry_delivery", delivery_id=uuid4())


def test_what_waits_can_be_hurried(told: World) -> None:
    told.fire(0)
    told.settle(1, told.claim(1), "retry", retry_after_s=3600)
    retry(told, 10, "pending")
    assert told.send(11) == [("chat", "trigger")]


def test_a_test_needs_a_channel_that_is_on(told: World) -> None:
    told.channel("chat", "pager", enabled=False)
    with refused(told.db, "PT409", naming="channel"):
        told.db.rpc("send_test", channel="chat")
    with refused(told.db, "PT404", naming="channel"):
        told.db.rpc("send_test", channel="nobody")


def test_the_summary_says_what_waits_and_what_died(told: World) -> None:
    told.fire(0)
    deliveries = told.summary(120)["deliveries"]
    assert (deliveries["status"], deliveries["pending"], deliveries["overdue"], deliveries["dead_24h"]) == (
        "warning",
        1,
        1,
        0,
    )
    told.settle(121, told.claim(121), "dead")
    assert told.summary(122)["deliveries"]["dead_24h"] == 1


def test_latency_is_measured_from_detection_and_from_the_slot(told: World) -> None:
    told.fire(0)
    told.send(2)
    acknowledge(told, 100)
    told.silence(told.at(200), told.at(400))
    told.fire(210, "quiet")
    told.send(500)
    line = only(told.db.value("select watchkeeper.get_alert_latency(86400, %s)", told.at(600)))
    assert (line["kind"], line["alerts"], line["delivered"], line["delivered_within_30_s"]) == (
        "uptime",
        1,
        1,
        1,
    )
    assert line["detected_to_delivered_s"]["p95"] == 2
    assert (line["detected_to_acknowledged_s"]["p50"], line["acknowledged_within_5_min"]) == (100, 1)
    with refused(told.db, "22023", naming="window_s"):
        told.db.rpc("get_alert_latency", window_s=59)
