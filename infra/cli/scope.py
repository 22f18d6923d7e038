"""What a report is about, as the command line says it: a time, and a group of targets."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.cli.names import NotThere

Json = dict[str, Any]

KINDS = ["sla", "compliance"]


def about(command: argparse.ArgumentParser) -> None:
    """What a report is about."""
    command.add_argument(
        "--from", dest="from_", type=moment, metavar="TIME", help="2026-10-01 or with a time; UTC"
    )
    command.add_argument(
        "--to", type=moment, metavar="TIME", help="its end, not included (default: last full month)"
    )
    command.add_argument("--kind", choices=KINDS, default="sla", help="default: sla")
    command.add_argument(
        "--label", action="append", default=[], type=pair, metavar="K=V", help="only targets with it"
    )
    for word in ("network", "target"):
        command.add_argument(
            f"--{word}", action="append", default=[], metavar="NAME", help="only this; may be repeated"
        )
    command.add_argument(
        "--objective", metavar="NAME", help="what to hold it against (default: 99.9 percent)"
    )
    command.add_argument("--title", metavar="WORDS", help="what it is called")


def moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time such as 2026-10-01 or 2026-10-01T12:00Z"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no label such as team=core")
    return name, value


def chosen_span(args: argparse.Namespace) -> tuple[datetime, datetime]:
    """Both ends, or neither: half a guess is a wrong report."""
    if (args.from_ is None) != (args.to is None):
        raise NotThere("give both --from and --to, or neither for the last full month")
    return (args.from_, args.to) if args.from_ else last_month(datetime.now(UTC))


def last_month(now: datetime) -> tuple[datetime, datetime]:
    end = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (end - timedelta(days=1)).replace(day=1), end


def chosen_match(args: argparse.Namespace) -> Json:
    given = {"labels": dict(args.label), "networks": args.network, "targets": args.target}
    return {name: value for name, value in given.items() if value}
