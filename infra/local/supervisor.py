"""Notices when a part of the running stack ends, and starts it again: all but the chain node."""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.local.processes import Process
from infra.local.stack import Stack
from infra.local.steps import LocalError

QUIET_S = 60.0


class Supervisor:
    """A part that ends twice within a minute is not started a third time: the stack stops and says why."""

    def __init__(self, stack: Stack, tell: Callable[[str], None]) -> None:
        self._anvil = stack.anvil.process
        self._anvil_ran = self._anvil.alive
        self._tell = tell
        self._parts: list[tuple[Process, Callable[[], None]]] = [
            (stack.postgres.process, stack.postgres.start),
            (stack.gateway.process, stack.gateway.start),
            (stack.page.process, stack.page.start),
            (stack.aws.process, stack.restart_aws),
        ]
        self._restarted: dict[str, float] = {}

    def look(self) -> None:
        """Checks all parts once."""
        for process, start in self._parts:
            if not process.alive:
                self._restart(process, start)
        if self._anvil_ran and not self._anvil.alive:
            self._anvil_ran = False
            self._tell("the chain node ended. Start it again, in another terminal: make anvil")

    def _restart(self, process: Process, start: Callable[[], None]) -> None:
        now = time.monotonic()
        if now - self._restarted.get(process.name, -QUIET_S) < QUIET_S:
            raise LocalError(
                f"{process.name} ended again, so all stops. Its log ends with:\n{process.tail()}"
            )
        self._restarted[process.name] = now
        self._tell(f"{process.name} ended; starting it again. Its log ends with:\n{process.tail(5)}")
        process.stop()  # children it left
        start()
        self._tell(f"{process.name} is back")
