"""Makes alerts fire, get worse, get acknowledged and end, at random, as long as the workers can keep up."""

from __future__ import annotations

import json
import random
import threading
import time
from contextlib import suppress
from typing import Any, LiteralString

import httpx
import psycopg

from tests.drill.site import TEAMS, Site
from watchkeeper.errors import StoreError

Db = psycopg.Connection[tuple[Any, ...]]

SEVERITIES = ("info", "warning", "error", "critical")
FEW = 12  # triggers that nobody has tried yet; below that there is more trouble
TICK_S = 0.1

RAISE: LiteralString = (
    "select watchkeeper.raise_alert(%(fingerprint)s, null, %(source)s, 'drill', %(severity)s, %(message)s, "
    "%(metadata)s, 1, now(), now())"
)
OPEN: LiteralString = (
    "select fingerprint, source, severity, metadata, id from public.system_alerts "
    "where status = 'firing' and alert_type = 'drill' order by random() limit 1"
)
WAITING: LiteralString = (
    "select count(*) from watchkeeper.deliveries "
    "where status = 'pending' and event = 'trigger' and attempts = 0"
)
# After some deaths the backoff is minutes. A drill has no time for that, so the owner moves the moment.
HURRY: LiteralString = (
    "update watchkeeper.deliveries set next_attempt_at = last_attempt_at + interval '3 seconds' "
    "where status = 'pending' and leased_until is null and next_attempt_at > last_attempt_at + interval '3 seconds'"
)


class Trouble(threading.Thread):
    """Ends when told; what it was doing when the database went away may or may not have happened."""

    def __init__(self, site: Site, seed: int) -> None:
        super().__init__(daemon=True)
        self.errors: list[str] = []
        self._site = site
        self._random = random.Random(seed)  # noqa: S311
        self._fired = 0
        self._responder = site.api.person("responder")
        self._calm = threading.Event()
        self._ended = threading.Event()

    def calm(self) -> None:
        """No new trouble; what waits is still hurried up."""
        self._calm.set()

    def end(self) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                with self._site.connect() as db:
                    self._make(db)
            except (psycopg.OperationalError, psycopg.errors.AdminShutdown):
                time.sleep(0.2)  # being restarted
            except Exception as error:  # noqa: BLE001 - told at the end; the drill goes on
                self.errors.append(f"{type(error).__name__}: {error}")
                time.sleep(0.2)

    def _make(self, db: Db) -> None:
        while not self._ended.wait(TICK_S):
            db.execute(HURRY)
            waiting = db.execute(WAITING).fetchone()
            if not self._calm.is_set() and waiting and waiting[0] < FEW:
                for _ in range(5):
                    self._act(db)

    def _act(self, db: Db) -> None:
        acts = [self._fire, self._measure, self._escalate, self._acknowledge, self._resolve]
        self._random.choices(acts, [10, 1, 4, 2, 9])[0](db)

    def _fire(self, db: Db) -> None:
        self._fired += 1
        team = self._random.choices(list(TEAMS), [4, 4, 4, 1])[0]
        metadata = {"kind": "drill", "network": self._random.choice(("one", "two")), "labels": {"team": team}}
        self._raise(
            db, f"drill:{self._fired}", f"{team} {self._fired}", self._random.choice(SEVERITIES), metadata
        )

    def _raise(self, db: Db, fingerprint: str, source: str, severity: str, metadata: dict[str, Any]) -> None:
        given = {"fingerprint": fingerprint, "source": source, "severity": severity}
        db.execute(RAISE, {**given, "message": f"{source} is {severity}", "metadata": json.dumps(metadata)})

    def _measure(self, _: Db) -> None:
        """A critical metric by the API, as a tool sends it; or one that is fine again."""
        name = f"drill_{self._random.randint(1, 40)}"
        with self._site.stack.store() as store, suppress(StoreError):
            store.record_system_metric(name, 1, severity=self._random.choice(("critical", "info")))

    def _escalate(self, db: Db) -> None:
        if found := db.execute(OPEN).fetchone():
            fingerprint, source, severity, metadata, _ = found
            worse = SEVERITIES[min(SEVERITIES.index(severity) + 1, 3)]
            self._raise(db, fingerprint, source, worse, metadata)

    def _acknowledge(self, db: Db) -> None:
        if found := db.execute(OPEN).fetchone():
            with suppress(httpx.HTTPError):
                self._site.api.call("acknowledge_alert", person=self._responder, alert_id=str(found[4]))

    def _resolve(self, db: Db) -> None:
        if found := db.execute(OPEN).fetchone():
            db.execute("select watchkeeper.close_alert(%s, 'recovered', now())", [found[0]])


def resolve_all(site: Site) -> None:
    """All that still fires ends, but for the alerts about dead letters, which are true."""
    with site.connect() as db:
        db.execute(
            "select watchkeeper.close_alert(fingerprint, 'the drill is over', now()) from public.system_alerts "
            "where status = 'firing' and alert_type <> 'delivery_dead'"
        )
