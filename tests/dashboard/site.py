"""An installation for the tests of the page: a database, the API and the page, and a checks' worker played by hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infra.local.credentials import Credentials
from infra.local.gateway import Gateway
from infra.local.page import Page
from infra.local.ports import free_ports
from tests.support.parts import Api, Database
from watchkeeper.catalog import catalog

Json = dict[str, Any]

INTERVAL_S = 3600
"""Checks run when a test looks, and never else."""


class Site:
    """Its database is its own; results come into it through the RPCs that the functions call."""

    def __init__(self, folder: Path, credentials: Credentials, database: Database) -> None:
        api_port, page_port = free_ports(2)
        self.gateway = Gateway(folder, api_port, database.superuser_url, credentials)
        key, self.jwt_secret = credentials.publishable_key, credentials.jwt_secret
        self.api = Api(self.gateway.url, key, credentials.secret_key)
        self.page = Page(folder, page_port, self.gateway.url, key)
        self.url = self.page.url
        self.db = database.connect()
        self.store = self.api.store()

    def start(self) -> None:
        self.gateway.start()
        self.page.start(health_every_s=5, alerts_every_s=5, mfa=True)
        self.store.publish_catalog(catalog("loopback"))

    def stop(self) -> None:
        self.store.close()
        self.db.close()
        self.page.stop()
        self.gateway.stop()

    def kill_api(self) -> None:
        """As the kernel does it when memory is short."""
        assert self.gateway.process.pid
        os.kill(self.gateway.process.pid, signal.SIGKILL)
        self.gateway.stop()

    def forget(self) -> None:
        """Deletes the targets, which resolves their alerts, resolves the others, and tells nobody of it."""
        for route in self.store.list_routes():
            self.store.delete_route(route["name"])
        for channel in self.store.list_channels():
            self.store.delete_channel(channel["name"])
        self.db.execute("select watchkeeper.drop_target(id, now()) from watchkeeper.targets")
        self.db.execute("delete from watchkeeper.regions")
        self.db.execute(
            "select watchkeeper.close_alert(fingerprint, 'over', now()) from public.system_alerts "
            "where status = 'firing'"
        )

    # --- what happens to what is watched ---

    def target(self, name: str, *kinds: str, **more: Any) -> Json:
        """A new target, all of whose checks were well when they were looked at."""
        checks = {kind: {"interval_s": INTERVAL_S} for kind in kinds or ("uptime",)}
        saved: Json = self.store.save_target(
            {"name": name, "endpoint": "http://127.0.0.1:9", "checks": checks, **more}
        )
        self.look(saved)
        return saved

    def look(self, target: Json, outcome: str = "ok", *findings: Json, **samples: float) -> None:
        """One run of each of its checks, from the tick to the record."""
        self.store.run_check_now(target["id"])
        tasks = self.store.claim_due_checks(1)
        mine = [task for task in tasks if task["target_id"] == target["id"]]
        assert mine
        self.store.record_check_results([result(task, outcome, findings, samples) for task in mine])

    def dies(self, target: Json, message: str = "connection refused") -> None:
        self.look(target, "fail", finding("breach", message=message))

    def recovers(self, target: Json) -> None:
        self.look(target, "ok", finding("clear"))

    def fire(
        self, source: str, severity: str = "critical", message: str = "it is down", alert_type: str = "service_down"
    ) -> str:  # fmt: skip
        """An alert, raised as the record raises it; returns its id."""
        self.fire_many([source], severity, message, alert_type)
        row = self.db.execute(
            "select id from public.system_alerts where source = %s and status = 'firing'", [source]
        ).fetchone()
        assert row
        return str(row[0])

    def fire_many(
        self, sources: Iterable[str], severity: str = "critical", message: str = "it is down",
        alert_type: str = "service_down",
    ) -> None:  # fmt: skip
        self.db.execute(
            "select watchkeeper.raise_alert(name || ':' || %(type)s, null, name, %(type)s, %(severity)s, %(message)s, "
            '  \'{"kind": "uptime", "labels": {}}\', 1, moment, moment) '
            "from unnest(%(sources)s::text[]) with ordinality as s(name, n), "
            "  lateral (select now() - interval '1 minute' + n * interval '1 millisecond' as moment)",
            {"sources": list(sources), "type": alert_type, "severity": severity, "message": message},
        )


def crowd(site: Site, alerts: int = 5000, targets: int = 500) -> None:
    """More than fits. The alerts are written at once: raising each of them takes minutes."""
    checks = {"uptime": {"interval_s": INTERVAL_S}}
    site.store.apply_targets(
        [{"name": f"node {n:03}", "endpoint": "http://127.0.0.1:9", "checks": checks} for n in range(targets)]
    )
    site.db.execute(
        "insert into public.system_alerts (alert_type, severity, message, source, fingerprint, status, metadata, "
        "  created_at, first_seen_at, last_seen_at) "
        "select 'service_down', 'critical', 'it is down', name, name, 'firing', '{}', moment, moment, moment "
        "from generate_series(0, %s - 1) as n, lateral (select 'source ' || to_char(n, 'FM0000') as name, "
        "  now() - interval '1 hour' + n * interval '1 millisecond' as moment)",
        [alerts],
    )


def finding(state: str, severity: str = "critical", **more: Any) -> Json:
    return {
        "alert_type": "service_down",
        "state": state,
        "severity": severity,
        "message": f"it is {state}",
        **more,
    }


def result(task: Json, outcome: str, findings: Iterable[Json], samples: dict[str, float]) -> Json:
    return {
        "check_id": task["check_id"], "due_at": task["due_at"], "outcome": outcome,
        "reason": None if outcome == "ok" else "connection refused",
        "started_at": task["due_at"], "finished_at": task["due_at"],
        "findings": list(findings), "samples": [{"name": name, "value": value} for name, value in samples.items()],
    }  # fmt: skip
