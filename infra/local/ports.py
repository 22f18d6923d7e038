"""The addresses of the laptop stack; all of them on this machine only."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

from infra.local.steps import LocalError

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """Each can be set by the variable of the same name, in capitals."""

    api_port: int = 54321
    db_port: int = 54322
    aws_port: int = 4566
    anvil_port: int = 8545
    dashboard_port: int = 8090

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Ports:
        """Reads API_PORT, DB_PORT, AWS_PORT, ANVIL_PORT and DASHBOARD_PORT; an empty value means the default."""
        chosen = {name: env.get(name.upper(), "") for name in cls.__dataclass_fields__}
        return cls(**{name: _port(name.upper(), value) for name, value in chosen.items() if value})

    @classmethod
    def free(cls) -> Ports:
        """Ports nobody listens on, for tests."""
        return cls(*free_ports(5))

    def require_free(self, *names: str) -> None:
        """Refuses to fight over a port and names the variable that moves it."""
        for name in names:
            port = getattr(self, name)
            if not _becomes_free(port):
                variable = name.upper()
                raise LocalError(
                    f"port {port} is taken by another program: stop it or choose another, "
                    f"make up {variable}={port + 100}"
                )


def _port(variable: str, value: str) -> int:
    if value.isdecimal() and 1024 <= int(value) <= 65535:
        return int(value)
    raise LocalError(f"{variable} must be a port between 1024 and 65535, not {value!r}")


def is_free(port: int) -> bool:
    """Whether we could listen on it. SO_REUSEADDR looks past connections that are only closing."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _becomes_free(port: int, patience_s: float = 1) -> bool:
    """The system also lends such ports to outgoing connections, mostly for a moment."""
    deadline = time.monotonic() + patience_s
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def accepts(port: int) -> bool:
    """Whether something answers on it."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Different free ports, below those that Linux and macOS lend to outgoing connections: nobody takes
    one while its server is down for a moment. All are held until the last is found.
    """
    held: list[socket.socket] = []
    try:
        while len(held) < count:
            probe = socket.socket()
            try:
                probe.bind((HOST, random.randrange(10_000, 32_768)))  # noqa: S311 - no secret
            except OSError:
                probe.close()
            else:
                held.append(probe)
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()
