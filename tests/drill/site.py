"""What the drill is about: the real database and API, with channels to the receivers and routes to the channels."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from infra.local.paths import ROOT
from infra.local.ports import HOST, Ports
from infra.local.stack import Stack
from tests.drill.receivers import GONE, MAIL, MOODS, Receivers
from tests.support.parts import Api
from watchkeeper.catalog import catalog

TEAMS = {
    "red": ("steady", "busy", MAIL),
    "green": ("broken", "closing", "hanging"),
    "blue": ("liar", "away", MAIL),
    "doomed": (GONE,),
}
"""Who gets the alerts of which label."""
EVERYBODY_ELSE = ("steady", MAIL)
"""Alerts without a team: critical metrics and dead letters."""


class Site:
    """Everything that runs during a drill but the workers."""

    def __init__(self, stack: Stack, receivers: Receivers) -> None:
        self.stack = stack
        self.receivers = receivers
        self.api = Api(stack.gateway.url, stack.credentials.publishable_key, stack.credentials.secret_key)

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """As the owner of the schema."""
        return psycopg.connect(self.stack.postgres.url(), autocommit=True, connect_timeout=3)

    def restart_database(self, *, crash: bool) -> None:
        """In order, or as after a power cut: what is committed has to be there in both cases."""
        if crash and (pid := self.stack.postgres.process.pid):
            os.kill(pid, signal.SIGQUIT)  # "immediate": no checkpoint, so the start recovers from the log
        self.stack.postgres.stop()
        self.stack.postgres.start()

    def keep_api_alive(self) -> bool:
        """As `make up` does: the API's driver may end with the database. Whether it had to be started again."""
        if self.stack.gateway.process.alive:
            return False
        self.stack.gateway.stop()
        self.stack.gateway.start()
        return True

    def worker_env(self) -> dict[str, str]:
        """What the handlers read. Secrets are where channels refer to."""
        ports = self.receivers.ports
        given = {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}",
            "SUPABASE_URL": self.api.url,
            "SUPABASE_SECRET_KEY": self.api.secret_key,
            "PRIVATE_TARGETS": "loopback",
            "EMAIL_FROM": "watchkeeper@example.org",
            "EMAIL_TRANSPORT": "smtp",
            "SMTP_HOST": HOST,
            "SMTP_PORT": str(ports[MAIL]),
            "SMTP_SECURITY": "none",
        }
        return {**os.environ, **given, **{secret_name(name): self.receivers.url(name) for name in ports}}


def secret_name(channel: str) -> str:
    return f"CHANNEL_{channel.upper()}_URL"


def configuration() -> dict[str, Any]:
    """Channels and routes as an operator writes them."""
    webhooks: list[dict[str, Any]] = [
        {"name": name, "kind": "webhook", "secrets": {"url": f"env:{secret_name(name)}"}}
        for name in MOODS
        if name != MAIL
    ]
    mail = {"name": MAIL, "kind": "email", "config": {"to": ["oncall@example.org"]}}
    teams = [
        {"name": team, "match": {"labels": {"team": team}}, "channels": list(channels), "group_wait_s": 1}
        for team, channels in TEAMS.items()
    ]
    rest = {"name": "the rest", "position": 900, "channels": list(EVERYBODY_ELSE), "group_wait_s": 0}
    return {"channels": [*webhooks, mail], "routes": [*teams, rest]}


@contextmanager
def opened(folder: Path, seed: int) -> Iterator[Site]:
    """The site on free ports. The database is durable: it will be crashed."""
    stack = Stack(folder / "stack", Ports.free())
    receivers = Receivers(seed)
    try:
        stack.start_postgres()
        stack.migrate()
        stack.gateway.start()
        receivers.start()
        site = Site(stack, receivers)
        with stack.store() as store:
            store.publish_catalog(catalog("loopback"))
        said = site.api.call("apply_config", person=site.api.person("admin"), config=configuration())
        assert said.is_success, said.text
        yield site
    finally:
        receivers.stop()
        stack.stop()
        stack.postgres.erase()
