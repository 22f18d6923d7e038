"""What somebody else changed meanwhile is not deleted, and no role overruled."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.supabase.test_audit import chain
from tests.supabase.test_page_saves import KINDS, ROUTE, key_of, read
from tests.supabase.world import Db, Json, World, refused

DELETABLE = [kind for kind in KINDS if not kind.endswith("_settings")]


@pytest.fixture
def desk(world: World) -> World:
    world.db.rpc("save_channel", channel={"name": "chat", "kind": "chat"})
    return world


# Deleting what was read ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DELETABLE)
def test_what_changed_since_it_was_read_is_deleted_only_by_who_has_seen_the_change(
    desk: World, kind: str
) -> None:
    rpc, argument, first, change, _, _ = KINDS[kind]
    desk.db.rpc(rpc, **{argument: first})
    key, seen = key_of(desk, kind, first), read(desk, kind, first)["version"]
    desk.db.rpc(rpc, **{argument: {**first, **change, **({"id": key} if kind == "target" else {})}})
    with refused(desk.db, "PT409", naming=f"{kind}.version: somebody changed it, after you read it"):
        desk.db.rpc("delete_setting", kind=kind, key=key, version=seen)
    stored = read(desk, kind, first)
    assert stored["document"] is not None
    desk.db.rpc("delete_setting", kind=kind, key=key, version=stored["version"])
    assert desk.db.rpc("get_setting", kind=kind, key=key)["document"] is None
    with refused(desk.db, "PT409", naming=f"{kind}.version: somebody deleted it, after you read it"):
        desk.db.rpc("delete_setting", kind=kind, key=key, version=stored["version"])


def test_what_is_still_used_stays_as_it_does_by_its_name(desk: World) -> None:
    desk.setting("escalation", name="ladder", steps=[{"after_s": 0}])
    desk.db.rpc("save_route", route={**ROUTE, "escalation": "ladder"})
    version = desk.db.rpc("get_setting", kind="escalation", key="ladder")["version"]
    with refused(desk.db, "PT409", naming="name: a route still uses the escalation ladder"):
        desk.db.rpc("delete_setting", kind="escalation", key="ladder", version=version)


@pytest.mark.parametrize(
    ("argument", "value", "state"),
    [
        ("kind", None, "22023"), ("kind", "silence", "22023"), ("kind", "incident_settings", "22023"),
        ("key", None, "22023"), ("key", "", "22023"), ("key", "x" * 101, "22023"),
        ("version", None, "22023"), ("version", " ", "22023"), ("version", "x" * 101, "22023"),
        ("version", "0" * 32, "PT409"),
    ],
)  # fmt: skip
def test_a_bad_delete_is_refused_by_name(desk: World, argument: str, value: Any, state: str) -> None:
    desk.db.rpc("save_route", route=ROUTE)
    good = {"kind": "route", "key": "all", "version": read(desk, "route", ROUTE)["version"]}
    naming = "route.version: " if state == "PT409" else f"{argument}: "
    with refused(desk.db, state, naming=naming):
        desk.db.rpc("delete_setting", **{**good, argument: value})
    assert read(desk, "route", ROUTE)["version"] == good["version"]


def test_no_id_is_no_target(desk: World) -> None:
    with refused(desk.db, "PT409", naming="target.version: "):
        desk.db.rpc("delete_setting", kind="target", key="node", version="0" * 32)


# Roles -----------------------------------------------------------------------------------------------------------


def test_a_role_is_changed_by_who_knows_it(db: Db) -> None:
    ann = db.member("admin", "ann@example.org")
    db.sign_up("bob@example.org")

    def change(role: str | None, saw: str | None) -> Json:
        with db.acting_as("authenticated", ann):
            changed: Json = db.rpc("change_role", email=" Bob@Example.org", role=role, saw=saw)
        chain(db)
        return changed

    assert change("viewer", None)["role"] == "viewer"
    assert change("auditor", "viewer")["role"] == "auditor"
    for role, saw in (("responder", "viewer"), ("responder", None), (None, "viewer")):
        with refused(db, "PT409", naming="role: ann@example.org made it auditor at 20"):
            change(role, saw)
    assert change(None, "auditor")["role"] == "auditor"
    for role in ("viewer", None):
        with refused(db, "PT409", naming="role: ann@example.org took it away at 20"):
            change(role, "auditor")
    with refused(db, "PT404", naming="email: Bob@Example.org has no role"):
        db.rpc("change_role", email="Bob@Example.org", role=None, saw=None)


def test_a_changed_role_is_held_to_what_granting_is(db: Db) -> None:
    db.member("admin", "ann@example.org")
    for given, state, naming in (
        ({"email": "nobody@example.org", "saw": None}, "PT404", "email: nobody has signed up as"),
        ({"email": None}, "22023", "email: "),
        ({"role": "owner"}, "22023", "role: must be one of"),
        ({}, "PT409", ""),
    ):
        with refused(db, state, naming=naming):
            db.rpc("change_role", **{"email": "ann@example.org", "role": "viewer", "saw": "admin", **given})
    assert [each["role"] for each in db.rpc("list_members")] == ["admin"]


def test_of_two_at_once_one_is_told_of_the_other(fresh: Callable[[], Db]) -> None:
    db, other = fresh(), fresh()
    ann = db.member("admin", "ann@example.org")
    db.member("viewer", "bob@example.org")

    def change(who: Db, role: str) -> str:
        try:
            with who.acting_as("authenticated", ann):
                who.rpc("change_role", email="bob@example.org", role=role, saw="viewer")
        except psycopg.Error as error:
            return str(error.diag.message_primary)
        return "changed"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(change, (db, other), ("auditor", "responder")))
    assert said[0] == "changed"
    assert said[1].startswith("role: ann@example.org made it ")
