"""A second factor that can be demanded of everybody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.supabase.test_audit import chain, entries, head
from tests.supabase.world import MEMBERS, TOOLS, Db, refused

ON, OFF = {"require_mfa": True}, {"require_mfa": False}
DEMANDED = "this project demands a second factor"


@pytest.fixture
def demanding(db: Db) -> Db:
    """The operator turned it on."""
    assert db.rpc("save_access_settings", settings=ON) == ON
    return db


@contextmanager
def signed_in(db: Db, role: str, aal: str | None = None, email: str | None = None) -> Iterator[None]:
    with db.acting_as("authenticated", db.member(role, email), **({"aal": aal} if aal else {})):
        yield


@pytest.mark.parametrize("aal", [None, "aal1", "aal2"])
def test_it_is_not_demanded_until_somebody_says_so(db: Db, aal: str | None) -> None:
    with signed_in(db, "admin", aal):
        me = db.rpc("whoami")
        assert (me["aal"], me["require_mfa"], me["needs_mfa"]) == (aal, False, False)
        assert len(me["rights"]) == 4


@pytest.mark.parametrize("role", MEMBERS)
def test_a_role_counts_with_a_second_factor_only(demanding: Db, role: str) -> None:
    db = demanding
    for aal in (None, "aal1", "AAL2", "aal3"):
        with refused(db, "42501", naming=DEMANDED), signed_in(db, role, aal):
            db.rpc("list_targets")
        with signed_in(db, role, aal):
            me = db.rpc("whoami")
            assert (me["role"], me["rights"], me["needs_mfa"]) == (role, [], True)
    with signed_in(db, role, "aal2"):
        assert db.rpc("list_targets") == []
        me = db.rpc("whoami")
        assert ("read" in me["rights"], me["needs_mfa"], me["require_mfa"]) == (True, False, True)


def test_it_holds_for_the_tables_too(demanding: Db) -> None:
    db = demanding
    db.run(
        "insert into incident_logs (incident_type, severity, title) values ('manual', 'low', 'it is slow')"
    )
    for aal, seen in (("aal1", 0), ("aal2", 1)):
        with signed_in(db, "viewer", aal):
            assert db.value("select count(*) from incident_logs") == seen


def test_the_older_place_of_a_claim_is_read_too(demanding: Db) -> None:
    with signed_in(demanding, "viewer"):
        demanding.run("select set_config('request.jwt.claim.aal', 'aal2', true)")
        assert demanding.rpc("whoami")["needs_mfa"] is False


def test_somebody_without_a_role_is_told_of_the_role_and_not_of_a_factor(demanding: Db) -> None:
    with demanding.asking_as("authenticated"):
        assert demanding.rpc("whoami")["needs_mfa"] is False
    with (
        refused(demanding, "42501", naming="this needs the role viewer"),
        demanding.asking_as("authenticated"),
    ):
        demanding.rpc("list_targets")


def test_the_operator_and_tools_are_no_people(demanding: Db) -> None:
    with demanding.acting_as("service_role"):
        assert demanding.rpc("list_targets") == []
        assert demanding.rpc("whoami")["needs_mfa"] is False
    for tool in TOOLS:
        with demanding.acting_as(tool, sub="ci-job"):
            if tool == "watchkeeper_ingest":
                demanding.rpc("record_system_metric", metric_name_param="x", metric_value_param=1)
            else:
                demanding.rpc("get_system_health_summary")


@pytest.mark.parametrize("aal", [None, "aal1"])
def test_nobody_demands_it_who_has_none_himself(db: Db, aal: str | None) -> None:
    with refused(db, "PT409", naming="settings.require_mfa: sign in with"), signed_in(db, "admin", aal):
        db.rpc("save_access_settings", settings=ON)
    with (
        refused(db, "PT409", naming="access_settings.require_mfa: sign in with"),
        signed_in(db, "admin", aal),
    ):
        db.rpc("apply_config", config={"access_settings": ON})
    with signed_in(db, "admin", aal):
        assert db.rpc("save_access_settings", settings=OFF) == OFF
        assert db.rpc("get_access_settings") == OFF


def test_an_admin_with_one_turns_it_on_and_off_and_the_log_knows(db: Db) -> None:
    chain(db)
    before = head(db)
    with signed_in(db, "admin", "aal2", "ann@example.org"):
        db.rpc("save_access_settings", settings=ON)
    changed = entries(db, before)[-1]
    assert (changed["actor"], changed["table_name"]) == ("ann@example.org", "access_settings")
    assert (changed["before"], changed["after"]) == (OFF, ON)
    with refused(db, "42501", naming=DEMANDED), signed_in(db, "admin", "aal1"):
        db.rpc("save_access_settings", settings=OFF)
    with signed_in(db, "admin", "aal2"):
        assert db.rpc("save_access_settings", settings=OFF) == OFF


def test_the_operator_always_turns_it_off(demanding: Db) -> None:
    db = demanding
    with db.acting_as("service_role"):
        plan = db.rpc("apply_config", config={"access_settings": OFF})["plan"]
        assert plan["access_settings"]["changed"] == ["require_mfa"]
        assert db.rpc("export_config")["access_settings"] == OFF
    with signed_in(db, "viewer", "aal1"):
        assert db.rpc("list_targets") == []


@pytest.mark.parametrize(
    ("argument", "given"),
    [("settings.require_mfa: ", {"require_mfa": "yes"}), ("settings.require_mfa: ", {"require_mfa": None}),
     ("settings.nope", {"nope": True}), ("settings: ", [])],
)  # fmt: skip
def test_nonsense_is_refused_by_name(db: Db, argument: str, given: object) -> None:
    with refused(db, "22023", naming=argument):
        db.rpc("save_access_settings", settings=given)
