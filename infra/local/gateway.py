"""The Supabase-compatible API of the laptop stack: our launcher of @supabase/lite."""

from __future__ import annotations

import os
from pathlib import Path

from infra.local import node
from infra.local.commands import run
from infra.local.credentials import Credentials
from infra.local.paths import LOCAL
from infra.local.ports import HOST, accepts
from infra.local.processes import Process

LAUNCHER = LOCAL / "gateway.mjs"


class Gateway:
    """Answers /rest/v1 and /auth/v1. It sees the functions that exist when it starts, so it starts after migrating."""

    def __init__(self, state: Path, port: int, database_url: str, credentials: Credentials) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self._env = {
            **os.environ,
            "GATEWAY_DATABASE_URL": database_url,
            "GATEWAY_PORT": str(port),
            "GATEWAY_JWT_SECRET": credentials.jwt_secret,
            "GATEWAY_PUBLISHABLE_KEY": credentials.publishable_key,
            "GATEWAY_SECRET_KEY": credentials.secret_key,
        }
        self.process = Process("api", [node.node_path(), LAUNCHER, "serve"], state, env=self._env)

    def provision(self) -> None:
        """Creates schema auth, which our migrations refer to."""
        command: list[str | Path] = [node.node_path(), LAUNCHER, "provision"]
        run("creating schema auth", command, env=self._env, timeout_s=60)

    def start(self) -> None:
        """Starts it and waits until it listens."""
        self.process.start()
        self.process.wait_until(lambda: accepts(self.port))

    def stop(self) -> None:
        """Stops it."""
        self.process.stop()
