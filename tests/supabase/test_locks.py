"""Everybody at once: workers record, sweep and settle while people acknowledge, work on incidents and change things."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from tests.supabase.world import Array, Db, Json, World, a_target, finding, result

SECONDS = 5.0
AT_MOST_S = 120.0  # on a machine so busy that somebody did not come through by then
FASTER = 120  # as fast as the story's clock goes
POLICY = "opened by the policy ok"
NETWORKS = ("red", "green", "blue")
NODES = [f"{network}-{n}" for network in NETWORKS for n in range(4)]


class Crowd:
    """What they do, by a clock that all share, and what the database answered them."""

    def __init__(self, connect: Callable[[], Db]) -> None:
        self.connect = connect
        self.began = datetime.now(UTC) - timedelta(hours=20)
        self.from_ = time.monotonic()
        self.wanted: set[str] = set()
        self.answers: Counter[str] = Counter()
        self.person = connect().member("responder")

    def now(self) -> datetime:
        return self.began + FASTER * timedelta(seconds=time.monotonic() - self.from_)

    @property
    def over(self) -> bool:
        passed = time.monotonic() - self.from_
        return passed > AT_MOST_S or (passed > SECONDS and self.wanted <= set(self.answers))

    @contextmanager
    def trying(self, what: str) -> Any:
        try:
            yield
            self.answers[f"{what} ok"] += 1
        except psycopg.Error as error:
            # Who was slower is told; anything else, 40P01 above all, is a failure.
            told = error.sqlstate in {"PT404", "PT409"}
            self.answers[f"{what} refused" if told else f"{what}: {error.sqlstate} {error}"] += 1

    def run(self, what: Callable[[Crowd, Db, random.Random], None], seed: int) -> None:
        db, dice = self.connect(), random.Random(seed)  # noqa: S311
        while not self.over:
            with self.trying(what.__name__):
                what(self, db, dice)


def record(crowd: Crowd, db: Db, dice: random.Random) -> None:
    now = crowd.now()
    tasks = db.value("select watchkeeper.claim_due_checks(%s, 60)", now)
    tasks = dice.sample(tasks, min(5, len(tasks)))
    bad = dice.random() < 0.5
    kinds = [
        ("fail", finding("breach")) if bad and dice.random() < 0.7 else ("ok", finding("clear"))
        for _ in tasks
    ]
    results = [
        result({**task, "due_at": min(task["due_at"], now.isoformat())}, outcome, found)
        | {"due_at": task["due_at"], "started_at": now.isoformat(), "finished_at": now.isoformat()}
        for task, (outcome, found) in zip(tasks, kinds, strict=True)
    ]
    db.value("select watchkeeper.record_check_results(%s, %s)", results, crowd.now())


def deliver(crowd: Crowd, db: Db, dice: random.Random) -> None:
    messages = db.value("select watchkeeper.claim_deliveries(%s, 100, 60)", crowd.now())
    settlements = [
        {"delivery_id": each["id"], "lease_id": message["lease_id"], "outcome": outcome, "error": "no"}
        for message in messages
        for outcome in dice.choices(["sent", "retry", "dead"], [6, 2, 1])
        for each in message["deliveries"]
    ]
    dice.shuffle(settlements)
    db.value("select watchkeeper.settle_deliveries(%s, %s)", settlements, crowd.now())


def take_alerts(crowd: Crowd, db: Db, dice: random.Random) -> None:
    alerts = db.rpc("list_alerts", status="firing")
    for alert in dice.sample(alerts, min(3, len(alerts))):
        with crowd.trying("acknowledge"), db.acting_as("authenticated", crowd.person):
            if dice.random() < 0.7:
                db.run("select watchkeeper.acknowledge_alert(%s, %s)", alert["id"], crowd.now())
            else:
                db.run("select watchkeeper.resolve_alert(%s, 'by hand', %s)", alert["id"], crowd.now())
    with crowd.trying("acknowledge many"), db.acting_as("authenticated", crowd.person):
        ids = Array(each["id"] for each in dice.sample(alerts, min(6, len(alerts))))
        if ids:
            db.run("select watchkeeper.acknowledge_alerts(%s::uuid[], %s)", ids, crowd.now())
    dead = db.rpc("list_deliveries", status="dead")
    if dead:
        db.run("select watchkeeper.retry_delivery(%s, %s)", dice.choice(dead)["id"], crowd.now())


def work_on_incidents(crowd: Crowd, db: Db, dice: random.Random) -> None:
    alerts = db.rpc("list_alerts")
    if dice.random() < 0.3:
        db.run(
            "select watchkeeper.create_incident('it is slow', 'high', null, '{}', 'manual', %s::uuid[], %s)",
            Array(each["id"] for each in alerts[:2]), crowd.now(),
        )  # fmt: skip
    if db.value("select exists (select from incident_logs where opened_by = 'policy')"):
        crowd.answers[POLICY] += 1
    for incident in db.rpc("list_incidents", max_rows=5):
        id_, version = incident["id"], incident["version"]
        with crowd.trying("incident"):
            match dice.randrange(4):
                case 0:
                    status = dice.choice(["investigating", "resolved", "closed", "open"])
                    db.run(
                        "select watchkeeper.update_incident_status(%s, %s, 'so', %s, %s)",
                        id_,
                        status,
                        version,
                        crowd.now(),
                    )
                case 1:
                    severity = dice.choice(["low", "medium", "high", "critical"])
                    db.run(
                        "select watchkeeper.change_incident_severity(%s, %s, %s, %s)",
                        id_,
                        severity,
                        version,
                        crowd.now(),
                    )
                case 2 if alerts:
                    db.run(
                        "select watchkeeper.link_alert(%s, %s, %s)",
                        id_,
                        dice.choice(alerts)["id"],
                        crowd.now(),
                    )
                case _:
                    db.run("select watchkeeper.add_incident_note(%s, 'hm', 'note', %s)", id_, crowd.now())


def change_settings(crowd: Crowd, db: Db, dice: random.Random) -> None:
    name = dice.choice(NODES)
    target = next((each for each in db.rpc("list_targets") if each["name"] == name), None)
    local = crowd.now().strftime("%Y-%m-%dT%H:%M:%S")
    later = (crowd.now() + timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%S")
    window = {"kind": "maintenance", "match": {"targets": [name]}, "starts_at": local, "ends_at": later}
    match dice.randrange(6):
        case 0 if target:
            db.run("select watchkeeper.delete_target(%s, %s)", target["id"], crowd.now())
        case 1 if target:
            db.run(
                "select watchkeeper.pause_target(%s, %s, %s)", target["id"], dice.random() < 0.5, crowd.now()
            )
        case 2:
            db.rpc("apply_config", config={"silences": [{"comment": "deploy", **window}]}, prune=False)
        case 3:
            with suppress(IndexError):
                db.run(
                    "select watchkeeper.end_silence(%s, %s)", db.rpc("list_silences")[0]["id"], crowd.now()
                )
        case 4:
            with crowd.trying("objective"):
                db.run("select watchkeeper.delete_objective(%s, %s)", dice.choice(NETWORKS), crowd.now())
            save_objectives(db, crowd.now())
        case _:
            with crowd.trying("channel"):
                db.run("select watchkeeper.delete_setting('channel', 'spare', %s)", crowd.now())
            settle_in(db, crowd.now())
    save_targets(db, crowd.now(), name)


def keep_books(crowd: Crowd, db: Db, _: random.Random) -> None:
    now = crowd.now() + timedelta(days=1)
    db.run("select watchkeeper.roll_up_days(%s, 3)", now)
    db.run("select watchkeeper.close_months(%s)", crowd.now())
    db.run("select watchkeeper.prune_history(%s, 1, 100)", crowd.now())
    db.run("select watchkeeper.get_uptime_summary(null, 7, 'UTC', %s)", crowd.now())
    report = db.value("select watchkeeper.claim_report(60, %s)", crowd.now())
    if report is None:
        db.rpc(
            "request_report",
            from_time=crowd.began,
            to_time=crowd.began + timedelta(hours=1),
            channels=Array(),
        )
    else:
        settlement = {"id": report["id"], "lease_id": report["lease_id"], "outcome": "failed", "error": "no"}
        db.run("select watchkeeper.settle_report(%s, %s)", settlement, crowd.now())


def settle_in(db: Db, at: datetime) -> None:
    for channel in ("chat", "spare"):
        db.value("select watchkeeper.save_setting('channel', %s, %s)", {"name": channel, "kind": "chat"}, at)
    route: Json = {
        "name": "all",
        "match": {},
        "channels": ["chat", "spare"],
        "continue": True,
        "group_wait_s": 0,
    }
    db.value("select watchkeeper.save_setting('route', %s, %s)", route, at)
    told = {**route, "name": "incidents", "match": {"kinds": ["incident"]}, "remind_every_s": 60}
    db.value("select watchkeeper.save_setting('route', %s, %s)", told, at)


def save_objectives(db: Db, at: datetime) -> None:
    for network in NETWORKS:
        db.run(
            "select watchkeeper.save_objective(%s, %s)",
            {"name": network, "match": {"networks": [network]}},
            at,
        )


def save_targets(db: Db, at: datetime, *names: str) -> None:
    for name in names:
        target = a_target(name, {"blockchain": {"interval_s": 30}}, network=name.split("-")[0])
        db.run("select watchkeeper.save_target(%s, %s)", target, at)


def test_nobody_waits_in_a_circle(fresh: Callable[[], Db]) -> None:
    db = fresh()
    World(db)
    crowd = Crowd(fresh)
    settle_in(db, crowd.now())
    save_objectives(db, crowd.now())
    save_targets(db, crowd.now(), *NODES)
    db.rpc("save_incident_settings", settings={"critical_unacknowledged_s": 60})
    rule = {
        "name": "slow",
        "benchmark_name": "watchkeeper",
        "operation_type": "record",
        "min_samples": 1,
        "window_s": 60,
    }
    db.rpc("save_benchmark_rule", rule=rule)
    people = [record, record, deliver, deliver, take_alerts, work_on_incidents, change_settings, keep_books]
    crowd.wanted = {f"{each.__name__} ok" for each in people} | {POLICY}
    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(crowd.run, people, range(len(people))))

    failed = {what: n for what, n in crowd.answers.items() if not what.endswith((" ok", " refused"))}
    assert failed == {}
    # Each of them came through.
    assert crowd.wanted <= set(crowd.answers)
    assert db.rpc("verify_audit_log")["ok"]
    assert db.value("select count(*) from incident_logs where opened_by = 'policy'") > 0


def test_the_sweep_waits_for_nobody_and_comes_again(fresh: Callable[[], Db]) -> None:
    sweeper, somebody = fresh(), fresh()
    world = World(sweeper)
    flapping = ("node:flapping", None, "node", "flapping", "warning", "it flaps", "{}", 1)
    sweeper.run(
        "select watchkeeper.raise_alert(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        *flapping, world.at(0), world.at(0),
    )  # fmt: skip
    status, tended = "select status from system_alerts", "select tended_at from watchkeeper.sweep_clock"
    with somebody.connection.transaction():
        somebody.run("select from system_alerts for no key update")
        sweeper.run("select watchkeeper.sweep(%s)", world.at(100))
        assert sweeper.value(status) == "firing", "somebody holds it"
        assert sweeper.value(tended) == world.at(100), "its other duties are done"
    sweeper.run("select watchkeeper.sweep(%s)", world.at(200))
    assert sweeper.value(status) == "resolved"
