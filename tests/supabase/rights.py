"""Who may do what. The tests hold it against the catalog and against real calls: whatever is new needs a row."""

from __future__ import annotations

ROLES = ("anon", "authenticated", "service_role", "watchkeeper_ingest", "watchkeeper_metrics")
# Everybody who may come: `authenticated` is signed in and has no role of ours.
CALLERS = ("anon", "authenticated", "viewer", "auditor", "responder", "admin",
           "watchkeeper_ingest", "watchkeeper_metrics", "service_role")  # fmt: skip

PEOPLE = ("authenticated", "service_role")
NOBODY: tuple[str, ...] = ()

# Table -> verb -> roles of Postgres. A verb that is not mentioned is nobody's: everything is written by functions.
# Row-level security then hides the rows of the tables of `public` from people without a role.
TABLES: dict[str, dict[str, tuple[str, ...]]] = {
    "public.system_health_metrics": {"select": PEOPLE},
    "public.system_alerts": {"select": PEOPLE},
    "public.incident_logs": {"select": PEOPLE},
    "public.performance_benchmarks": {"select": PEOPLE},
    "public.uptime_checks": {"select": PEOPLE},
    "watchkeeper.alert_transitions": {},
    "watchkeeper.catalog": {},
    "watchkeeper.check_states": {},
    "watchkeeper.checks": {},
    "watchkeeper.latest_values": {},
    "watchkeeper.members": {},
    "watchkeeper.monitor": {},
    "watchkeeper.rule_states": {},
    "watchkeeper.runs": {},
    "watchkeeper.targets": {},
}
SEQUENCES = ("watchkeeper.alert_transitions_id_seq", "watchkeeper.latest_values_id_seq")

READERS = ("viewer", "auditor", "responder", "admin", "service_role")
MANAGERS = ("admin", "service_role")

# RPC -> the roles of Postgres that may execute it and its worker in `watchkeeper`, and the callers it really serves.
RPCS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "publish_catalog": (("service_role",), ("service_role",)),
    "claim_due_checks": (("service_role",), ("service_role",)),
    "record_check_results": (("service_role",), ("service_role",)),
    "observe_chain_tables": (("service_role",), ("service_role",)),
    "prune_history": (("service_role",), ("service_role",)),
    "save_target": (PEOPLE, MANAGERS),
    "apply_targets": (PEOPLE, MANAGERS),
    "pause_target": (PEOPLE, MANAGERS),
    "delete_target": (PEOPLE, MANAGERS),
    "grant_role": (PEOPLE, MANAGERS),
    "revoke_role": (PEOPLE, MANAGERS),
    "list_members": (PEOPLE, MANAGERS),
    "run_check_now": (PEOPLE, ("responder", "admin", "service_role")),
    "resolve_alert": (PEOPLE, ("responder", "admin", "service_role")),
    "acknowledge_alert": (PEOPLE, ("responder", "admin")),
    "get_metric_series": (PEOPLE, READERS),
    "list_alerts": (PEOPLE, READERS),
    "list_targets": (PEOPLE, READERS),
    "get_system_health_summary": ((*PEOPLE, "watchkeeper_metrics"), (*READERS, "watchkeeper_metrics")),
    "record_system_metric": ((*PEOPLE, "watchkeeper_ingest"), (*MANAGERS, "watchkeeper_ingest")),
    "whoami": (PEOPLE, ("authenticated", *READERS)),
}

# Functions of `watchkeeper` that are no RPC's worker and that somebody besides the owner may execute.
HELPERS: dict[str, tuple[str, ...]] = {
    "has_role": PEOPLE,  # the policies call it
}
