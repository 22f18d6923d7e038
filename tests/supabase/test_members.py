"""Members: who they are, who may change them, and that somebody is left who can."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.supabase.world import MEMBERS, Db, refused


@pytest.mark.parametrize(
    ("who", "role", "rights"),
    [
        ("authenticated", None, []),
        ("viewer", "viewer", ["read"]),
        ("auditor", "auditor", ["read", "audit"]),
        ("responder", "responder", ["read", "respond"]),
        ("admin", "admin", ["read", "respond", "audit", "manage"]),
        ("service_role", "operator", ["read", "respond", "audit", "manage"]),
    ],
)
def test_whoami_tells_the_role_and_its_rights(db: Db, who: str, role: str | None, rights: list[str]) -> None:
    with db.asking_as(who):
        me = db.rpc("whoami")
    assert (me["role"], me["rights"]) == (role, rights)
    assert (me["email"] is None) == (who == "service_role")


def test_a_role_counts_from_the_next_request_on(db: Db) -> None:
    ann = db.sign_up("ann@example.org")
    with refused(db, "42501", naming="this needs the role viewer"), db.acting_as("authenticated", ann):
        db.rpc("list_targets")
    db.rpc("grant_role", email=" Ann@Example.org ", role="viewer")
    with db.acting_as("authenticated", ann):
        assert db.rpc("list_targets") == []
    db.member("admin")
    assert db.rpc("revoke_role", email="ann@example.org")["role"] == "viewer"
    with refused(db, "42501"), db.acting_as("authenticated", ann):
        db.rpc("list_targets")


def test_members_are_listed_by_address(db: Db) -> None:
    for role in MEMBERS:
        db.member(role, f"{role}@example.org")
    listed = [(member["email"], member["role"]) for member in db.rpc("list_members")]
    assert listed == sorted((f"{role}@example.org", role) for role in MEMBERS)


@pytest.mark.parametrize(
    "change", ["select public.revoke_role(%s)", "select public.grant_role(%s, 'viewer')"]
)
def test_the_last_admin_stays(db: Db, change: str) -> None:
    db.member("admin", "root@example.org")
    with refused(db, "PT409", naming="this is the last admin"):
        db.run(change, "root@example.org")
    db.member("admin", "other@example.org")
    db.run(change, "root@example.org")


def test_a_viewer_can_be_removed_where_there_is_no_admin(db: Db) -> None:
    db.member("viewer", "ann@example.org")
    assert db.rpc("revoke_role", email="ann@example.org")["role"] == "viewer"


def test_two_admins_who_remove_each_other_leave_one(fresh: Callable[[], Db]) -> None:
    one, other = fresh(), fresh()
    ann, bob = one.member("admin", "ann@example.org"), one.member("admin", "bob@example.org")

    def ann_is_removed() -> None:
        with other.acting_as("authenticated", bob):
            other.rpc("revoke_role", email="ann@example.org")

    with ThreadPoolExecutor(1) as pool:
        with one.acting_as("authenticated", ann):
            one.rpc("revoke_role", email="bob@example.org")
            waits = pool.submit(ann_is_removed)
            time.sleep(0.3)
            assert not waits.done(), "it has to see what the other one did"
        error = waits.exception(timeout=60)
    assert isinstance(error, psycopg.Error)
    assert error.sqlstate in {"PT409", "42501"}
    assert one.values("select user_id from watchkeeper.members where role = 'admin'") == [ann]


@pytest.mark.parametrize(
    ("email", "role", "state", "message"),
    [
        (None, "viewer", "22023", "email: must not be empty"),
        ("", "viewer", "22023", "email: must not be empty"),
        ("x" * 1_000_000, "viewer", "22023", "email: must have at most 320"),
        ("nobody@example.org", "viewer", "PT404", "email: nobody has signed up as nobody@example.org"),
        ("ann@example.org", None, "22023", "role: must be one of"),
        ("ann@example.org", "", "22023", "role: must be one of"),
        ("ann@example.org", "root", "22023", "role: must be one of"),
        ("ann@example.org", "x" * 1_000_000, "22023", "role: must be one of"),
        ("' or true --", "viewer", "PT404", "email: nobody"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_role_for_nobody_or_an_unknown_role_is_refused(
    db: Db, email: Any, role: Any, state: str, message: str
) -> None:
    db.sign_up("ann@example.org")
    with refused(db, state, naming=message), db.asking_as("admin"):
        db.rpc("grant_role", email=email, role=role)


def test_who_has_no_role_cannot_lose_it(db: Db) -> None:
    db.sign_up("ann@example.org")
    with refused(db, "PT404", naming="email: ann@example.org has no role"):
        db.rpc("revoke_role", email="ann@example.org")


def test_an_address_that_two_accounts_share_is_not_guessed(db: Db) -> None:
    """Single sign-on allows it."""
    db.sign_up("ann@example.org")
    db.run(
        "insert into auth.users (id, email, is_sso_user) values (gen_random_uuid(), 'ann@example.org', true)"
    )
    with refused(db, "PT409", naming="email: more than one account"):
        db.rpc("grant_role", email="ann@example.org", role="admin")


def test_a_user_who_is_deleted_is_no_member_any_more(db: Db) -> None:
    user = db.member("viewer")
    db.run("delete from auth.users where id = %s", user)
    assert db.rpc("list_members") == []
