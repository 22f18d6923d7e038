"""One drill, from the first alert to the verdict."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.paths import PYTHON, ROOT
from infra.local.steps import say
from tests.drill.receivers import MAIL
from tests.drill.site import Site, opened
from tests.drill.trouble import Trouble, resolve_all
from tests.drill.verdict import Alert, Row, Verdict, judge
from tests.drill.worker import Plan, words

DRAIN_S = 180


@dataclass(frozen=True)
class Report:
    """What a drill found."""

    verdict: Verdict
    kills: dict[str, int]
    alerts: int
    deliveries: int
    arrivals: int
    seconds: float


class Workers:
    """The parent of all workers, and what it told last."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.told: dict[str, Any] = {"kills": {}, "crashes": 0, "done": False}
        self._popen = popen
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def kills(self) -> int:
        return sum(self.told["kills"].values())

    def require_alive(self) -> None:
        if self._popen.poll() is not None:
            raise RuntimeError(f"the workers' parent ended with {self._popen.returncode}")

    def _listen(self) -> None:
        assert self._popen.stdout
        for line in self._popen.stdout:
            self.told = json.loads(line)


@contextmanager
def workers(site: Site, plan: Plan) -> Iterator[Workers]:
    command = [str(PYTHON), "-m", "tests.drill.worker", words(plan)]
    with subprocess.Popen(
        command, cwd=ROOT, env=site.worker_env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as popen:
        assert popen.stdin
        try:
            yield Workers(popen)
        finally:
            popen.stdin.close()
            popen.wait(60)


def drill(folder: Path, *, kills: int, workers_at_once: int, seed: int, minutes: float) -> Report:
    """Kill, restart, heal, drain, judge."""
    began = time.monotonic()
    plan = Plan(kills, workers_at_once, seed, str(folder / "claims"), str(folder / "workers.log"))
    for path in (plan.claims, plan.log):
        Path(path).touch()
    with opened(folder, seed) as site:
        trouble = Trouble(site, seed)
        with workers(site, plan) as crew:
            trouble.start()
            try:
                _let_die(site, crew, plan, began + minutes * 60)
                trouble.calm()
                site.receivers.heal()
                say(f"  {time.monotonic() - began:5.1f} s  no more kills; draining")
                _drain(site, crew)
            finally:
                trouble.end()
        alerts, rows = _read(site)
        verdict = judge(alerts, rows, site.receivers.arrivals, _merged(plan))
        verdict.violations += [f"a worker ended by itself: {plan.log}"] * crew.told["crashes"]
        verdict.violations += [f"trouble could not be made: {error}" for error in trouble.errors]
        kept = len(site.receivers.arrivals)
    return Report(verdict, crew.told["kills"], len(alerts), len(rows), kept, time.monotonic() - began)


def _let_die(site: Site, crew: Workers, plan: Plan, until: float) -> None:
    """Workers die all the time; at set moments also the database and a receiver."""
    shocks: list[tuple[float, str, Callable[[], None]]] = [
        (0.2, "a receiver goes away", lambda: site.receivers.close("away")),
        (0.3, "the database restarts", lambda: site.restart_database(crash=False)),
        (0.5, "the receiver is back, the mail server goes", lambda: _swap(site, "away", MAIL)),
        (0.6, "the mail server is back", lambda: site.receivers.open(MAIL)),
        (0.7, "the database crashes and recovers", lambda: site.restart_database(crash=True)),
    ]
    told_at = 0
    while not crew.told["done"]:
        crew.require_alive()
        if site.keep_api_alive():
            say("    the API ended with the database and is started again")
        if time.monotonic() > until:
            raise TimeoutError(f"only {crew.kills} of {plan.kills} kills in the time given")
        if shocks and crew.kills >= shocks[0][0] * plan.kills:
            _, what, strike = shocks.pop(0)
            say(f"    {what}")
            strike()
        if crew.kills >= told_at + 100:
            told_at = crew.kills
            say(f"    {crew.kills} kills, {len(site.receivers.arrivals)} arrivals")
        time.sleep(0.05)


def _swap(site: Site, back: str, away: str) -> None:
    site.receivers.open(back)
    site.receivers.close(away)


def _drain(site: Site, crew: Workers) -> None:
    """Until nothing waits, or nothing can be expected any more: what is left then is a violation."""
    resolve_all(site)
    deadline = time.monotonic() + DRAIN_S
    with site.connect() as db:
        while time.monotonic() < deadline:
            crew.require_alive()
            site.keep_api_alive()
            left = db.execute(
                "select count(*) from watchkeeper.deliveries where status = 'pending'"
            ).fetchone()
            if left == (0,):
                return
            time.sleep(0.2)


def _merged(plan: Plan) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in Path(plan.claims).read_text().splitlines():
        found |= json.loads(line)
    return found


def _read(site: Site) -> tuple[list[Alert], list[Row]]:
    with site.connect() as db:
        alerts = db.execute(
            "select a.id::text, a.alert_type, a.metadata #>> '{labels,team}', "
            "bool_or(t.transition = 'fired'), bool_or(t.transition = 'resolved') "
            "from public.system_alerts as a left join watchkeeper.alert_transitions as t on t.alert_id = a.id "
            "group by a.id"
        ).fetchall()
        rows = db.execute(
            "select d.seq, d.alert_id::text, c.name, d.event, d.dedup_key, d.status, d.last_error "
            "from watchkeeper.deliveries as d join watchkeeper.channels as c on c.id = d.channel_id"
        ).fetchall()
    return [Alert(*row) for row in alerts], [Row(*row) for row in rows]
