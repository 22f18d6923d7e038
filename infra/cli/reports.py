"""`watchkeeper reports` asks for reports that are made in the cloud and kept, and lists what was made."""

import argparse
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from infra.cli.api import OperatorStore
from infra.cli.lists import add_group, find_id, short, show_json
from infra.cli.render import Screen, age, ago, clean
from infra.cli.report import FORMATS, read_figures
from infra.cli.scope import about, chosen_match, chosen_span
from watchkeeper.report_names import period

Json = dict[str, Any]

LOOKED_THROUGH = 200  # as many as one call gives
LOOK_EVERY_S = 1.0


def add_commands(commands: Any) -> None:
    """Add `reports` with its own commands."""
    verbs = add_group(
        commands, "reports", "reports that were made, are being made, or failed", run_list, options
    )
    verb = verbs.add_parser("request", help="have one made, kept and delivered")
    about(verb)
    verb.add_argument("--format", choices=FORMATS, action="append", help="may be repeated (default: all)")
    verb.add_argument(
        "--channel", action="append", default=[], metavar="NAME", help="who gets it; may be repeated"
    )
    wait_option(verb)
    verb.set_defaults(run=run_request)
    verb = verbs.add_parser("renew", help="new links to one that was made, or another try of one that failed")
    verb.add_argument("id", metavar="ID", help="its id or the start of it")
    wait_option(verb)
    verb.set_defaults(run=run_renew)
    verb = verbs.add_parser("plans", help="what is made each month, and for whom")
    verb.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    verb.set_defaults(run=run_plans)


def wait_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--wait", type=float, default=0, metavar="S", help="wait up to S seconds and show how far it is"
    )


def options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--max", type=int, default=20, metavar="N", help="the newest N (default: 20)")


def run_request(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    span = chosen_span(args)
    if chosen_match(args):
        read_figures(args, store, span)  # what nobody could make is refused here, not in an hour
    wanted: Json = {"kind": args.kind, "match": chosen_match(args), "objective": args.objective}
    wanted |= {"channels": args.channel, "title": args.title}
    wanted |= {"formats": args.format} if args.format else {}
    report = store.request_report(span[0].isoformat(), span[1].isoformat(), **wanted)
    return after_asking(report, args.wait, store, screen)


def run_renew(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    return after_asking(store.renew_report(full_id(store, args.id)), args.wait, store, screen)


def run_list(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """Exit code 1 if one of them failed."""
    found = store.list_reports(max_rows=args.max)
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line(
            "no reports; `watchkeeper reports request` has one made, a plan in the settings one each month"
        )
    else:
        screen.table([row(report) for report in found], status_column=1)
        for report in found:
            show_links(report, screen)
    return int(any(report["status"] == "failed" for report in found))


def run_plans(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    found = store.list_report_plans()
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("no plans: no report is made by itself")
    else:
        screen.table([plan_row(plan) for plan in found])
    return 0


def after_asking(report: Json, wait_s: float, store: OperatorStore, screen: Screen) -> int:
    """Exit code 1 if it failed, or is not made in the time it was given."""
    if wait_s <= 0:
        screen.line(f"{short(report['id'])} waits to be made; see `watchkeeper reports`")
        return 0
    made = wait_for(report, wait_s, store)
    screen.table([row(made)], status_column=1)
    show_links(made, screen)
    return int(made["status"] != "made")


def wait_for(report: Json, wait_s: float, store: OperatorStore) -> Json:
    deadline, told = time.monotonic() + wait_s, ""
    while report["status"] not in ("made", "failed") and time.monotonic() < deadline:
        if (words := state(report)) != told:
            print(f"{report['status']}: {words}" if words else report["status"], file=sys.stderr)
            told = words
        time.sleep(LOOK_EVERY_S)
        report = find_id(store.list_reports(max_rows=LOOKED_THROUGH), report["id"], "reports")
    return report


def full_id(store: OperatorStore, given: str) -> str:
    """Only a full id finds one that is far back."""
    try:
        return str(UUID(given))
    except ValueError:
        return str(find_id(store.list_reports(max_rows=LOOKED_THROUGH), given, "reports")["id"])


def row(report: Json) -> list[str]:
    """Its id, how it stands, what it is about, of when, asked for by whom, and how far it is."""
    now = datetime.now(UTC).isoformat()
    times = (datetime.fromisoformat(report[key]) for key in ("from_time", "to_time"))
    by = (
        f"plan {report['plan_name']}"
        if report["plan_name"]
        else f"by {report['requested_by_email'] or 'the operator'}"
    )
    when = f"{by}, {ago(report['requested_at'], now)}"
    return [short(report["id"]), report["status"], report["title"], period(*times), when, state(report)]


def state(report: Json) -> str:
    if report["status"] == "making":
        return f"{report['progress']} %" + (f", {report['step']}" if report["step"] else "")
    if report["status"] == "made":
        return ", ".join(
            [*(f["format"] for f in report["files"]), *([report["error"]] if report["error"] else [])]
        )
    return report["error"] or ""


def show_links(report: Json, screen: Screen) -> None:
    if report["status"] != "made":
        return
    if not report["links"]:
        screen.line(
            f"  {short(report['id'])}  links have expired: watchkeeper reports renew {short(report['id'])}"
        )
        return
    screen.line(
        f"  {short(report['id'])}  links work for {age(datetime.now(UTC).isoformat(), report['links_expire_at'])}"
    )
    for format_, link in report["links"].items():
        screen.line(f"    {clean(format_)}  {clean(link)}")


def plan_row(plan: Json) -> list[str]:
    newest = plan["newest"]
    last = f"last {newest['from_time'][:7]}, {newest['status']}" if newest else "none made yet"
    to_whom = f"to {', '.join(plan['channels'])}" if plan["channels"] else "to nobody"
    return [
        plan["name"],
        plan["kind"] if plan["enabled"] else "off",
        ", ".join(plan["formats"]),
        to_whom,
        last,
    ]
