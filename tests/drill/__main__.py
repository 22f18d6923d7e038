"""`make drill`: kills workers at every step while receivers misbehave, and counts what arrived.

Exit code 1 if anything was lost, came in the wrong order or is unknown to the ledger.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from infra.local.steps import say
from tests.drill.drill import drill
from tests.drill.table import lines
from tests.support.scratch import scratch


def main() -> int:
    parser = argparse.ArgumentParser(prog="make drill", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=3, help="alive at a time")
    parser.add_argument("--seed", type=int, default=None, help="for the dice; timing is as it comes")
    parser.add_argument("--minutes", type=float, default=20, help="give up after that")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    say(f"drill: {given.kills} kills, {given.workers} workers at a time, seed {seed}")
    with scratch() as folder:
        report = drill(
            folder, kills=given.kills, workers_at_once=given.workers, seed=seed, minutes=given.minutes
        )
        for line in lines(report):
            say(line)
        if report.verdict.violations:
            kept = Path(tempfile.mkdtemp(prefix="drill-")) / "workers.log"
            shutil.copy(folder / "workers.log", kept)
            say(f"the workers' log is kept: {kept}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
