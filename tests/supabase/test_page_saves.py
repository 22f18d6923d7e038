"""What the page saves: nobody's work is lost, a draft is judged as saving it would be, routes move in one step."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.supabase.world import CATALOG, Db, Json, World, a_target, anything, refused

ROUTE: Json = {"name": "all", "channels": ["chat"]}
# Of each kind: the RPC and its argument; a document, another that is as good, one that is refused and how that begins.
KINDS: dict[str, tuple[str, str, Json, Json, Json, str]] = {
    "channel": (
        "save_channel", "channel", {"name": "chat", "kind": "chat"},
        {"person": "ann@example.org"}, {"kind": "smoke"}, "channel.kind: must be one of",
    ),
    "route": (
        "save_route", "route", ROUTE,
        {"position": 7}, {"channels": ["nobody"]}, "route.channels: there is no channel nobody",
    ),
    "escalation": (
        "save_escalation", "escalation", {"name": "ladder", "steps": [{"after_s": 0}]},
        {"repeats": 2}, {"steps": [{"after_s": 0, "on_call": ["nobody"]}]},
        "escalation.steps[0].on_call: there is no rotation",
    ),
    "rotation": (
        "save_rotation", "rotation", {"name": "primary", "people": ["a@b"], "starts_at": "2026-01-05T09:00"},
        {"shift_days": 1}, {"time_zone": "Mars"}, "rotation.time_zone: must be a time zone",
    ),
    "heartbeat": (
        "save_heartbeat", "heartbeat", {"name": "backup", "period_s": 60},
        {"grace_s": 1}, {"period_s": None, "cron": "0 0 30 2 *"}, "heartbeat.cron: must be five fields",
    ),
    "objective": (
        "save_objective", "objective", {"name": "all"},
        {"percent": 99}, {"percent": 1}, "objective.percent: must be",
    ),
    "report_plan": (
        "save_report_plan", "plan", {"name": "monthly"},
        {"enabled": False}, {"formats": ["doc"]}, "plan.formats: must be one of",
    ),
    "delivery_settings": (
        "save_delivery_settings", "settings", {"storm_alerts": 12},
        {"storm_alerts": 20}, {"storm_alerts": 1}, "settings.storm_alerts: must be at least 2",
    ),
    "incident_settings": (
        "save_incident_settings", "settings", {"network_targets": 5},
        {"network_targets": None}, {"match": {"shoes": []}}, "settings.match.shoes: is not known",
    ),
    "target": (
        "save_target", "target", a_target("node"),
        {"labels": {"env": "prod"}}, {"chain": "nova"}, "target.chain: must be one of",
    ),
}  # fmt: skip


@pytest.fixture
def desk(world: World) -> World:
    world.db.rpc("save_channel", channel={"name": "chat", "kind": "chat"})
    return world


def key_of(world: World, kind: str, document: Json) -> Any:
    if kind == "target":
        return str(world.db.value("select id from watchkeeper.targets where name = %s", document["name"]))
    return document.get("name")


def read(world: World, kind: str, document: Json) -> Json:
    found: Json = world.db.rpc("get_setting", kind=kind, key=key_of(world, kind, document))
    return found


# Versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_save_that_knows_what_is_there_is_taken_and_one_that_does_not_is_a_conflict(
    desk: World, kind: str
) -> None:
    rpc, argument, first, change, _, _ = KINDS[kind]
    desk.db.rpc(rpc, **{argument: first})
    seen = read(desk, kind, first)
    mine = {**first, **change}
    if kind == "target":
        mine["id"] = seen["document"]["id"]
    desk.db.rpc(rpc, **{argument: {**mine, "version": seen["version"]}})
    now = read(desk, kind, first)
    assert now["version"] != seen["version"]
    with refused(desk.db, "PT409", naming=f"{argument}.version: "):
        desk.db.rpc(rpc, **{argument: {**mine, "version": seen["version"]}})
    desk.db.rpc(rpc, **{argument: {**mine, "version": now["version"]}})
    desk.db.rpc(rpc, **{argument: first})  # who names none, as the file of settings does, overwrites
    assert read(desk, kind, first)["version"] == seen["version"], "changed back is what was read"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.endswith("_settings")])
def test_a_new_one_replaces_no_other_of_its_name(desk: World, kind: str) -> None:
    rpc, argument, first, _, _, _ = KINDS[kind]
    desk.db.rpc(rpc, **{argument: first})
    name = first["name"]
    with refused(desk.db, "22023", naming=f"{argument}.name: another is called {name}"):
        desk.db.rpc(rpc, **{argument: {**first, "version": None}})
    desk.db.rpc(rpc, **{argument: {**first, "name": "of its own", "version": None}})


@pytest.mark.parametrize("version", anything("x" * 32, None))
def test_a_version_is_one_that_was_read(desk: World, version: Any) -> None:
    desk.db.rpc("save_route", route=ROUTE)
    with refused(desk.db, "22023", "PT409", naming="route."):
        desk.db.rpc("save_route", route={**ROUTE, "version": version})


def test_what_was_deleted_meanwhile_does_not_come_back(desk: World) -> None:
    desk.db.rpc("save_route", route=ROUTE)
    version = read(desk, "route", ROUTE)["version"]
    desk.db.rpc("delete_route", name="all")
    with refused(desk.db, "PT409", naming="route.version: somebody deleted it, after you read it"):
        desk.db.rpc("save_route", route={**ROUTE, "version": version})
    assert desk.db.rpc("get_setting", kind="route", key="all") == {"document": None, "version": None}


def test_pausing_is_no_change_of_the_form(desk: World) -> None:
    target = desk.target("node")
    before = desk.db.rpc("get_setting", kind="target", key=target["id"])
    desk.db.rpc("pause_target", target_id=target["id"])
    assert desk.db.rpc("get_setting", kind="target", key=target["id"]) == before


def test_a_silence_is_known_by_its_id(desk: World) -> None:
    silence = {"comment": "a move", "starts_at": "2026-01-05T09:00", "ends_at": "2026-01-05T10:00"}
    saved = desk.db.rpc("save_silence", silence={**silence, "version": None})
    seen = desk.db.rpc("get_setting", kind="silence", key=saved["id"])
    assert seen["document"] == saved
    mine = {**silence, "id": saved["id"], "comment": "moved", "version": seen["version"]}
    desk.db.rpc("save_silence", silence=mine)
    with refused(desk.db, "PT409", naming="silence.version: "):
        desk.db.rpc("save_silence", silence=mine)


def test_the_conflict_says_who_and_two_at_once_do_not_both_win(fresh: Callable[[], Db]) -> None:
    db, other = fresh(), fresh()
    db.rpc("publish_catalog", catalog=CATALOG)
    db.rpc("save_channel", channel={"name": "chat", "kind": "chat"})
    db.rpc("save_route", route=ROUTE)
    version = db.rpc("get_setting", kind="route", key="all")["version"]
    ann = db.member("admin", "ann@example.org")

    def save(who: Db, position: int) -> str:
        try:
            with who.acting_as("authenticated", ann):
                who.rpc("save_route", route={**ROUTE, "position": position, "version": version})
        except psycopg.Error as error:
            return str(error.diag.message_primary)
        return "saved"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(save, (db, other), (7, 8)))
    assert said[1] == "saved"
    assert said[0].startswith("route.version: ann@example.org changed it at 20")
    assert said[0].endswith("UTC, after you read it")


# Drafts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "target"])
def test_a_draft_is_judged_in_the_words_of_its_save_and_leaves_no_trace(desk: World, kind: str) -> None:
    rpc, argument, first, change, bad, problem = KINDS[kind]
    desk.db.rpc(rpc, **{argument: first})
    before, stored = desk.db.counts(), read(desk, kind, first)
    assert desk.db.rpc("validate_setting", kind=kind, document={**first, **change}) == {
        "ok": True,
        "problem": None,
    }
    wrong = {**first, **bad}
    told = desk.db.rpc("validate_setting", kind=kind, document=wrong)
    assert (told["ok"], told["problem"][: len(problem)]) == (False, problem)
    assert (desk.db.counts(), read(desk, kind, first)) == (before, stored)
    with refused(desk.db, "22023", "PT404", naming=told["problem"]):
        desk.db.rpc(rpc, **{argument: wrong})


@pytest.mark.parametrize("document", [None, 1, "version", [], ["version"], {}])
def test_a_draft_that_is_no_document_is_a_problem_too(desk: World, document: Any) -> None:
    told = desk.db.value("select public.validate_setting('route', %s)", psycopg.types.json.Jsonb(document))
    assert told["ok"] is False
    assert told["problem"].startswith("route")


def test_a_draft_of_what_changed_meanwhile_says_so(desk: World) -> None:
    desk.db.rpc("save_route", route=ROUTE)
    told = desk.db.rpc("validate_setting", kind="route", document={**ROUTE, "version": "0" * 32})
    assert told["problem"].startswith("route.version: ")
    target = desk.target("node")
    told = desk.db.rpc(
        "validate_target", target={**a_target("node"), "id": target["id"], "version": "0" * 32}
    )
    assert told["problem"].startswith("target.version: ")


def test_a_responder_may_draft_silences_and_nothing_else(desk: World) -> None:
    silence = {"comment": "a move", "starts_at": "2026-01-05T09:00", "ends_at": "2026-01-05T10:00"}
    with desk.db.asking_as("responder"):
        assert desk.db.rpc("validate_setting", kind="silence", document=silence)["ok"]
    with refused(desk.db, "42501"), desk.db.asking_as("responder"):
        desk.db.rpc("validate_setting", kind="route", document=ROUTE)


@pytest.mark.parametrize("rpc", ["validate_setting", "get_setting"])
def test_a_kind_is_one_of_those_there_are(desk: World, rpc: str) -> None:
    rest: Json = {"document": {}} if rpc == "validate_setting" else {"key": None}
    for kind in (None, "watchdog", "routes"):
        with refused(desk.db, "22023", naming="kind: must be one of"):
            desk.db.rpc(rpc, kind=kind, **rest)


# Settings of which there is one ------------------------------------------------------------------------------------


def test_settings_come_with_their_defaults_as_the_columns_have_them(desk: World) -> None:
    desk.db.run("delete from watchkeeper.incident_settings")
    desk.db.run("insert into watchkeeper.incident_settings default values")
    desk.db.rpc("save_delivery_settings", settings={"storm_alerts": 20})
    found = desk.db.rpc("get_settings")
    assert found["incident_settings"]["values"] == found["incident_settings"]["defaults"]
    delivery = found["delivery_settings"]
    assert (delivery["values"]["storm_alerts"], delivery["defaults"]["storm_alerts"]) == (20, 10)
    assert delivery["values"] == desk.db.rpc("get_delivery_settings")
    assert delivery["version"] == desk.db.rpc("get_setting", kind="delivery_settings")["version"]


# The order of routes -----------------------------------------------------------------------------------------------


def routes(world: World, **positions: int) -> None:
    for name, position in positions.items():
        world.db.rpc("save_route", route={"name": name, "position": position, "channels": ["chat"]})


def order(listed: list[Json]) -> dict[str, int]:
    return {each["name"]: each["position"] for each in listed}


def test_a_route_moves_and_moving_it_back_restores_all(desk: World) -> None:
    routes(desk, a=10, b=20, c=30)
    assert list(order(desk.db.rpc("move_route", name="c", before="a")).items()) == [
        ("c", 10),
        ("a", 20),
        ("b", 30),
    ]
    assert order(desk.db.rpc("list_routes")) == {"c": 10, "a": 20, "b": 30}
    assert list(order(desk.db.rpc("move_route", name="c")).items()) == [("a", 10), ("b", 20), ("c", 30)]


def test_routes_of_one_position_get_places_of_their_own(desk: World) -> None:
    routes(desk, a=100, b=100, c=100, d=500)
    assert order(desk.db.rpc("move_route", name="b", before="a")) == {"b": 100, "a": 101, "c": 102, "d": 500}
    routes(desk, a=1_000_000, b=1_000_000, c=1_000_000, d=1_000_000)
    assert order(desk.db.rpc("move_route", name="d", before="b")) == {"a": 10, "d": 20, "b": 30, "c": 40}


@pytest.mark.parametrize(
    ("name", "before", "state", "argument"),
    [
        ("x", "a", "PT404", "name"),
        (None, "a", "PT404", "name"),
        ("a", "x", "PT404", "before"),
        ("a", "a", "22023", "before"),
    ],
)
def test_a_route_moves_before_another_that_is_there(
    desk: World, name: str | None, before: str, state: str, argument: str
) -> None:
    routes(desk, a=1, b=2)
    with refused(desk.db, state, naming=f"{argument}: "):
        desk.db.rpc("move_route", name=name, before=before)
