"""`watchkeeper slo`, `sla` and `closes`: error budgets, service levels of a time, and months that are closed."""

import argparse
from decimal import Decimal
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.lists import add_group, show_json
from infra.cli.names import need_watched
from infra.cli.render import Screen, clean
from infra.cli.scope import chosen_match, chosen_span, moment, pair

Json = dict[str, Any]

WINDOWS = ("5m", "30m", "1h", "6h", "3d")
OBJECTIVES = [
    "objective",
    "status",
    "goal",
    "available",
    "budget left",
    *(f"burn {name}" for name in WINDOWS),
]
TARGETS = ["target", "available", "down", "unknown", "maintenance", "downtimes", "p95"]
CLOSES = ["month", "available", "down", "objective", "targets", "incidents", "closed at", "hash"]
MET = {True: "met", False: "MISSED", None: "unknown"}


def add_commands(commands: Any) -> None:
    """Add `slo`, `sla`, and `closes` with its own command."""
    command = commands.add_parser(
        "slo",
        help="how much of each error budget is left, and how fast it burns",
        description="Error budgets. A burn of 1 spends a budget just within its window. Exit code 1 if one "
        "burns too fast or is spent.",
    )
    command.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    command.set_defaults(run=run_slo)

    command = commands.add_parser(
        "sla",
        help="service levels of a time, in short",
        description="Service levels of the last full month, or of another time. Exit code 1 if the objective "
        "was missed. `watchkeeper report` makes a document of them.",
    )
    command.add_argument(
        "--from", dest="from_", type=moment, metavar="TIME", help="2026-10-01 or with a time; UTC"
    )
    command.add_argument("--to", type=moment, metavar="TIME", help="its end, not included")
    command.add_argument(
        "--label", action="append", default=[], type=pair, metavar="K=V", help="only targets with it"
    )
    for word in ("network", "target"):
        command.add_argument(f"--{word}", action="append", default=[], metavar="NAME", help="only this")
    command.add_argument("--objective", metavar="NAME", help="held against it (default: 99.9 percent)")
    command.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    command.set_defaults(run=run_sla)

    verbs = add_group(commands, "closes", "months that are closed", run_closes)
    verb = verbs.add_parser(
        "verify",
        help="is a closed month what the tables still say",
        description="Recompute closed months from what is in the tables. Exit code 1 if one is not equal; "
        "it says where.",
    )
    verb.add_argument("month", nargs="?", metavar="MONTH", help="such as 2026-10 (default: all)")
    verb.add_argument("--json", action="store_true", help="print what the database says, as JSON")
    verb.set_defaults(run=run_verify)


# Error budgets ---------------------------------------------------------------------------------------------------


