"""The one client of Supabase: a method per RPC of the database, with the RPC's name and arguments."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import httpx
from postgrest import APIError, SyncPostgrestClient

from watchkeeper.errors import SettingsError, StoreError, clean
from watchkeeper.keys import Key

Json = dict[str, Any]

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
BACKOFF_S = (0.25, 1.0, 2.0)
# What a gateway, PostgREST or Postgres says when not this call is wrong but the moment: limits, a way to the
# database that is down or crowded, serialization failure (40001), deadlock (40P01).
GATEWAY_CODES = {"429", "502", "503", "504", "520", "522", "524"}
POSTGREST_CODES = {"PGRST000", "PGRST001", "PGRST002", "PGRST003"}
POSTGRES_CODES = {"40001", "40P01", "53300", "57P01", "57P02", "57P03"}
UNREACHABLE_CODES = GATEWAY_CODES | POSTGREST_CODES | POSTGRES_CODES
# A refusal starts with its argument: `results[3].samples[0].value: must be a finite number`.
ARGUMENT = re.compile(r"([a-z_][\w-]*(?:\[\d+\]|\.[\w-]+)*): ")
URL = re.compile(r"https?://[^/]")
# Failures of which it is certain that the request never left: safe to repeat, whatever the call does.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class StoreUnreachable(StoreError):  # noqa: N818
    """The database could not be asked, or it is not known whether it did what was asked."""

    never_sent: bool = False


class Store:
    """Calls the RPCs of one Supabase project with one key. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        patience_s: float = 15.0,
        newer_key: Callable[[], str] | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`newer_key`: reads the key anew; asked when the API refuses the one that is known."""
        self._key = Key(key, newer_key)
        self._patience_s = patience_s
        self._sleep = sleep
        # No redirects: httpx would take the apikey header along to wherever it is sent.
        http = httpx.Client(
            timeout=TIMEOUT, transport=transport, follow_redirects=False, auth=self._key,
            event_hooks={"response": [_gateway]},
        )  # fmt: skip
        self._http = http
        self._client = _client(url, http)

    def __repr__(self) -> str:
        return f"Store({str(self._client.base_url)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # What the checks need (service_role)

    def publish_catalog(self, catalog: Mapping[str, Any]) -> None:
        """Tell the database which kinds, chains and networks this version knows."""
        self._rpc("publish_catalog", {"catalog": catalog}, repeatable=True)

    def claim_due_checks(self, horizon_s: int = 120, region: str | None = None) -> list[Json]:
        """Take what falls due within the horizon: two ticks' worth, as a tick drifts inside its minute.

        `region`: where we are; of a slot that several regions must look at, each takes its own look.

        Not repeated after a lost reply: what it claimed is gone with it. The database counts those slots as
        missed and makes the checks due again at the next tick.
        """
        args = {"horizon_s": horizon_s, **({"region": region} if region else {})}
        return self._rows("claim_due_checks", args)

    def record_check_results(self, results: Sequence[Mapping[str, Any]]) -> Json:
        """Write runs, samples and alert state in one transaction; a repeat is recorded once."""
        return self._object("record_check_results", {"results": list(results)}, repeatable=True)

    def settle_probe(self, probe_id: str, result: Mapping[str, Any]) -> Json:
        """Tell whoever tries a check out how it went; a repeat settles nothing."""
        return self._object("settle_probe", {"probe_id": probe_id, "result": result}, repeatable=True)

    def observe_chain_tables(self, subject: str, settings: Mapping[str, Any]) -> Json:
        """Read head, peers, mempool, keys or economy of a chain that lives in this database."""
        args = {"subject": subject, "settings": settings}
        return self._object("observe_chain_tables", args, repeatable=True)

    def prune_history(self, keep_days: int = 30) -> Json:
        """Delete a portion of what is older; `more` says that another call would find work."""
        return self._object("prune_history", {"keep_days": keep_days}, repeatable=True)

    # What the worker of notifications needs (service_role)

    def claim_deliveries(self, most: int = 100, lease_s: int = 60) -> list[Json]:
        """Take the messages that may go out now, for as long as the lease.

        Not repeated after a lost reply: it would claim others. What was claimed is free again when its lease ends.
        """
        return self._rows("claim_deliveries", {"most": most, "lease_s": lease_s})

    def settle_deliveries(self, settlements: Sequence[Mapping[str, Any]]) -> Json:
        """Write down how deliveries ended; a repeat finds them settled and counts as stale."""
        return self._object("settle_deliveries", {"settlements": list(settlements)}, repeatable=True)

    # What is made of the record, each minute and each day (service_role)

    def claim_report(self, lease_s: int) -> Json | None:
        """Take the next report that is due or was asked for; None: there is none.

        Not repeated after a lost reply: it would claim another. What was claimed is free again when its lease ends.
        """
        found = self._rpc("claim_report", {"lease_s": lease_s})
        if not found:  # the library makes a list of null
            return None
        if not isinstance(found, dict):
            raise StoreError("unexpected_reply", f"claim_report: expected an object, got {_shape(found)}")
        return found

    def get_report_data(self, report_id: str, lease_id: str) -> Json:
        """The figures of a claimed report."""
        args = {"report_id": report_id, "lease_id": lease_id}
        return self._object("get_report_data", args, repeatable=True)

    def settle_report(self, report: Mapping[str, Any]) -> Json:
        """Write down how far a report is, or how it ended; `settled` is false if its lease is over."""
        return self._object("settle_report", {"report": report}, repeatable=True)

    def roll_up_days(self) -> Json:
        """Roll up a portion of the days that have ended; `more` says that another call would find work."""
        return self._object("roll_up_days", {}, repeatable=True)

    def close_months(self) -> Json:
        """Close the months that have ended; returns what was `closed`, which is `next`, and why not now."""
        return self._object("close_months", {}, repeatable=True)

    def audit_head(self) -> Json:
        """Number and hash of the audit log's newest row."""
        return self._object("audit_head", {}, repeatable=True)

    # What an operator does (service_role or admin)

    def save_target(self, target: Mapping[str, Any]) -> Json:
        """Create the target, or replace the one of that id or name."""
        return self._object("save_target", {"target": target}, repeatable=True)

    def apply_targets(
        self, targets: Sequence[Mapping[str, Any]], *, prune: bool = False, dry_run: bool = False
    ) -> dict[str, list[str]]:
        """Save all targets or none; returns the names created, changed, unchanged and deleted."""
        args = {"targets": list(targets), "prune": prune, "dry_run": dry_run}
        return self._object("apply_targets", args)

    def pause_target(self, target_id: str, *, paused: bool = True) -> Json:
        """Stop checking the target, or go on."""
        return self._object("pause_target", {"target_id": target_id, "paused": paused}, repeatable=True)

    def delete_target(self, target_id: str) -> None:
        """Remove the target with all that was recorded of it."""
        self._rpc("delete_target", {"target_id": target_id})

    def run_check_now(self, target_id: str, kind: str | None = None) -> Json:
        """Make the target's checks due; the next tick claims them."""
        return self._object("run_check_now", {"target_id": target_id, "kind": kind}, repeatable=True)

    def grant_role(self, email: str, role: str) -> Json:
        """Give the person a role in place of the one they have."""
        return self._object("grant_role", {"email": email, "role": role}, repeatable=True)

    def revoke_role(self, email: str) -> Json:
        """Take the person's role away."""
        return self._object("revoke_role", {"email": email})

    def list_members(self) -> list[Json]:
        """Who has which role."""
        return self._rows("list_members", {}, repeatable=True)

    def create_api_token(self, name: str, role: str, expires_in_days: int = 90) -> Json:
        """Register a token of a tool; returns the claims to be signed. Not repeatable: the name is taken then."""
        args = {"name": name, "role": role, "expires_in_days": expires_in_days}
        return self._object("create_api_token", args)

    def revoke_api_token(self, name: str) -> None:
        """End the token of that name."""
        self._rpc("revoke_api_token", {"name": name})

    def list_api_tokens(self) -> list[Json]:
        """Which tools have a token, had one, and when it was used last; never the token itself."""
        return self._rows("list_api_tokens", {}, repeatable=True)

    # Where alerts go (admin; responders silence, take over a shift and try again)

    def apply_config(self, config: Mapping[str, Any], *, prune: bool = False, dry_run: bool = False) -> Json:
        """Make all of a file so, or none of it; returns the `plan`, and the `tokens` of new heartbeats."""
        return self._object("apply_config", {"config": config, "prune": prune, "dry_run": dry_run})

    def export_config(self) -> Json:
        """All settings as `apply_config` takes them."""
        return self._object("export_config", {}, repeatable=True)

    def save_channel(self, channel: Mapping[str, Any]) -> Json:
        """Create the channel, or replace the one of that name."""
        return self._object("save_channel", {"channel": channel}, repeatable=True)

    def delete_channel(self, name: str) -> None:
        """Remove the channel; what waits for it is routed anew. Its ledger stays."""
        self._rpc("delete_channel", {"name": name})

    def send_test(self, channel: str) -> Json:
        """Enqueue a test message; returns its line in the ledger."""
        return self._object("send_test", {"channel": channel})

    def save_route(self, route: Mapping[str, Any]) -> Json:
        """Create the route, or replace the one of that name."""
        return self._object("save_route", {"route": route}, repeatable=True)

    def delete_route(self, name: str) -> None:
        """Remove the route."""
        self._rpc("delete_route", {"name": name})

    def save_escalation(self, escalation: Mapping[str, Any]) -> Json:
        """Create the escalation, or replace the one of that name."""
        return self._object("save_escalation", {"escalation": escalation}, repeatable=True)

    def delete_escalation(self, name: str) -> None:
        """Remove the escalation; refused while a route uses it."""
        self._rpc("delete_escalation", {"name": name})

    def save_rotation(self, rotation: Mapping[str, Any]) -> Json:
        """Create the rotation, or replace the one of that name."""
        return self._object("save_rotation", {"rotation": rotation}, repeatable=True)

    def delete_rotation(self, name: str) -> None:
        """Remove the rotation."""
        self._rpc("delete_rotation", {"name": name})

    def save_override(self, rotation: str, person: str, from_time: str, to_time: str) -> Json:
        """Put somebody else on call for a while."""
        args = {"rotation": rotation, "person": person, "from_time": from_time, "to_time": to_time}
        return self._object("save_override", args)

    def save_objective(self, objective: Mapping[str, Any]) -> Json:
        """Create the objective, or replace the one of that name."""
        return self._object("save_objective", {"objective": objective}, repeatable=True)

    def delete_objective(self, name: str) -> None:
        """Remove the objective; closed months keep theirs."""
        self._rpc("delete_objective", {"name": name})

    def save_silence(self, silence: Mapping[str, Any]) -> Json:
        """Create the silence, or replace the one of that id. Without an id a repeat would be a second one."""
        return self._object("save_silence", {"silence": silence})

    def end_silence(self, silence_id: str) -> None:
        """End the silence now."""
        self._rpc("end_silence", {"silence_id": silence_id})

    def save_heartbeat(self, heartbeat: Mapping[str, Any]) -> Json:
        """Create the heartbeat, or replace the one of that name. The `token` of a new one is shown this once."""
        return self._object("save_heartbeat", {"heartbeat": heartbeat})

    def delete_heartbeat(self, name: str) -> None:
        """Remove the heartbeat; its token is of no use any more."""
        self._rpc("delete_heartbeat", {"name": name})

    def save_delivery_settings(self, settings: Mapping[str, Any]) -> Json:
        """Change the numbers that hold for all channels; returns all of them."""
        return self._object("save_delivery_settings", {"settings": settings}, repeatable=True)

    def get_access_settings(self) -> Json:
        """What it takes besides a role: whether a second factor is demanded of people."""
        return self._object("get_access_settings", {}, repeatable=True)

    def save_access_settings(self, settings: Mapping[str, Any]) -> Json:
        """Change it; returns all of it."""
        return self._object("save_access_settings", {"settings": settings}, repeatable=True)

    def save_watchdog(self, url: str | None, silent_s: int = 300) -> Json:
        """Where the database itself says that the monitor is silent; None: nowhere. Returns whether it can."""
        return self._object("save_watchdog", {"url": url, "silent_s": silent_s}, repeatable=True)

    def forget_region(self, name: str) -> None:
        """Of a region whose stack is gone: nobody waits for it any more."""
        self._rpc("forget_region", {"name": name})

    def get_delivery_settings(self) -> Json:
        """The numbers that hold for all channels."""
        return self._object("get_delivery_settings", {}, repeatable=True)

    def retry_delivery(self, delivery_id: str) -> Json:
        """Try a dead letter once more, or a waiting one at once."""
        return self._object("retry_delivery", {"delivery_id": delivery_id})

    def save_report_plan(self, plan: Mapping[str, Any]) -> Json:
        """Create the plan, or replace the one of that name."""
        return self._object("save_report_plan", {"plan": plan}, repeatable=True)

    def delete_report_plan(self, name: str) -> None:
        """Remove the plan; the reports made after it stay."""
        self._rpc("delete_report_plan", {"name": name})

    def request_report(self, from_time: str, to_time: str, **wanted: Any) -> Json:
        """Ask for a report: `kind`, `match`, `objective`, `formats`, `channels`, `title`."""
        return self._object("request_report", {"from_time": from_time, "to_time": to_time, **wanted})

    def renew_report(self, report_id: str) -> Json:
        """New links to a report that was made, another try of one that failed."""
        return self._object("renew_report", {"report_id": report_id})

    # Incidents (responder; `version` is the one that the change is based upon, a newer one refuses it)

    def create_incident(
        self,
        title: str,
        severity: str,
        description: str | None = None,
        affected_systems: Sequence[str] = (),
        *,
        incident_type: str = "manual",
        alert_ids: Sequence[str] = (),
    ) -> Json:
        """Open an incident."""
        args = {
            "title": title,
            "severity": severity,
            "description": description,
            "incident_type": incident_type,
        }
        lists = {"affected_systems": list(affected_systems), "alert_ids": list(alert_ids)}
        return self._object("create_incident", {**args, **lists})

    def update_incident_status(
        self, incident_id: str, status: str, version: int, notes: str | None = None
    ) -> Json:
        """Investigating, resolved, closed, or open again."""
        args = {"incident_id": incident_id, "status": status, "version": version, "notes": notes}
        return self._object("update_incident_status", args)

    def add_incident_note(self, incident_id: str, note: str, kind: str = "note") -> Json:
        """Write into the timeline: a note, or a remediation."""
        return self._object("add_incident_note", {"incident_id": incident_id, "note": note, "kind": kind})

    def assign_incident(self, incident_id: str, email: str | None, version: int) -> Json:
        """Who is on it; None: nobody."""
        args = {"incident_id": incident_id, "email": email, "version": version}
        return self._object("assign_incident", args)

    def change_incident_severity(self, incident_id: str, severity: str, version: int) -> Json:
        """How bad it is after all."""
        args = {"incident_id": incident_id, "severity": severity, "version": version}
        return self._object("change_incident_severity", args)

    def set_affected_systems(self, incident_id: str, affected_systems: Sequence[str], version: int) -> Json:
        """What it is about, in place of what was said before."""
        args = {"incident_id": incident_id, "affected_systems": list(affected_systems), "version": version}
        return self._object("set_affected_systems", args)

    def link_alert(self, incident_id: str, alert_id: str) -> Json:
        """The alert belongs to the incident."""
        args = {"incident_id": incident_id, "alert_id": alert_id}
        return self._object("link_alert", args, repeatable=True)

    def save_postmortem(self, incident_id: str, postmortem: str, version: int) -> Json:
        """Keep the postmortem, as Markdown."""
        args = {"incident_id": incident_id, "postmortem": postmortem, "version": version}
        return self._object("save_postmortem", args)

    def save_incident_settings(self, settings: Mapping[str, Any]) -> Json:
        """Change when incidents open and settle by themselves; returns all of it."""
        return self._object("save_incident_settings", {"settings": settings}, repeatable=True)

    def get_incident(self, incident_id: str) -> Json:
        """The incident with its timeline, alerts and postmortem."""
        return self._object("get_incident", {"incident_id": incident_id}, repeatable=True)

    def list_incidents(
        self,
        status: str | None = None,
        severity: str | None = None,
        assigned_to: str | None = None,
        *,
        before: str | None = None,
        before_id: str | None = None,
        max_rows: int = 50,
        **filters: str | None,
    ) -> list[Json]:
        """Incidents, newest first; `before` and `before_id` page on. Also by network, search, from_time, to_time."""
        args = {"status": status, "severity": severity, "assigned_to": assigned_to, **filters}
        page = {"before": before, "before_id": before_id, "max_rows": max_rows}
        return self._rows("list_incidents", {**args, **page}, repeatable=True)

    def draft_postmortem(self, incident_id: str) -> str:
        """A postmortem to begin with, as Markdown, from the timeline."""
        return str(self._rpc("draft_postmortem", {"incident_id": incident_id}, repeatable=True))

    def get_incident_settings(self) -> Json:
        """When incidents open and settle by themselves."""
        return self._object("get_incident_settings", {}, repeatable=True)

    # What everybody with a role may read

    def get_system_health_summary(self) -> Json:
        """The whole state on one page."""
        return self._object("get_system_health_summary", {}, repeatable=True)

    def list_targets(self) -> list[Json]:
        """Every target with its settings, status and newest values."""
        return self._rows("list_targets", {}, repeatable=True)

    def list_regions(self) -> list[Json]:
        """Every region that ever ticked, and whether it still does."""
        return self._rows("list_regions", {}, repeatable=True)

    def get_metric_series(
        self, target_id: str, metric_name: str, from_time: str, to_time: str, *, points: int = 200
    ) -> list[Json]:
        """One metric over time, in at most that many points."""
        args = {"target_id": target_id, "metric_name": metric_name, "points": points}
        span = {"from_time": from_time, "to_time": to_time}
        return self._rows("get_metric_series", {**args, **span}, repeatable=True)

    def list_alerts(
        self,
        status: str | None = None,
        severity: str | None = None,
        target_id: str | None = None,
        before: str | None = None,
        max_rows: int = 50,
    ) -> list[Json]:
        """Alerts, newest first; `before` pages on."""
        args = {"status": status, "severity": severity, "target_id": target_id, "before": before}
        return self._rows("list_alerts", {**args, "max_rows": max_rows}, repeatable=True)

    def list_channels(self) -> list[Json]:
        """Every channel with its status and last error."""
        return self._rows("list_channels", {}, repeatable=True)

    def list_deliveries(
        self,
        alert_id: str | None = None,
        channel: str | None = None,
        status: str | None = None,
        before_seq: int | None = None,
        max_rows: int = 50,
    ) -> list[Json]:
        """The ledger, newest first; `before_seq` pages on."""
        args = {"alert_id": alert_id, "channel": channel, "status": status, "before_seq": before_seq}
        return self._rows("list_deliveries", {**args, "max_rows": max_rows}, repeatable=True)

    def list_routes(self) -> list[Json]:
        """Every route, in the order in which they are tried."""
        return self._rows("list_routes", {}, repeatable=True)

    def list_escalations(self) -> list[Json]:
        """Every escalation with its steps."""
        return self._rows("list_escalations", {}, repeatable=True)

    def list_rotations(self) -> list[Json]:
        """Every rotation, and who is on call."""
        return self._rows("list_rotations", {}, repeatable=True)

    def list_silences(self) -> list[Json]:
        """Every silence and maintenance window, and whether it is active."""
        return self._rows("list_silences", {}, repeatable=True)

    def preview_silence(self, silence: Mapping[str, Any]) -> Json:
        """What the silence would hold back if it were active now."""
        return self._object("preview_silence", {"silence": silence}, repeatable=True)

    def list_heartbeats(self) -> list[Json]:
        """Every heartbeat with its status."""
        return self._rows("list_heartbeats", {}, repeatable=True)

    def who_is_on_call(self, rotation: str | None = None, moment: str | None = None) -> list[Json]:
        """The person on call of each rotation, and the channels that reach them."""
        args = {"rotation": rotation, **({"moment": moment} if moment else {})}
        return self._rows("who_is_on_call", args, repeatable=True)

    def get_alert_latency(self, window_s: int = 604_800) -> list[Json]:
        """How long alerts took from due and detected to delivered, per kind of check."""
        return self._rows("get_alert_latency", {"window_s": window_s}, repeatable=True)

    def get_uptime_summary(
        self, target_id: str | None = None, *, days: int = 90, time_zone: str = "UTC"
    ) -> Json:
        """Up, down, unknown and maintenance of each target, over windows and day by day."""
        args = {"target_id": target_id, "days": days, "time_zone": time_zone}
        return self._object("get_uptime_summary", args, repeatable=True)

    def list_report_plans(self) -> list[Json]:
        """Every plan, and the newest report made after it."""
        return self._rows("list_report_plans", {}, repeatable=True)

    def list_reports(
        self, before: str | None = None, max_rows: int = 50, before_id: str | None = None
    ) -> list[Json]:
        """Reports, newest first; `before` and `before_id` page on. Links are shown for as long as they work."""
        args = {"before": before, "max_rows": max_rows, "before_id": before_id}
        return self._rows("list_reports", args, repeatable=True)

    def get_sla_report(
        self,
        from_time: str,
        to_time: str,
        match: Mapping[str, Any] | None = None,
        objective: str | None = None,
    ) -> Json:
        """Service levels of a period, held against an objective."""
        args = {"from_time": from_time, "to_time": to_time, "match": match or {}, "objective": objective}
        return self._object("get_sla_report", args, repeatable=True)

    def list_objectives(self) -> list[Json]:
        """Every objective as it stands; last, without a name, what is in none."""
        return self._rows("list_objectives", {}, repeatable=True)

    def list_sla_closes(self) -> list[Json]:
        """Every closed month, newest first; one that was removed is `missing`."""
        return self._rows("list_sla_closes", {}, repeatable=True)

    def get_sla_close(self, month: str) -> Json:
        """A closed month such as 2026-10, with its report and what that was made of."""
        return self._object("get_sla_close", {"month": month}, repeatable=True)

    def verify_sla_close(self, month: str) -> Json:
        """Is the closed month what the tables still say; `problems` name the places where not."""
        return self._object("verify_sla_close", {"month": month}, repeatable=True)

    def get_compliance_report(self, from_time: str, to_time: str) -> Json:
        """Who had access, what changed, and how the installation stands (auditor, admin)."""
        args = {"from_time": from_time, "to_time": to_time}
        return self._object("get_compliance_report", args, repeatable=True)

    # Performance benchmarks

    def record_benchmark(
        self,
        benchmark_name: str,
        operation_type: str,
        duration_ms: float,
        throughput: float | None = None,
        success_rate: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Record one measurement. Returns the row's id."""
        args = {
            "benchmark_name": benchmark_name,
            "operation_type": operation_type,
            "duration_ms": duration_ms,
            "throughput": throughput,
            "success_rate": success_rate,
            "metadata": metadata or {},
        }
        return str(self._rpc("record_benchmark", args))

    def record_benchmarks(self, benchmarks: Sequence[Mapping[str, Any]]) -> Json:
        """Record up to 1,000 measurements or none."""
        return self._object("record_benchmarks", {"benchmarks": list(benchmarks)})

    def get_benchmarks(
        self, window_s: int = 3600, benchmark_name: str | None = None, operation_type: str | None = None
    ) -> list[Json]:
        """Percentiles of each operation in the window up to now, and in the one before."""
        args = {"window_s": window_s, "benchmark_name": benchmark_name, "operation_type": operation_type}
        return self._rows("get_benchmarks", args, repeatable=True)

    def get_benchmark_series(
        self, benchmark_name: str, operation_type: str, from_time: str, to_time: str, *, points: int = 200
    ) -> list[Json]:
        """One operation over time, in at most that many points."""
        args = {"benchmark_name": benchmark_name, "operation_type": operation_type, "points": points}
        span = {"from_time": from_time, "to_time": to_time}
        return self._rows("get_benchmark_series", {**args, **span}, repeatable=True)

    def list_benchmark_rules(self) -> list[Json]:
        """Every rule that tells of a regression, and what it sees."""
        return self._rows("list_benchmark_rules", {}, repeatable=True)

    def save_benchmark_rule(self, rule: Mapping[str, Any]) -> Json:
        """Create the rule, or replace the one of that name."""
        return self._object("save_benchmark_rule", {"rule": rule}, repeatable=True)

    def delete_benchmark_rule(self, name: str) -> None:
        """Remove the rule; its alert is resolved."""
        self._rpc("delete_benchmark_rule", {"name": name})

    def record_heartbeat(self, token: str, event: str = "success", body: str | None = None) -> Json:
        """A job reports success, start or fail; the token is the right to."""
        args = {"token": token, "event": event, "body": body}
        return self._object("record_heartbeat", args, repeatable=True)

    def record_system_metric(
        self,
        metric_name: str,
        metric_value: float | str,
        metric_unit: str | None = None,
        severity: str = "info",
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Record one value; a critical one opens an alert. Returns the row's id."""
        args = {
            "metric_name_param": metric_name,
            "metric_value_param": metric_value,
            "metric_unit_param": metric_unit,
            "severity_param": severity,
            "metadata_param": metadata or {},
        }
        return str(self._rpc("record_system_metric", args))

    # The audit log (auditor, admin)

    def list_audit_log(
        self,
        table_name: str | None = None,
        actor: str | None = None,
        row_key: str | None = None,
        from_time: str | None = None,
        to_time: str | None = None,
        before_seq: int | None = None,
        max_rows: int = 50,
    ) -> list[Json]:
        """Changes, newest first; `before_seq` pages on."""
        args = {"table_name": table_name, "actor": actor, "row_key": row_key, "before_seq": before_seq}
        span = {"from_time": from_time, "to_time": to_time}
        return self._rows("list_audit_log", {**args, **span, "max_rows": max_rows}, repeatable=True)

    def export_audit_log(
        self,
        from_time: str | None = None,
        to_time: str | None = None,
        after_seq: int = 0,
        max_rows: int = 1000,
    ) -> Json:
        """A page of `rows`, oldest first; `next_seq` is where the next one begins, None after the last."""
        args = {"from_time": from_time, "to_time": to_time, "after_seq": after_seq, "max_rows": max_rows}
        return self._object("export_audit_log", args, repeatable=True)

    def verify_audit_log(
        self,
        from_seq: int = 1,
        expected: Sequence[Mapping[str, Any]] | None = None,
        max_rows: int | None = None,
    ) -> Json:
        """Is the chain whole, and does it have the heads that were noted outside? Names the first broken row."""
        args = {"from_seq": from_seq, "expected": expected, "max_rows": max_rows}
        return self._object("verify_audit_log", args, repeatable=True)

    # How a call is made

    def _object(self, function: str, args: Json, *, repeatable: bool = False) -> Json:
        data = self._rpc(function, args, repeatable=repeatable)
        if not isinstance(data, dict):
            raise StoreError("unexpected_reply", f"{function}: expected an object, got {_shape(data)}")
        return data

    def _rows(self, function: str, args: Json, *, repeatable: bool = False) -> list[Json]:
        data = self._rpc(function, args, repeatable=repeatable)
        if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
            raise StoreError("unexpected_reply", f"{function}: expected a list, got {_shape(data)}")
        return data

    def _rpc(self, function: str, args: Json, *, repeatable: bool = False) -> object:
        give_up_at = time.monotonic() + self._patience_s
        for pause_s in BACKOFF_S:
            try:
                return self._call(function, args)
            except StoreUnreachable as error:
                if not (repeatable or error.never_sent) or time.monotonic() + pause_s >= give_up_at:
                    raise
            self._sleep(pause_s)
        return self._call(function, args)

    def _call(self, function: str, args: Json) -> object:
        try:
            return self._client.rpc(function, args).execute().data
        except APIError as error:
            raise self._refused(function, error) from None
        except httpx.HTTPError as error:
            unreachable = StoreUnreachable("unreachable", self._redact(f"{function}: {_describe(error)}"))
            unreachable.never_sent = isinstance(error, NEVER_SENT)
            raise unreachable from None
        except ValueError as error:
            raise _unsendable(function, args, error) from error

    def _refused(self, function: str, error: APIError) -> StoreError:
        code = str(error.code or "")
        message = self._redact(error.message or "refused without a reason")
        if code in UNREACHABLE_CODES:
            return StoreUnreachable(code, f"{function}: {message}")
        named = ARGUMENT.match(message)
        return StoreError(code, message, named[1] if named else None)

    def _redact(self, text: str) -> str:
        for key in self._key.known:
            text = text.replace(key, "[key]")
        return text


def _client(url: str, http: httpx.Client) -> SyncPostgrestClient:
    """The part of supabase that calls RPCs. All of it takes twice as long to import, at every cold start."""
    if not URL.match(url):
        raise SettingsError("SUPABASE_URL", "must start with http:// or https://")
    # Retrying is decided here, per call; the library would sleep in a Lambda.
    try:
        return SyncPostgrestClient(f"{url}/rest/v1", http_client=http, retry_enabled=False)
    except ValueError as error:
        raise SettingsError("SUPABASE_URL", f"is no URL: {error}") from None


def _gateway(response: httpx.Response) -> None:
    """A gateway that is in trouble and says so in JSON gives no code, which is all that the library looks at."""
    if str(response.status_code) in GATEWAY_CODES and b'"code"' not in response.read():
        said = f"{response.status_code} {clean(response.text)}"
        raise httpx.HTTPStatusError(said, request=response.request, response=response)


def _unsendable(function: str, args: Json, error: ValueError) -> Exception:
    """NaN, infinity and halves of characters are not JSON: no reply would say so, as nothing is sent."""
    try:
        json.dumps(args, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return StoreError("22P02", f"{function}: an argument is no JSON: {error}")
    return error


def _describe(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _shape(data: object) -> str:
    return "null" if data is None else type(data).__name__
