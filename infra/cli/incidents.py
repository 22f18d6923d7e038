"""`watchkeeper incidents`: what people work on, what happened, and what was learnt."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.cli import postmortems
from infra.cli.api import OperatorStore
from infra.cli.lists import add_group, full_id, short, show_json
from infra.cli.names import NotThere
from infra.cli.render import Screen, ago, clean, moment
from watchkeeper.errors import StoreError

Json = dict[str, Any]

STATUSES = ["open", "investigating", "resolved", "closed"]
UNDER_WAY = STATUSES[:2]
SEVERITIES = ["low", "medium", "high", "critical"]
LOOKED_THROUGH = 200  # as many as one call gives


def add_commands(commands: Any) -> None:
    """Add `incidents` with its own commands."""
    verbs = add_group(commands, "incidents", "what is being worked on, and what happened", run_list, options)
    verb = with_id(verbs, "show", "an incident, its alerts and its timeline", run_show)
    verb.add_argument("--json", action="store_true", help="print what the database says, as JSON")

    verb = verbs.add_parser("open", help="open an incident")
    verb.add_argument("title", metavar="TITLE")
    verb.add_argument("--severity", choices=SEVERITIES, default="high", help="default: high")
    verb.add_argument("--description", metavar="TEXT")
    verb.add_argument(
        "--system", action="append", default=[], metavar="NAME", help="what is affected; again for more"
    )
    verb.add_argument(
        "--alert", action="append", default=[], metavar="ID", help="an alert of it; again for more"
    )
    verb.set_defaults(run=run_open)

    verb = with_id(verbs, "status", "go on to another status, or back to open", run_status)
    verb.add_argument("status", choices=STATUSES)
    verb.add_argument("--note", metavar="TEXT", help="why; only `investigating` goes without")

    verb = with_id(verbs, "note", "write into its timeline", run_note)
    verb.add_argument("text", metavar="TEXT")
    verb.add_argument("--remediation", action="store_true", help="it says what was done about it")

    verb = with_id(verbs, "assign", "who is on it", run_assign)
    verb.add_argument("email", metavar="EMAIL|nobody")

    verb = with_id(verbs, "severity", "how bad it is after all", run_severity)
    verb.add_argument("severity", choices=SEVERITIES)

    verb = with_id(verbs, "systems", "what is affected, in place of what was said before", run_systems)
    verb.add_argument("systems", nargs="*", metavar="NAME")

    verb = with_id(verbs, "link", "an alert that belongs to it", run_link)
    verb.add_argument("alert", metavar="ALERT", help="its id or the start of it")

    verb = with_id(verbs, "postmortem", "print or save what was learnt", run_postmortem)
    verb.add_argument("--draft", action="store_true", help="print one to begin with, made from the timeline")
    way = verb.add_mutually_exclusive_group()
    way.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there")
    way.add_argument("--save", type=Path, metavar="FILE", help="keep this file as the postmortem")


def with_id(verbs: Any, name: str, words: str, run: Callable[..., int]) -> Any:
    verb = verbs.add_parser(name, help=words)
    verb.add_argument("id", metavar="ID", help="its id or the start of it")
    verb.set_defaults(run=run)
    return verb


def options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--status", choices=STATUSES, help="only these (default: those under way)")
    command.add_argument("--all", action="store_true", help="also those that are over")
    command.add_argument("--severity", choices=SEVERITIES, help="only these")
    command.add_argument("--assigned", metavar="EMAIL", help="only what this person is on")
    command.add_argument("--max", type=int, default=50, metavar="N", help="the newest N (default: 50)")


# Reading -------------------------------------------------------------------------------------------------------


def run_list(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    """Exit code 1 if one of them is under way."""
    statuses = [args.status] if args.status else [None] if args.all else UNDER_WAY
    found = [
        incident
        for status in statuses
        for incident in store.list_incidents(status, args.severity, args.assigned, max_rows=args.max)
    ]
    found = sorted(found, key=lambda incident: str(incident["created_at"]), reverse=True)[: args.max]
    if args.json:
        show_json(found, screen)
    elif not found:
        screen.line("no incidents" if args.status or args.all else "no incident is under way")
    else:
        screen.table([row(incident) for incident in found], status_column=1)
    return int(any(incident["status"] in UNDER_WAY for incident in found))


def row(incident: Json) -> list[str]:
    """Its id, how it stands, how bad, since when, who is on it, what it is and what it affects."""
    since = ago(incident["created_at"], datetime.now(UTC).isoformat())
    who = f"on it: {incident.get('assigned_to_email') or 'nobody'}"
    where = ", ".join(incident["affected_systems"]) or "-"
    return [
        short(incident["id"]),
        incident["status"],
        incident["severity"],
        since,
        who,
        where,
        incident["title"],
    ]


def run_show(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    incident = read(store, args.id)
    if args.json:
        show_json(incident, screen)
        return 0
    screen.line(f"{clean(incident['title'])}\n")
    screen.table([[name, value] for name, value in facts(incident) if value])
    for heading, rows in (
        ("alerts", [alert_row(alert) for alert in incident["alerts"]]),
        ("timeline", [entry_row(entry) for entry in incident["timeline"]]),
    ):
        if rows:
            screen.line(f"\n{heading}")
            screen.table(rows)
    return 0


def facts(incident: Json) -> list[tuple[str, str]]:
    systems = ", ".join(incident["affected_systems"])
    return [
        ("id", incident["id"]),
        ("status", incident["status"]),
        ("severity", incident["severity"]),
        ("on it", incident.get("assigned_to_email") or "nobody"),
        ("opened", f"{when(incident['created_at'])} by {incident.get('created_by_email') or 'somebody'}"),
        ("resolved", when(incident.get("resolved_at"))),
        ("because", incident.get("resolution_notes") or ""),
        ("affected", systems),
        ("network", incident.get("network") or ""),
        ("postmortem", when(incident.get("postmortem_updated_at"))),
        ("description", incident.get("description") or ""),
    ]


def alert_row(alert: Json) -> list[str]:
    where = alert.get("target") or alert.get("source") or "-"
    return [
        short(alert["id"]),
        alert["status"],
        alert["severity"],
        where,
        alert["alert_type"],
        alert["message"],
    ]


def entry_row(entry: Json) -> list[str]:
    what = str(entry["kind"]).replace("_", " ")
    return [when(entry["at"]), what, entry.get("actor") or "-", says(entry)]


def says(entry: Json) -> str:
    """What changed from what to what, and the words to it."""
    details = entry.get("details") or {}
    if "to" not in details:
        return entry.get("text") or ""
    before, after = (in_words(details.get(key)) for key in ("from", "to"))
    return ": ".join(part for part in (f"{before} -> {after}", entry.get("text")) if part)


def in_words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "nobody")


def when(text: object) -> str:
    at = moment(text)
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if at else ""


# Changing ------------------------------------------------------------------------------------------------------


def run_open(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    alerts = [alert_id(store, given) for given in args.alert]
    opened = store.create_incident(args.title, args.severity, args.description, args.system, alert_ids=alerts)
    return tell(opened, screen)


def run_status(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    return change(
        args,
        store,
        screen,
        lambda id_, version: store.update_incident_status(id_, args.status, version, args.note),
    )


def run_assign(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    email = None if args.email == "nobody" else args.email
    return change(args, store, screen, lambda id_, version: store.assign_incident(id_, email, version))


def run_severity(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    return change(
        args, store, screen, lambda id_, version: store.change_incident_severity(id_, args.severity, version)
    )


def run_systems(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    return change(
        args, store, screen, lambda id_, version: store.set_affected_systems(id_, args.systems, version)
    )


def run_note(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    kind = "remediation" if args.remediation else "note"
    return tell(store.add_incident_note(incident_id(store, args.id), args.text, kind), screen)


def run_link(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    return tell(store.link_alert(incident_id(store, args.id), alert_id(store, args.alert)), screen)


def run_postmortem(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    if args.save:
        return keep_postmortem(args, store, screen)
    if args.draft:
        text = postmortems.drafted(store, incident_id(store, args.id))
    else:
        text = postmortems.kept(read(store, args.id))
    postmortems.show(text, args.output, screen)
    return 0


def keep_postmortem(args: argparse.Namespace, store: OperatorStore, screen: Screen) -> int:
    given = postmortems.read(args.save)
    incident = read(store, args.id)
    text = postmortems.to_save(args.save, given, incident)

    def save(id_: str, version: int) -> Json:
        return store.save_postmortem(id_, text, version)

    code = change(args, store, screen, save, incident)
    postmortems.follow(args.save, text, store.get_incident(incident["id"]))
    return code


def change(
    args: argparse.Namespace,
    store: OperatorStore,
    screen: Screen,
    make: Callable[[str, int], Json],
    incident: Json | None = None,
) -> int:
    """Changes what was just read; if somebody was quicker, theirs stands and is told."""
    incident = incident or read(store, args.id)
    try:
        return tell(make(incident["id"], incident["version"]), screen)
    except StoreError as error:
        if error.code != "PT409" or error.argument != "version":
            raise
        said = error.message.partition(": ")[2]
        raise NotThere(f"nothing was changed: {said}. See `watchkeeper incidents show {args.id}`") from None


def tell(incident: Json, screen: Screen) -> int:
    screen.table([row(incident)], status_column=1)
    return 0


def read(store: OperatorStore, given: str) -> Json:
    return store.get_incident(incident_id(store, given))


def incident_id(store: OperatorStore, given: str) -> str:
    return full_id(lambda: store.list_incidents(max_rows=LOOKED_THROUGH), given, "incidents")


def alert_id(store: OperatorStore, given: str) -> str:
    return full_id(lambda: store.list_alerts(max_rows=LOOKED_THROUGH), given, "alerts")
