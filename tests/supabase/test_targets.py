"""Saving targets: what is stored is what was meant, everything else is refused by the name of its wrong part."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.supabase.world import CATALOG, Db, Json, World, a_target, anything, http_status, only, refused

ONE_MB = "x" * 1_000_000


def save(world: World, **wrong: Any) -> Json:
    target = {key: value for key, value in {**a_target(), **wrong}.items() if value is not ...}
    saved: Json = world.db.rpc("save_target", target=target)
    return saved


def test_a_target_comes_back_with_its_defaults(world: World) -> None:
    saved = save(
        world,
        network=None,
        labels={"env": "dev"},
        checks={"p2p": {}, "blockchain": {"params": {"block_time_s": 12}}},
    )
    assert saved.pop("id")
    assert saved == {
        "name": "anvil", "chain": "evm", "network": None, "endpoint": "http://127.0.0.1:8545", "settings": {},
        "labels": {"env": "dev"}, "paused": False, "depends_on": [],
        "checks": {
            "blockchain": {"interval_s": 60, "timeout_s": 10, "enabled": True, "params": {"block_time_s": 12}},
            "p2p": {"interval_s": 30, "timeout_s": 10, "enabled": True, "params": {}},
        },
    }  # fmt: skip


def test_what_was_saved_can_be_saved_again_and_changes_nothing(world: World) -> None:
    saved = save(world)
    assert world.db.rpc("save_target", target=saved) == saved
    assert world.db.rpc("apply_targets", targets=[saved])["unchanged"] == ["anvil"]


def test_a_target_without_a_chain_is_a_plain_service(world: World) -> None:
    saved = save(world, chain=..., endpoint="tcp://db.example.org:5432", checks={"uptime": {}})
    assert (saved["chain"], list(saved["checks"])) == (None, ["uptime"])


def test_saving_by_id_renames_and_keeps_the_checks(world: World) -> None:
    saved = save(world)
    check = world.check_id(saved)
    renamed = save(world, id=saved["id"], name="hardhat")
    assert (renamed["id"], renamed["name"], world.check_id(renamed)) == (saved["id"], "hardhat", check)


def test_a_timeout_never_exceeds_a_short_interval(world: World) -> None:
    check = save(world, checks={"blockchain": {"interval_s": 5}})["checks"]["blockchain"]
    assert (check["interval_s"], check["timeout_s"]) == (5, 5)


def test_a_whole_number_with_a_point_is_a_whole_number(world: World) -> None:
    check = save(world, checks={"blockchain": {"interval_s": 60.0, "timeout_s": 5.0}})["checks"]["blockchain"]
    assert (check["interval_s"], check["timeout_s"]) == (60, 5)


def test_a_changed_interval_is_due_at_once_and_a_changed_parameter_waits(world: World) -> None:
    target = world.target(checks={"blockchain": {"interval_s": 3600}})
    world.tick(0)
    world.target(checks={"blockchain": {"interval_s": 3600, "params": {"block_time_s": 5}}})
    assert world.tick(1) == []
    world.db.run(
        "select watchkeeper.save_target(%s, %s)",
        a_target(checks={"blockchain": {"interval_s": 7200}}),
        world.at(60),
    )
    assert len(world.tick(120)) == 1
    assert target["name"] == "anvil"


BAD: list[tuple[str, Json]] = [
    ("target.name: is missing", {"name": ...}),
    *(("target.name: ", {"name": name}) for name in anything(
        None, "", 7, [], {}, " x", "x ", "a\nb", "a\tb", "\u0007", "x" * 101)),
    ("target: must have at most", {"name": ONE_MB}),
    ("target: must have at most", {"settings": {"x": ONE_MB}}),
    ("target.nope: is not known", {"nope": 1}),
    ("target.created_at: is not known", {"created_at": "2020-01-01"}),
    ("target.id: ", {"id": "x"}),
    ("target.id: ", {"id": 1}),
    *(("target.chain: ", {"chain": chain}) for chain in anything("", "bitcoin", 7, ["evm"], {})),
    *(("target.network: ", {"network": network}) for network in anything("", 7, "x" * 101)),
    ("target.endpoint: is needed for chain evm", {"endpoint": None}),
    *(("target.endpoint: must be http", {"endpoint": endpoint}) for endpoint in anything(
        "x", "ftp://x", "http://", "http:///x", "http://a b", "http://x:port", "http://x:999999", "javascript:alert(1)",
        "http://user:pass@x", "HTTP://x", "http://x\n", "//x", "http://[::1", "http://:80")),
    ("target.endpoint: must not be empty", {"endpoint": ""}),
    ("target.endpoint: must be http:// or https:// for chain evm", {"endpoint": "tcp://x:1"}),
    ("target.endpoint: must name a port", {"chain": ..., "endpoint": "tcp://x", "checks": {}}),
    ("target.endpoint: must have at most 2000", {"endpoint": "http://" + "x" * 2000}),
    *(("target.endpoint: ", {"endpoint": f"http://{host}"}) for host in anything(
        "10.0.0.1", "192.168.1.1:80/x", "172.16.0.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1", "[fd00::1]",
        "[fe80::1]", "[::ffff:10.0.0.1]", "[::]")),
    *(("target.settings: ", {"settings": value}) for value in anything([], "x", 1, True)),
    ("target.settings.headers: must be a text", {"settings": {"headers": {}}}),
    ("target.labels.env: ", {"labels": {"env": 1}}),
    ("target.labels.env: ", {"labels": {"env": None}}),
    ("target.labels.env: ", {"labels": {"env": "x" * 201}}),
    *(("target.labels: ", {"labels": value}) for value in anything([], "x", 1)),
    *(("target.checks: ", {"checks": value}) for value in anything([], "x", 1)),
    ("target.checks.nope: is not a known check", {"checks": {"nope": {}}}),
    ("target.checks.quantum: cannot work on chain evm", {"checks": {"quantum": {}}}),
    ("target.checks.blockchain: cannot work on a target without a chain", {"chain": None}),
    ("target.endpoint: is needed for the uptime check", {"chain": ..., "endpoint": ..., "checks": {"uptime": {}}}),
    *(("target.checks.blockchain: must be a map", {"checks": {"blockchain": value}})
      for value in anything([], "x", 1, True)),
    ("target.checks.blockchain.cron: is not known", {"checks": {"blockchain": {"cron": "* * * * *"}}}),
    *(("target.checks.blockchain.interval_s: ", {"checks": {"blockchain": {"interval_s": value}}})
      for value in anything(0, 4, 86401, -1, 5.5, "60", None, [], 1e300)),
    *(("target.checks.blockchain.timeout_s: ", {"checks": {"blockchain": {"timeout_s": value}}})
      for value in anything(0, 61, 1.5, "x", None)),
    ("target.checks.blockchain.timeout_s: must not be longer",
     {"checks": {"blockchain": {"interval_s": 10, "timeout_s": 11}}}),
    ("target.checks.blockchain.enabled: ", {"checks": {"blockchain": {"enabled": "yes"}}}),
    ("target.checks.blockchain.params: ", {"checks": {"blockchain": {"params": []}}}),
    *(("target.checks.blockchain.params.", {"checks": {"blockchain": {"params": value}}}) for value in anything(
        {"unknown": 1}, {"block_time_s": 0}, {"block_time_s": "10"}, {"block_time_s": 1e9}, {"blind_threshold": 0},
        {"mode": "idle"}, {"mode": ["fast"]}, {"mode": []}, {"rules": {"low_peers": {"enabled": 1}}},
        {"rules": {"low_peers": {"nope": 1}}}, {"rules": []})),
]  # fmt: skip


@pytest.mark.parametrize(("message", "wrong"), BAD, ids=lambda value: str(value)[:70])
def test_a_bad_target_is_refused_by_the_path_of_its_wrong_part(
    world: World, message: str, wrong: Json
) -> None:
    with refused(world.db, "22023", naming=message), world.db.asking_as("admin"):
        save(world, **wrong)


@pytest.mark.parametrize("target", [None, "x", 1, True, [], [a_target()], "null"])
def test_what_is_no_target_at_all_is_refused(world: World, target: Any) -> None:
    text = json.dumps(target)
    with refused(world.db, "22023", naming="target: must be a JSON object"):
        world.db.value("select public.save_target(%s::jsonb)", text)
    with refused(world.db, "22023", naming="targets[0]: must be a JSON object"):
        world.db.value("select public.apply_targets(jsonb_build_array(%s::jsonb))", text)


def test_an_address_of_this_machine_is_allowed_only_if_the_workers_allow_it(world: World) -> None:
    save(world, endpoint="http://localhost:8545")
    world.db.rpc("publish_catalog", catalog={**CATALOG, "private_targets": "none"})
    for host in anything("localhost", "127.0.0.1", "[::1]", "anvil.localhost"):
        with refused(world.db, "22023", naming="target.endpoint: "):
            save(world, endpoint=f"http://{host}:8545")
    world.db.rpc("publish_catalog", catalog={**CATALOG, "private_targets": "all"})
    save(world, endpoint="http://10.0.0.1")


def test_without_a_catalog_nothing_can_be_saved(db: Db) -> None:
    with refused(db, "PT409", naming="the catalog is not published yet"):
        db.rpc("save_target", target=a_target())


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        ("catalog.checks: is missing", {"checks": ...}),
        ("catalog.checks: ", {"checks": []}),
        ("catalog.chains: ", {"chains": "evm"}),
        ("catalog.private_targets: ", {"private_targets": "some"}),
        ("catalog.private_targets: ", {"private_targets": None}),
        ("catalog.checks.p2p.interval_s: is missing", {"checks": {"p2p": {"params_schema": {}}}}),
        (
            "catalog.chains.evm.kinds: ",
            {"chains": {"evm": {"settings_schema": {}, "kinds": "x", "needs_endpoint": True}}},
        ),
    ],
)
def test_a_bad_catalog_is_refused(world: World, message: str, wrong: Json) -> None:
    catalog = {key: value for key, value in {**CATALOG, **wrong}.items() if value is not ...}
    with refused(world.db, "22023", naming=message):
        world.db.rpc("publish_catalog", catalog=catalog)


def test_the_catalog_of_the_deployed_code_is_accepted(db: Db) -> None:
    from watchkeeper.catalog import catalog  # noqa: PLC0415

    db.rpc("publish_catalog", catalog=catalog("none"))


def test_another_targets_name_is_taken(world: World) -> None:
    save(world)
    other = save(world, name="other")
    with refused(world.db, "PT409", naming="target.name: another target"):
        save(world, id=other["id"])


@pytest.mark.parametrize("rpc", ["pause_target", "delete_target", "run_check_now"])
@pytest.mark.parametrize("target_id", [None, uuid4()])
def test_a_target_that_is_not_there_is_not_found(world: World, rpc: str, target_id: Any) -> None:
    with refused(world.db, "PT404", naming="target_id: no target"), world.db.asking_as("admin"):
        world.db.rpc(rpc, target_id=target_id)
    with refused(world.db, "PT404", naming="target.id: no target"):
        save(world, id=str(uuid4()))


def test_pausing_needs_a_clear_word(world: World) -> None:
    saved = save(world)
    with refused(world.db, "22023", naming="paused: "):
        world.db.rpc("pause_target", target_id=saved["id"], paused=None)


def test_a_check_that_is_not_there_cannot_be_run_now(world: World) -> None:
    saved = save(world)
    for kind in ("p2p", "", ONE_MB):
        with refused(world.db, "PT404", naming="kind: "):
            world.db.rpc("run_check_now", target_id=saved["id"], kind=kind)
    world.db.rpc("pause_target", target_id=saved["id"])
    with refused(world.db, "PT409", naming="target_id: "):
        world.db.rpc("run_check_now", target_id=saved["id"])


# Files of targets ------------------------------------------------------------------------------------------------


def test_a_file_is_applied_and_says_what_it_did(world: World) -> None:
    def apply(targets: list[Json], **how: bool) -> Any:
        return world.db.rpc("apply_targets", targets=targets, **how)

    one, two = a_target("one"), a_target("two")
    assert apply([two, one]) == {"created": ["one", "two"], "changed": [], "unchanged": [], "deleted": []}
    changed = {**one, "labels": {"primary": "true"}}
    plan = {"created": [], "changed": ["one"], "unchanged": [], "deleted": ["two"]}
    before = world.db.counts(), world.db.rpc("list_targets")
    assert apply([changed], prune=True, dry_run=True) == plan
    assert (world.db.counts(), world.db.rpc("list_targets")) == before
    assert apply([changed], prune=True) == plan
    assert only(world.db.rpc("list_targets"))["labels"] == {"primary": "true"}


def test_a_file_with_one_bad_target_changes_nothing(world: World) -> None:
    with refused(world.db, "22023", naming="targets[1].chain: must be one of"):
        world.db.rpc("apply_targets", targets=[a_target("a"), a_target("b", chain="nope")])
    with refused(world.db, "22023", naming="targets[1].name: a is there twice"):
        world.db.rpc("apply_targets", targets=[a_target("a"), a_target("a")])
    for targets in anything(None, {}, "x"):
        with refused(world.db, "22023", naming="targets: must be a JSON array"):
            world.db.value("select public.apply_targets(%s::jsonb)", json.dumps(targets))
    with refused(world.db, "22023", naming="targets: must have at most"):
        world.db.rpc("apply_targets", targets=[0] * 1_000_000)


def test_a_file_leaves_a_paused_target_paused(world: World) -> None:
    saved = save(world)
    world.db.rpc("pause_target", target_id=saved["id"])
    world.db.rpc("apply_targets", targets=[a_target(labels={"x": "y"})])
    assert only(world.db.rpc("list_targets"))["paused"] is True


# Garbage ---------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(
    ["name", "chain", "network", "endpoint", "settings", "labels", "checks", "id", "paused"]
)
kinds = st.sampled_from(["blockchain", "p2p", "uptime", "quantum"])
plausible = st.fixed_dictionaries(
    {"name": texts | st.just("x")},
    optional={
        "chain": st.sampled_from(["evm", "supabase", None]) | values,
        "endpoint": st.sampled_from(["http://127.0.0.1:1", "https://example.org", None]) | values,
        "network": texts | values,
        "labels": st.dictionaries(texts, texts) | values,
        "settings": st.dictionaries(texts, values, max_size=3) | values,
        "checks": values | st.dictionaries(kinds, values | st.fixed_dictionaries({}, optional={
            "interval_s": st.integers(-1, 90000) | values, "timeout_s": st.integers(-1, 70) | values,
            "enabled": st.booleans() | values, "params": values,
        }), max_size=3),
    },
)  # fmt: skip


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(target=values | st.dictionaries(keys, values) | plausible)
def test_garbage_is_refused_cleanly_or_stored_as_it_was(connection: psycopg.Connection, target: Any) -> None:
    with connection.transaction(force_rollback=True):
        world = World(Db(connection))
        before = world.db.counts()
        saved, error = attempt(world.db, target)
        if error:
            assert http_status(error.sqlstate) in {400, 404, 409}, error
            assert (error.diag.message_primary or "").startswith("target"), error
            assert world.db.counts() == before
        else:
            assert saved["name"] == target["name"]
            assert saved["labels"] == (target.get("labels") or {})
            assert world.db.rpc("save_target", target=saved) == saved


def attempt(db: Db, target: Any) -> tuple[Json, psycopg.Error | None]:
    try:
        with db.connection.transaction():
            return db.value("select public.save_target(%s::jsonb)", json.dumps(target)), None
    except psycopg.Error as error:
        return {}, error
