"""`python -m tests.drill.worker PLAN`: lives of workers, forked from a parent that has imported everything.

So a death costs milliseconds, not a cold start. Each life builds its clients anew and runs the real handler over
and over until its fate strikes; none is hooked into the code that is deployed. The parent prints a line of JSON
twice a second, and ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, cast

from handlers import deliver_notifications
from tests.drill.fate import (
    AFTER_CLAIM,
    AT_RANDOM,
    BOUNDARIES,
    UNSETTLED,
    UNTOLD,
    Fate,
    haunt_http,
    haunt_smtp,
)
from tests.handlers.doubles import Context
from watchkeeper.deliver import Access, Outbox
from watchkeeper.http import tls_context
from watchkeeper.messages import Message
from watchkeeper.settings import Settings
from watchkeeper.store import Store

Json = dict[str, Any]

LEASE_S = 5  # the shortest that the database gives
SEND_S = 2.0  # well below the lease, as in production
LONGEST_LIFE_S = 4.0
MOST_PER_CLAIM = 8  # few, so that a death leaves work for the others


@dataclass(frozen=True)
class Plan:
    """What the parent is told. `claims`: where lives note which deliveries they send as one message."""

    kills: int
    workers: int
    seed: int
    claims: str
    log: str


class Ledger:
    """The real store, with short leases and deaths."""

    def __init__(self, store: Store, fate: Fate, plan: Plan, chance: random.Random) -> None:
        self._store = store
        self._fate = fate
        self._chance = chance
        self._claims = os.open(plan.claims, os.O_WRONLY | os.O_APPEND)

    def claim_deliveries(self, most: int = 100, lease_s: int = 60) -> list[Json]:  # noqa: ARG002
        messages = self._store.claim_deliveries(self._chance.randint(1, MOST_PER_CLAIM), LEASE_S)
        for message in map(Message.model_validate, messages):
            if message.merged:
                keys = [delivery.dedup_key for delivery in message.deliveries]
                os.write(self._claims, f"{json.dumps({message.dedup_key: keys})}\n".encode())
        if messages:
            self._fate.at(AFTER_CLAIM)
        return messages

    def settle_deliveries(self, settlements: list[Json]) -> Json:
        if any(settlement["outcome"] == "sent" for settlement in settlements):
            self._fate.at(UNSETTLED)
        told = self._store.settle_deliveries(settlements)
        if told["settled"]:
            self._fate.at(UNTOLD)
        return told


def live(plan: Plan, boundary: str | None, seed: int, parent: int) -> None:
    """One life. Ends by itself only if it is orphaned."""
    log = os.open(plan.log, os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    chance = random.Random(seed)  # noqa: S311
    fate = Fate(boundary, chance.randint(1, 3))
    haunt_http(fate)
    haunt_smtp(fate)
    settings = Settings.from_env()
    store = Store(settings.supabase_url, settings.supabase_secret_key, patience_s=3)
    ledger = cast("Outbox", Ledger(store, fate, plan, chance))
    handlers: Any = deliver_notifications
    handlers.outbox = lambda: ledger
    handlers.Access = partial(Access, send_s=SEND_S)
    while os.getppid() == parent:
        deliver_notifications.handler(
            {"Records": [{"messageId": "nudge", "body": "{}"}]}, cast("Any", Context())
        )
        time.sleep(0.02)


class Nursery:
    """Keeps so many alive, until so many were killed; after that nobody dies any more."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._chance = random.Random(plan.seed)  # noqa: S311
        self._next: list[str] = []
        self._alive: dict[int, tuple[str | None, float]] = {}
        self._kills: Counter[str] = Counter()
        self._crashes = 0

    def run(self) -> None:
        told_at = 0.0
        while not select.select([sys.stdin], [], [], 0.005)[0]:
            while len(self._alive) < self._plan.workers:
                self._give_birth()
            self._kill_the_due()
            self._collect()
            if time.monotonic() > told_at + 0.5:
                told_at = time.monotonic()
                self._tell()
        for pid in list(self._alive):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._tell()

    def _give_birth(self) -> None:
        deadly = self._goes_on()
        boundary = self._boundary() if deadly else None
        seed, parent = self._chance.getrandbits(32), os.getpid()
        ends_at = time.monotonic() + (self._chance.random() if boundary == AT_RANDOM else LONGEST_LIFE_S)
        pid = os.fork()
        if pid == 0:
            try:
                live(self._plan, boundary, seed, parent)
            finally:
                os.write(2, b"this life ended by itself\n")
                os._exit(1)
        self._alive[pid] = (boundary, ends_at if deadly else float("inf"))

    def _goes_on(self) -> bool:
        """Until so many were killed, and somebody at each step: on a busy machine many a life ends before its step."""
        return self._kills.total() < self._plan.kills or set(self._kills) != set(BOUNDARIES)

    def _boundary(self) -> str:
        """At random, and each of them as often as the others: in a short drill, too, none is left out."""
        if not self._next:
            self._next = self._chance.sample(BOUNDARIES, len(BOUNDARIES))
        return self._next.pop()

    def _kill_the_due(self) -> None:
        for pid, (_, ends_at) in self._alive.items():
            if time.monotonic() > ends_at:
                os.kill(pid, signal.SIGKILL)
                self._alive[pid] = (AT_RANDOM, float("inf"))

    def _collect(self) -> None:
        for pid, (boundary, _) in list(self._alive.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended == 0:
                continue
            del self._alive[pid]
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                self._kills[boundary or AT_RANDOM] += 1
            else:
                self._crashes += 1

    def _tell(self) -> None:
        deadly = any(boundary for boundary, _ in self._alive.values())
        done = not self._goes_on() and not deadly
        print(json.dumps({"kills": self._kills, "crashes": self._crashes, "done": done}), flush=True)


def words(plan: Plan) -> str:
    return json.dumps(asdict(plan))


if __name__ == "__main__":
    tls_context()
    Nursery(Plan(**json.loads(sys.argv[1]))).run()
