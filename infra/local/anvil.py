"""The demo's chain node. Its death is the demo, so nobody starts it again but the user: make anvil."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from infra.local import node
from infra.local.paths import STATE
from infra.local.ports import HOST, Ports, accepts
from infra.local.processes import Process
from infra.local.running import running_port
from infra.local.steps import LocalError, complain, say

BLOCK_TIME_S = 2


def command(port: int, block_time_s: float = BLOCK_TIME_S) -> list[str]:
    """How to start it."""
    block_time = ["--block-time", f"{block_time_s:g}"] if block_time_s else []
    return [str(node.anvil_binary()), "--host", HOST, "--port", str(port), *block_time, "--silent"]


class Anvil:
    """A chain of its own, new at every start. With block_time_s 0 it mines only when told."""

    def __init__(self, state: Path, port: int, block_time_s: float = BLOCK_TIME_S) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self.process = Process("anvil", command(port, block_time_s), state)

    def start(self) -> None:
        """Starts it and waits until it listens."""
        self.process.start()
        self.process.wait_until(lambda: accepts(self.port))

    def stop(self) -> None:
        """Stops it."""
        self.process.stop()


def main() -> int:
    """`make anvil`: one in the foreground, on ANVIL_PORT, or else the port the running stack watches."""
    try:
        watched = None if os.environ.get("ANVIL_PORT") else running_port(STATE, "anvil_port")
        become_anvil(watched or Ports.from_env().anvil_port)
    except LocalError as error:
        complain(f"make anvil: {error}")
        return 1


def become_anvil(port: int) -> NoReturn:
    """Replaces this process, so that Ctrl-C and kill reach the node itself."""
    if accepts(port):
        raise LocalError(f"port {port} answers already; another one: make anvil ANVIL_PORT={port + 1}")
    words = command(port)
    say(f"anvil on http://{HOST}:{port}, a block every {BLOCK_TIME_S} s; Ctrl-C stops it")
    os.execv(words[0], words)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
