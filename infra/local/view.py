"""What `make up` shows while it runs: each target's status now, each alert as it opens and resolves."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from infra.cli.api import OperatorStore
from infra.cli.render import Screen, clean
from infra.local.steps import say
from watchkeeper.errors import StoreError

Json = dict[str, Any]


class View:
    """On a terminal the statuses stay at the bottom; elsewhere a line is printed for each change."""

    def __init__(self, store: OperatorStore) -> None:
        self._store = store
        self._live = sys.stdout.isatty()
        self._screen = Screen()
        self._drawn = 0
        self._alerts: dict[str, str] = {}
        self._statuses: dict[str, str] = {}
        self._unreachable_since: str | None = None

    def event(self, text: str) -> None:
        """Something that happened, above the statuses."""
        self._clear()
        say(f"{_now()}  {text}")

    def refresh(self) -> None:
        """Asks the API once and shows what is new. No answer is never shown as well."""
        try:
            targets = self._store.list_targets()
            alerts = self._store.list_alerts(max_rows=50)
            summary = self._store.get_system_health_summary()
        except StoreError as error:
            self._show_unreachable(error)
            return
        if self._unreachable_since:
            self._unreachable_since = None
            self._statuses.clear()
            self.event("the API answers again")
        self._tell_alerts(reversed(alerts))
        self._show(targets, summary)

    def _show_unreachable(self, error: StoreError) -> None:
        if self._unreachable_since is None:
            self._unreachable_since = _now()
            self.event(f"UNKNOWN: the API cannot be reached: {clean(error)}")
        if self._live:
            self._draw([f"ALL UNKNOWN since {self._unreachable_since}: the API cannot be reached"])

    def _tell_alerts(self, alerts: Iterable[Json]) -> None:
        for alert in alerts:
            known = self._alerts.get(alert["id"])
            if known == alert["status"]:
                continue
            self._alerts[alert["id"]] = alert["status"]
            if known is None and alert["status"] == "resolved" and not self._statuses:
                continue  # over before we looked first
            self.event(self._alert_line(alert))

    def _alert_line(self, alert: Json) -> str:
        word = self._screen.status(alert["status"].upper(), 8)
        where = clean(alert.get("target") or alert["source"])
        return f"{word}  {alert['severity']}  {where}  {alert['alert_type']}: {clean(alert['message'])}"

    def _show(self, targets: list[Json], summary: Json) -> None:
        if self._live:
            overall = self._screen.status(summary["status"])
            self._draw([f"{_now()}  all: {overall}", *(self._target_line(target) for target in targets)])
        for target in targets:
            if self._statuses.get(target["name"]) != target["status"]:
                self._statuses[target["name"]] = target["status"]
                if not self._live:
                    say(f"{_now()}  {self._target_line(target)}")

    def _target_line(self, target: Json) -> str:
        status = self._screen.status(target["status"], 8)
        checks = " ".join(
            f"{kind}={check['outcome'] or 'unknown'}" for kind, check in sorted(target["checks"].items())
        )
        reason = f"  ({clean(target['reason'])})" if target.get("reason") else ""
        return f"{status}  {clean(target['name'])}  {checks}{reason}"

    def _draw(self, lines: list[str]) -> None:
        self._clear()
        width = shutil.get_terminal_size().columns
        for line in lines:
            # Escape codes count too, which cuts a coloured line early rather than ever letting one wrap.
            print(line if len(line) < width else line[: width - 5] + "\033[0m...")
        sys.stdout.flush()
        self._drawn = len(lines)

    def _clear(self) -> None:
        if self._drawn:
            sys.stdout.write(f"\033[{self._drawn}A\033[J")
            self._drawn = 0


def _now() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
