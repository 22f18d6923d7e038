"""The alert state machine: what opens, what closes, what moves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.supabase.world import Db, World, changes, finding, only, refused, result

BOTH = {"blockchain": {"interval_s": 60}, "p2p": {"interval_s": 60}}


def test_one_outage_is_one_alert_however_long_it_lasts(world: World) -> None:
    world.target()
    assert world.history("breach", "breach", "breach", "breach") == [["fired"], [], [], []]
    alert = only(world.alerts())
    assert (alert["status"], alert["occurrences"], alert["source"]) == ("firing", 4, "anvil")
    assert alert["first_seen_at"] < alert["created_at"] <= alert["last_seen_at"]


def test_recovery_resolves_what_was_opened(world: World) -> None:
    world.target()
    assert world.history("breach", "clear", "clear") == [["fired"], ["resolved"], []]
    alert = only(world.alerts())
    assert (alert["status"], alert["resolution"]) == ("resolved", "recovered")


def test_an_alert_waits_for_its_threshold_and_counts_what_led_to_it(world: World) -> None:
    world.target()
    moved = world.history("breach", "breach", "clear", "breach", "breach", "breach", failure_threshold=3)
    assert moved == [[], [], [], [], [], ["fired"]]
    assert only(world.alerts())["occurrences"] == 3


def test_an_alert_waits_for_enough_successes_to_resolve(world: World) -> None:
    world.target()
    moved = world.history("breach", "clear", "breach", "clear", "clear", success_threshold=2)
    assert moved == [["fired"], [], [], [], ["resolved"]]


def test_an_unknown_outcome_neither_opens_nor_closes(world: World) -> None:
    world.target()
    assert world.history("unknown", "breach", "unknown", "unknown") == [[], ["fired"], [], []]
    assert world.firing() == ["endpoint_unreachable"]


def test_unknown_does_not_forget_what_was_counted(world: World) -> None:
    world.target()
    assert world.history("breach", "unknown", "breach", failure_threshold=2) == [[], [], ["fired"]]


def test_an_alert_of_two_checks_resolves_when_the_last_of_them_clears(world: World) -> None:
    world.target(checks=BOTH)
    world.step(0, "fail", finding("breach"))
    blockchain, p2p = world.tick(60)
    assert changes(world.record(70, [result(blockchain, "ok", finding("clear"))])) == []
    assert changes(world.record(71, [result(p2p, "ok", finding("clear"))])) == [
        ("endpoint_unreachable", "resolved")
    ]


def test_a_second_reporter_adds_all_that_it_counted(world: World) -> None:
    world.target(checks=BOTH)
    for minute in (0, 1):
        one, other = world.tick(60 * minute)
        world.record(60 * minute + 1, [result(one, "fail", finding("breach", failure_threshold=1))])
        world.record(60 * minute + 2, [result(other, "fail", finding("breach", failure_threshold=2))])
    assert only(world.alerts())["occurrences"] == 4


def test_severity_rises_while_firing_and_never_falls(world: World) -> None:
    world.target()
    moved = [
        changes(world.step(minute, "fail", finding("breach", "chain_stalled", severity)))
        for minute, severity in enumerate(["warning", "warning", "critical", "error", "info"])
    ]
    assert moved == [[("chain_stalled", "fired")], [], [("chain_stalled", "escalated")], [], []]
    alert = only(world.alerts())
    assert alert["severity"] == "critical"
    severities = world.db.rows("select transition, severity from watchkeeper.alert_transitions order by id")
    assert severities == [("fired", "warning"), ("escalated", "critical")]


def test_a_late_result_is_kept_and_moves_nothing(world: World) -> None:
    world.target()
    old = only(world.tick(0))
    new = only(world.tick(60))
    world.record(61, [result(new, "ok", finding("clear"))])
    answer = world.record(62, [result(old, "fail", finding("breach"))])
    assert (answer["late"], answer["transitions"]) == (1, [])
    assert only(world.db.values("select outcome from watchkeeper.runs where late")) == "fail"
    assert world.firing() == []


def test_a_repeat_is_a_no_op(world: World) -> None:
    world.target()
    results = [
        result(task, "fail", finding("breach"), samples=[{"name": "x", "value": 1}]) for task in world.tick(0)
    ]
    world.record(1, results)
    before = world.db.counts(), world.alerts()
    answer = world.record(2, results)
    assert (answer["repeated"], answer["recorded"], answer["transitions"]) == (1, 0, [])
    assert (world.db.counts(), world.alerts()) == before


def test_blind_opens_after_so_many_unknowns_and_closes_on_the_first_known(world: World) -> None:
    world.target()
    moved = [
        changes(world.step(minute, outcome, blind_threshold=3))
        for minute, outcome in enumerate(
            ["unknown", "unknown", "ok", "unknown", "unknown", "unknown", "unknown", "fail"]
        )
    ]
    assert moved == [[], [], [], [], [], [("blind", "fired")], [], [("blind", "resolved")]]
    assert only(world.alerts())["severity"] == "error"


def test_missed_slots_count_as_blindness(world: World) -> None:
    world.target(checks={"blockchain": {"interval_s": 60, "params": {"blind_threshold": 2}}})
    for minute in range(4):
        world.tick(60 * minute)
    assert world.firing() == ["blind"]


def test_a_rule_that_is_switched_off_gives_its_alert_up(world: World) -> None:
    world.target()
    world.step(0, "fail", finding("breach", "low_peers"), finding("clear"))
    assert changes(world.step(1, "unknown")) == []
    assert changes(world.step(2, "ok", finding("clear"))) == [("low_peers", "resolved")]
    assert only(world.alerts())["resolution"] == "the rule was switched off"


@pytest.mark.parametrize(
    ("act", "why"),
    [
        ("pause_target(%s, true, %s)", "the target was paused"),
        ("delete_target(%s, %s)", "the target was deleted"),
    ],
)
def test_pausing_or_deleting_a_target_resolves_its_alerts_and_says_why(
    world: World, act: str, why: str
) -> None:
    target = world.target()
    world.step(0, "fail", finding("breach"))
    world.db.run(f"select watchkeeper.{act}", target["id"], world.at(55))
    alert = only(world.alerts())
    assert (alert["status"], alert["resolution"], alert["target"]) == ("resolved", why, "anvil")


@pytest.mark.parametrize("checks", [{}, {"blockchain": {"enabled": False}}])
def test_removing_or_switching_off_a_check_resolves_its_alerts(world: World, checks: dict[str, Any]) -> None:
    world.target()
    world.step(0, "fail", finding("breach"))
    world.target(checks=checks)
    assert only(world.alerts())["resolution"] == "the check was removed or switched off"


def test_changing_a_check_leaves_its_alert_alone(world: World) -> None:
    world.target()
    world.step(0, "fail", finding("breach"))
    world.target(checks={"blockchain": {"interval_s": 30}})
    assert world.firing() == ["endpoint_unreachable"]


# People ----------------------------------------------------------------------------------------------------------


@contextmanager
def signed_in(db: Db, role: str, email: str) -> Iterator[None]:
    with db.acting_as("authenticated", db.member(role, email)):
        yield


def an_alert(world: World) -> str:
    world.target()
    world.step(0, "fail", finding("breach"))
    return str(only(world.alerts())["id"])


def test_an_alert_is_acknowledged_once_by_the_caller_at_the_databases_time(world: World) -> None:
    alert_id = an_alert(world)
    ann = world.db.member("responder", "ann@example.org")
    with world.db.acting_as("authenticated", ann):
        answer = world.db.rpc("acknowledge_alert", alert_id=alert_id)
    assert (answer["acknowledged"], answer["acknowledged_by"]) == (True, str(ann))
    assert answer["acknowledged_by_email"] == "ann@example.org"
    assert world.db.value("select acknowledged_at = now() from system_alerts")
    with (
        refused(world.db, "PT409", naming="alert_id: already acknowledged by ann@example.org"),
        signed_in(world.db, "admin", "bob@example.org"),
    ):
        world.db.rpc("acknowledge_alert", alert_id=alert_id)


def test_an_acknowledged_alert_stays_one_alert(world: World) -> None:
    alert_id = an_alert(world)
    with world.db.asking_as("responder"):
        world.db.rpc("acknowledge_alert", alert_id=alert_id)
    world.step(1, "fail", finding("breach"))
    alert = only(world.alerts())
    assert (alert["acknowledged"], alert["occurrences"]) == (True, 2)


def test_who_acknowledged_and_when_cannot_be_given(world: World) -> None:
    alert_id = an_alert(world)
    for forged in ({"acknowledged_by": uuid4()}, {"acknowledged_at": "2020-01-01"}, {"at": "2020-01-01"}):
        with refused(world.db, "42883"), world.db.asking_as("responder"):
            world.db.rpc("acknowledge_alert", alert_id=alert_id, **forged)


def test_the_secret_key_cannot_acknowledge_in_somebodys_name(world: World) -> None:
    alert_id, ann = an_alert(world), world.db.member("responder")
    with refused(world.db, "42501"), world.db.acting_as("service_role", ann):
        world.db.rpc("acknowledge_alert", alert_id=alert_id)


@pytest.mark.parametrize("rpc", ["acknowledge_alert", "resolve_alert"])
@pytest.mark.parametrize("alert_id", [None, uuid4()])
def test_an_alert_that_is_not_there_is_not_found(world: World, rpc: str, alert_id: Any) -> None:
    with refused(world.db, "PT404", naming="alert_id: no alert"), world.db.asking_as("admin"):
        world.db.rpc(rpc, alert_id=alert_id)


def test_resolved_by_hand_the_next_breach_opens_a_new_alert(world: World) -> None:
    alert_id = an_alert(world)
    with world.db.asking_as("responder"):
        answer = world.db.rpc("resolve_alert", alert_id=alert_id, note="restarted it")
    assert (answer["status"], answer["resolution"]) == ("resolved", "restarted it")
    with refused(world.db, "PT409", naming="alert_id: already resolved"):
        world.db.rpc("resolve_alert", alert_id=alert_id)
    assert changes(world.step(1, "fail", finding("breach"))) == [("endpoint_unreachable", "fired")]
    assert [alert["occurrences"] for alert in world.alerts()] == [1, 1]


def test_resolving_by_hand_starts_the_count_anew(world: World) -> None:
    world.target()
    world.history("breach", "breach", failure_threshold=2)
    world.db.rpc("resolve_alert", alert_id=only(world.alerts())["id"])
    assert world.history("breach", "breach", failure_threshold=2) == [[], ["fired"]]


def test_a_user_who_acknowledged_can_be_deleted_and_history_stays_readable(world: World) -> None:
    alert_id = an_alert(world)
    ann = world.db.member("responder", "ann@example.org")
    with world.db.acting_as("authenticated", ann):
        world.db.rpc("acknowledge_alert", alert_id=alert_id)
        world.db.rpc("resolve_alert", alert_id=alert_id)
    world.db.run("delete from auth.users where id = %s", ann)
    alert = only(world.alerts())
    assert (alert["acknowledged_by"], alert["acknowledged_by_email"]) == (str(ann), "ann@example.org")
    with refused(world.db, "42501"), world.db.acting_as("authenticated", ann):
        world.db.rpc("list_alerts")


def test_of_eight_who_acknowledge_at_once_exactly_one_wins(fresh: Callable[[], Db]) -> None:
    world = World(fresh())
    alert_id = an_alert(world)
    people = [(fresh(), world.db.member("responder")) for _ in range(8)]

    def acknowledge(who: tuple[Db, Any]) -> str | None:
        db, user = who
        try:
            with db.acting_as("authenticated", user):
                db.rpc("acknowledge_alert", alert_id=alert_id)
        except psycopg.Error as error:
            return error.sqlstate
        return "won"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(map(str, pool.map(acknowledge, people))) == ["PT409"] * 7 + ["won"]
    assert (
        world.db.value("select count(*) from watchkeeper.alert_transitions where transition = 'acknowledged'")
        == 1
    )


# Lists -----------------------------------------------------------------------------------------------------------


def test_alerts_are_listed_newest_first_and_filtered(world: World) -> None:
    one, other = world.target("one"), world.target("other", checks={"p2p": {"interval_s": 60}})
    tasks = {task["target"]: task for task in world.tick(0)}
    world.record(1, [result(tasks["one"], "fail", finding("breach", "chain_stalled", "warning"))])
    world.record(2, [result(tasks["other"], "fail", finding("breach", "no_blocks"))])
    assert [alert["alert_type"] for alert in world.alerts()] == ["no_blocks", "chain_stalled"]
    assert [alert["target"] for alert in world.alerts(severity="warning")] == ["one"]
    assert [alert["target"] for alert in world.alerts(target_id=other["id"])] == ["other"]
    assert [alert["target"] for alert in world.alerts(before=world.at(2))] == ["one"]
    assert len(world.alerts(max_rows=1)) == 1
    assert world.alerts(status="resolved") == []
    assert one["id"] != other["id"]


def test_pages_skip_nothing_of_what_fired_at_one_moment(world: World) -> None:
    for n in range(7):
        world.fire(n // 5, f"node-{n}")
    seen: list[Any] = []
    page = world.alerts(max_rows=2)
    while page:
        seen += page
        page = world.alerts(max_rows=2, before=page[-1]["created_at"], before_id=page[-1]["id"])
    assert [alert["id"] for alert in seen] == [alert["id"] for alert in world.alerts()]
    assert len(seen) == 7
    with refused(world.db, "22023", naming="before_id: "):
        world.alerts(before_id=seen[0]["id"])


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("status", "open"), ("status", ""), ("status", "x" * 1_000_000), ("severity", "fatal"),
        ("max_rows", 0), ("max_rows", 201), ("max_rows", None), ("max_rows", -1),
    ],
)  # fmt: skip
def test_a_list_with_a_bad_filter_is_refused(world: World, argument: str, value: Any) -> None:
    with refused(world.db, "22023", naming=f"{argument}: must be"):
        world.alerts(**{argument: value})


# Metrics written by hand -----------------------------------------------------------------------------------------


def metric(db: Db, value: Any = 1, severity: Any = "critical", **more: Any) -> Any:
    return db.rpc("record_system_metric", metric_name_param="disk", metric_value_param=value, severity_param=severity,
                  **more)  # fmt: skip


def test_a_critical_metric_opens_an_alert_and_a_later_value_resolves_it(world: World) -> None:
    metric(world.db, 99, metric_unit_param="percent")
    metric(world.db, 98)
    alert = only(world.alerts())
    assert (alert["alert_type"], alert["status"], alert["occurrences"]) == ("critical_metric", "firing", 2)
    assert (alert["target"], alert["source"]) == (None, "disk")
    metric(world.db, 50, "warning")
    assert only(world.alerts())["status"] == "resolved"


def test_a_metric_and_its_alert_are_one_transaction(world: World) -> None:
    before = world.db.counts()
    with world.db.connection.transaction(force_rollback=True):
        metric(world.db)
        assert world.firing() == ["critical_metric"]
    assert world.db.counts() == before


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("metric_name_param", None), ("metric_name_param", ""), ("metric_name_param", "  "),
        ("metric_name_param", "x" * 1_000_000), ("metric_value_param", None),
        *(("metric_value_param", value) for value in ("NaN", "Infinity", "-Infinity", "1e40", "1e-41", "1e1000")),
        ("metric_unit_param", ""), ("metric_unit_param", "x" * 1_000_000), ("severity_param", None),
        ("severity_param", "error"), ("severity_param", "CRITICAL"), ("metadata_param", None), ("metadata_param", []),
        ("metadata_param", {"x": "y" * 1_000_000}), ("metadata_param", [0] * 1_000_000),
    ],
)  # fmt: skip
def test_a_bad_metric_is_refused_by_name(world: World, argument: str, value: Any) -> None:
    good = {"metric_name_param": "disk", "metric_value_param": 1, "severity_param": "critical"}
    with refused(world.db, "22023", naming=f"{argument}: "), world.db.asking_as("watchkeeper_ingest"):
        world.db.rpc("record_system_metric", **{**good, argument: value})


def test_an_exact_number_stays_exact(world: World) -> None:
    exact = "12345678901234567890.12345678"
    metric(world.db, exact)
    assert str(world.db.value("select metric_value from system_health_metrics")) == exact
