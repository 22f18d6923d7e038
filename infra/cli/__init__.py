"""The operator's command: `watchkeeper`."""

import argparse
import os
import sys
from collections.abc import Sequence

from infra.cli import (
    alerts,
    audit,
    benchmarks,
    channels,
    check,
    config,
    deliveries,
    env,
    heartbeats,
    incidents,
    latency,
    levels,
    members,
    oncall,
    regions,
    report,
    reports,
    settings,
    silences,
    status,
    targets,
    tokens,
    uptime,
    watchdog,
)
from infra.cli.api import OperatorStore
from infra.cli.names import NotThere
from infra.cli.render import Screen
from infra.cli.yaml_file import FileError
from watchkeeper.errors import SettingsError, StoreError
from watchkeeper.store import StoreUnreachable

OK, PROBLEM, USAGE = 0, 1, 2
GROUPS = (
    status, config, targets, check, alerts, incidents, channels, deliveries, oncall, silences, heartbeats,
    uptime, latency, benchmarks, levels, report, reports, settings, watchdog, members, tokens, regions, audit,
)  # fmt: skip

DESCRIPTION = """\
See and change what Watchkeeper watches.

The Supabase project is taken from SUPABASE_URL and SUPABASE_SECRET_KEY if they are set, else from the nearest
.watchkeeper/env (which `make up` writes), going upward from here."""

EXAMPLES = """\
examples:
  watchkeeper status                          is everything well, and if not, what
  watchkeeper apply watchkeeper.yaml --dry-run  targets, channels, routes and all else
  watchkeeper check anvil --kind blockchain   probe from here, record nothing
  watchkeeper alerts --status all --json
  watchkeeper incidents show 5f0c             what happened, who did what
  watchkeeper channels test ops               does a message get there
  watchkeeper deliveries --status dead        what was told to whom, and what was not
  watchkeeper uptime web --time-zone Europe/Berlin
  watchkeeper slo                             how much error budget is left, how fast it burns
  watchkeeper closes verify                   do closed months still say the truth
  watchkeeper report --label team=core --format pdf   service levels of the last full month
  watchkeeper members grant ann@example.org responder
  watchkeeper tokens create ci --role ingest  so that a CI job may record
  watchkeeper audit --table targets           who changed what

exit codes: 0 all is well, 1 a problem was found, 2 it cannot be told: the command, a setting or a file is
wrong, or Supabase does not answer"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    args = parser().parse_args(argv)
    try:
        return run(args)
    except StoreUnreachable as error:
        url = env.load().supabase_url
        return complain(
            f"unknown: Supabase did not answer at {url} ({error.message}). Is it up, and SUPABASE_URL right?",
            USAGE,
        )
    except StoreError as error:
        return complain(f"refused: {error.message}", USAGE)
    except BrokenPipeError:
        # `watchkeeper alerts | head` has seen enough; keep the interpreter from flushing into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (SettingsError, FileError, NotThere, OSError) as error:
        return complain(str(error), USAGE)
    except KeyboardInterrupt:
        return complain("interrupted", 130)


def run(args: argparse.Namespace) -> int:
    """Run the chosen command, and know that what it printed has arrived."""
    with open_store() as store:
        code = int(args.run(args, store, Screen()))
    sys.stdout.flush()
    return code


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = argparse.ArgumentParser(
        prog="watchkeeper",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in GROUPS:
        group.add_commands(commands)
    return top


def open_store() -> OperatorStore:
    """The store of the project that the settings name."""
    settings = env.load()
    return OperatorStore(settings.supabase_url, settings.supabase_secret_key)


def complain(text: str, code: int) -> int:
    """Say it on standard error; returns the code for `return`."""
    print(text, file=sys.stderr)
    return code
