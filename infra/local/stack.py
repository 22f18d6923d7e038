"""All parts of the laptop stack and the order in which they start. `make up` and the tests use the same."""

from __future__ import annotations

from pathlib import Path

from infra.cli.api import OperatorStore
from infra.local.anvil import Anvil
from infra.local.aws import Aws
from infra.local.credentials import Credentials
from infra.local.gateway import Gateway
from infra.local.migrations import migrate
from infra.local.page import Page
from infra.local.ports import Ports
from infra.local.postgres import SUPERUSER, Postgres


class Stack:
    """The parts, none of them started yet. What they keep is under `state`."""

    def __init__(self, state: Path, ports: Ports, *, durable: bool = True) -> None:
        self.state = state
        self.ports = ports
        self.credentials = Credentials.kept_in(state)
        self.postgres = Postgres(state, ports.db_port, self.credentials.db_password, durable=durable)
        self.gateway = Gateway(state, ports.api_port, self.postgres.url(SUPERUSER), self.credentials)
        self.page = Page(state, ports.dashboard_port, self.gateway.url, self.credentials.publishable_key)
        self.aws = Aws(state, ports.aws_port)
        self.anvil = Anvil(state, ports.anvil_port)

    def start_postgres(self) -> None:
        """Starts Postgres; a new cluster gets what a hosted project has."""
        self.postgres.start()
        if not self.postgres.is_prepared():
            self.gateway.provision()
            self.postgres.prepare()

    def migrate(self) -> list[str]:
        """Brings the database up to date; returns the versions applied."""
        return migrate(self.postgres.url())

    def start_aws(self) -> None:
        """Starts the emulator and deploys the functions."""
        self.aws.start()
        self.aws.put_secret_key(self.credentials.secret_key)
        self.aws.deploy(self.gateway.url, self.page.url)

    def restart_aws(self) -> None:
        """As at the start, and without waiting for the next minute."""
        self.start_aws()
        self.aws.schedule_checks()

    def store(self) -> OperatorStore:
        """A client of the API with the secret key."""
        return OperatorStore(self.gateway.url, self.credentials.secret_key)

    def stop(self) -> None:
        """Stops what runs; who uses goes before what is used."""
        for part in (self.aws, self.page, self.gateway, self.anvil, self.postgres):
            part.stop()