def run_slo(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    found = store.list_objectives()
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("nothing is watched yet")
    else:
        screen.table([OBJECTIVES, *(objective_row(line) for line in found)], status_column=1)
    return int(any(line["status"] in {"warning", "critical"} for line in found))


def objective_row(line: Json) -> list[str]:
    return [
        line["name"] or "(all others)",
        line["status"],
        f"{line['percent']} % in {line['window_days']} d",
        percent(line["availability_percent"]),
        budget(line),
        *("unknown" if line["burn"][name] is None else f"{line['burn'][name]:g}" for name in WINDOWS),
    ]


def budget(line: Json) -> str:
    if line["left_s"] is None:
        return "unknown"
    if line["left_s"] < 0:
        return f"OVERSPENT by {length(-line['left_s'])} of {length(line['budget_s'])}"
    return f"{length(line['left_s'])} of {length(line['budget_s'])} ({line['left_percent']} %)"


# Service levels --------------------------------------------------------------------------------------------------


def run_sla(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    begins, ends = chosen_span(args)
    found = store.get_sla_report(begins.isoformat(), ends.isoformat(), chosen_match(args), args.objective)
    need_watched(store, chosen_match(args), found["targets"])
    if args.json:
        show_json(found, screen)
    else:
        show_report(found, screen)
    return int(found["totals"]["met"] is False)


def show_report(found: Json, screen: Screen) -> None:
    totals, goal = found["totals"], found["objective"]
    span = f"from {minute(found['from'])} to {minute(found['to'])} UTC"
    so_far = f", so far (as of {minute(found['as_of'])})" if found["as_of"] != found["to"] else ""
    name = f" ({clean(goal['name'])})" if goal["name"] else ""
    available = percent(totals["availability_percent"])
    screen.line(f"service levels {span}{so_far}")
    screen.line(f"  {available} available, objective {goal['percent']} %{name}: {MET[totals['met']]}")
    screen.line(f"  down {length(totals['down_s'])}, unknown {length(totals['unknown_s'])}, "
                f"maintenance {length(totals['maintenance_s'])}, of {length(totals['watched_s'])}")  # fmt: skip
    for line in (incidents_line(found["incidents"]), alerts_line(found["alerts"])):
        screen.line(f"  {line}")
    if found["targets"]:
        screen.line()
        screen.table([TARGETS, *(target_row(target) for target in found["targets"])])


def incidents_line(incidents: Json) -> str:
    resolved = f"resolved after {length(incidents['mttr_s'])} on average"
    return f"incidents {incidents['count']}, {incidents['open']} open, {resolved}"


def alerts_line(alerts: Json) -> str:
    acknowledged, delivered = alerts["acknowledged"], alerts["delivered"]
    return (
        f"alerts {alerts['count']}, acknowledged after {length(alerts['mtta_s'])} and resolved after "
        f"{length(alerts['mttr_s'])} on average; acknowledged within 5 min {acknowledged['within_5_min']} of "
        f"{acknowledged['of']}, delivered within 30 s {delivered['within_30_s']} of {delivered['of']}"
    )


def target_row(target: Json) -> list[str]:
    p95 = target["latency"]["p95_ms"]
    return [
        target["name"],
        percent(target["availability_percent"]),
        *(length(target[key]) for key in ("down_s", "unknown_s", "maintenance_s")),
        str(target["downtimes_count"]),
        "unknown" if p95 is None else f"{p95:g} ms",
    ]


# Closed months ---------------------------------------------------------------------------------------------------


def run_closes(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """Exit code 1 if a month that was closed is not there any more."""
    found = store.list_sla_closes()
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("no month is closed yet")
    else:
        screen.table([CLOSES, *(close_row(line) for line in found)])
    return int(any(line["missing"] for line in found))


def close_row(line: Json) -> list[str]:
    if line["missing"]:
        return [line["month"], "MISSING", *[""] * (len(CLOSES) - 2)]
    return [
        line["month"],
        percent(line["availability_percent"]),
        length(line["down_s"]),
        MET[line["met"]],
        str(line["targets"]),
        str(line["incidents"]),
        minute(line["closed_at"]),
        line["hash"][:16],
    ]


def run_verify(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    months = [args.month] if args.month else sorted(line["month"] for line in store.list_sla_closes())
    found = [store.verify_sla_close(month) for month in months]
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("no month is closed yet")
    else:
        for verdict in found:
            show_verdict(verdict, screen)
    return int(not all(verdict["ok"] for verdict in found))


def show_verdict(verdict: Json, screen: Screen) -> None:
    count = verdict["problems_count"]
    if verdict["ok"]:
        screen.line(f"{verdict['month']}  equal  {verdict['hash'][:16]}")
        return
    screen.line(f"{verdict['month']}  NOT EQUAL in {count} place{'' if count == 1 else 's'}")
    screen.table(
        [
            [each["where"], f"closed {told(each['closed'])}", f"now {told(each['now'])}"]
            for each in verdict["problems"]
        ]
    )
    if count > len(verdict["problems"]):
        screen.line(f"  and {count - len(verdict['problems'])} more")


def told(value: object) -> str:
    """What a place says, short."""
    if value is None:
        return "nothing"
    text = clean(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


# Words -----------------------------------------------------------------------------------------------------------


def percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value} %"


def minute(text: str) -> str:
    """2026-10-01T00:00:00.000000Z as 2026-10-01 00:00."""
    return text[:16].replace("T", " ")


def length(seconds: float | None) -> str:
    """Exact to the millisecond: 3661 as `1 h 1 min 1 s`."""
    if seconds is None:
        return "unknown"
    rest = Decimal(str(seconds)).quantize(Decimal("0.001"))
    words = []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        whole, rest = divmod(rest, size)
        words += [f"{whole:f} {unit}"] if whole else []
    if rest or not words:
        words.append(f"{rest.normalize():f} s")
    return " ".join(words)
