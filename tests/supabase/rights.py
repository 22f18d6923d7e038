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
    "watchkeeper.access_settings": {},
    "watchkeeper.alert_latencies": {},
    "watchkeeper.alert_transitions": {},
    "watchkeeper.api_tokens": {},
    "watchkeeper.audit_head": {},
    "watchkeeper.audit_log": {},
    "watchkeeper.audit_pending": {},
    "watchkeeper.availability_spans": {},
    "watchkeeper.benchmark_rules": {},
    "watchkeeper.catalog": {},
    "watchkeeper.channels": {},
    "watchkeeper.check_states": {},
    "watchkeeper.checks": {},
    "watchkeeper.deliveries": {},
    "watchkeeper.delivery_settings": {},
    "watchkeeper.dependencies": {},
    "watchkeeper.escalations": {},
    "watchkeeper.heartbeats": {},
    "watchkeeper.incident_alerts": {},
    "watchkeeper.incident_entries": {},
    "watchkeeper.incident_settings": {},
    "watchkeeper.ladders": {},
    "watchkeeper.last_looks": {},
    "watchkeeper.latest_values": {},
    "watchkeeper.maintenance_clock": {},
    "watchkeeper.maintenance_spans": {},
    "watchkeeper.members": {},
    "watchkeeper.monitor": {},
    "watchkeeper.objectives": {},
    "watchkeeper.probes": {},
    "watchkeeper.roll_ups": {},
    "watchkeeper.regions": {},
    "watchkeeper.report_plans": {},
    "watchkeeper.reports": {},
    "watchkeeper.rotation_overrides": {},
    "watchkeeper.rotations": {},
    "watchkeeper.route_channels": {},
    "watchkeeper.routes": {},
    "watchkeeper.rule_states": {},
    "watchkeeper.runs": {},
    "watchkeeper.services": {},
    "watchkeeper.silences": {},
    "watchkeeper.sla_close_head": {},
    "watchkeeper.sla_closes": {},
    "watchkeeper.sweep_clock": {},
    "watchkeeper.targets": {},
    "watchkeeper.uptime_days": {},
    "watchkeeper.votes": {},
    "watchkeeper.watchdog": {},
}
SEQUENCES = (
    "watchkeeper.alert_transitions_id_seq",
    "watchkeeper.audit_pending_id_seq",
    "watchkeeper.availability_spans_id_seq",
    "watchkeeper.deliveries_seq_seq",
    "watchkeeper.incident_entries_id_seq",
    "watchkeeper.latest_values_id_seq",
    "watchkeeper.maintenance_spans_id_seq",
)

READERS = ("viewer", "auditor", "responder", "admin", "service_role")
MANAGERS = ("admin", "service_role")
RESPONDERS = ("responder", "admin", "service_role")
AUDITORS = ("auditor", "admin", "service_role")

# RPC -> the roles of Postgres that may execute it and its worker in `watchkeeper`, and the callers it really serves.
RPCS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "publish_catalog": (("service_role",), ("service_role",)),
    "claim_due_checks": (("service_role",), ("service_role",)),
    "record_check_results": (("service_role",), ("service_role",)),
    "settle_probe": (("service_role",), ("service_role",)),
    "observe_chain_tables": (("service_role",), ("service_role",)),
    "prune_history": (("service_role",), ("service_role",)),
    "close_months": (("service_role",), ("service_role",)),
    "roll_up_days": (("service_role",), ("service_role",)),
    "save_target": (PEOPLE, MANAGERS),
    "apply_targets": (PEOPLE, MANAGERS),
    "pause_target": (PEOPLE, MANAGERS),
    "delete_target": (PEOPLE, MANAGERS),
    "grant_role": (PEOPLE, MANAGERS),
    "change_role": (PEOPLE, MANAGERS),
    "revoke_role": (PEOPLE, MANAGERS),
    "list_members": (PEOPLE, MANAGERS),
    "run_check_now": (PEOPLE, ("responder", "admin", "service_role")),
    "resolve_alert": (PEOPLE, ("responder", "admin", "service_role")),
    **dict.fromkeys(("acknowledge_alert", "acknowledge_alerts"), (PEOPLE, ("responder", "admin"))),
    "get_metric_series": (PEOPLE, READERS),
    "list_alerts": (PEOPLE, READERS),
    "list_targets": (PEOPLE, READERS),
    "get_system_health_summary": ((*PEOPLE, "watchkeeper_metrics"), (*READERS, "watchkeeper_metrics")),
    "record_system_metric": ((*PEOPLE, "watchkeeper_ingest"), (*MANAGERS, "watchkeeper_ingest")),
    **dict.fromkeys(
        ("record_benchmark", "record_benchmarks"),
        ((*PEOPLE, "watchkeeper_ingest"), (*MANAGERS, "watchkeeper_ingest")),
    ),
    "claim_deliveries": (("service_role",), ("service_role",)),
    "settle_deliveries": (("service_role",), ("service_role",)),
    **dict.fromkeys(
        ("claim_report", "get_report_data", "settle_report"), (("service_role",), ("service_role",))
    ),
    **dict.fromkeys(("request_report", "renew_report"), (PEOPLE, ("auditor", *RESPONDERS))),
    # The token in the call is the right to it.
    "record_heartbeat": (
        ("anon", *PEOPLE, "watchkeeper_ingest"),
        ("anon", "authenticated", *READERS, "watchkeeper_ingest"),
    ),
    **dict.fromkeys(
        (
            "list_channels",
            "list_deliveries",
            "list_routes",
            "list_escalations",
            "list_rotations",
            "list_silences",
            "list_heartbeats",
            "who_is_on_call",
            "preview_silence",
            "get_alert_latency",
            "get_uptime_summary",
            "export_config",
            "get_benchmarks",
            "get_delivery_settings",
            "get_access_settings",
            "get_benchmark_series",
            "list_benchmark_rules",
            "list_objectives",
            "get_sla_report",
            "list_sla_closes",
            "get_sla_close",
            "verify_sla_close",
            "list_report_plans",
            "list_reports",
            "get_alert",
            "get_catalog",
            "get_monitor",
            "get_overview",
            "get_target",
            "list_overrides",
            "get_setting",
            "get_settings",
            "list_regions",
        ),
        (PEOPLE, READERS),
    ),
    **dict.fromkeys(
        ("save_silence", "end_silence", "save_override", "delete_override", "retry_delivery"),
        (PEOPLE, RESPONDERS),
    ),
    **dict.fromkeys(
        (
            "create_incident",
            "update_incident_status",
            "add_incident_note",
            "assign_incident",
            "change_incident_severity",
            "set_affected_systems",
            "link_alert",
            "save_postmortem",
        ),
        (PEOPLE, RESPONDERS),
    ),
    **dict.fromkeys(
        ("get_incident", "list_incidents", "draft_postmortem", "get_incident_settings"), (PEOPLE, READERS)
    ),
    "save_incident_settings": (PEOPLE, MANAGERS),
    **dict.fromkeys(
        (
            "validate_target",
            "validate_setting",
            "move_route",
            "request_probe",
            "get_probe",
            "save_channel",
            "save_route",
            "save_escalation",
            "save_rotation",
            "save_heartbeat",
            "delete_setting",
            "delete_channel",
            "delete_route",
            "delete_escalation",
            "delete_rotation",
            "delete_heartbeat",
            "send_test",
            "save_delivery_settings",
            "save_access_settings",
            "apply_config",
            "save_benchmark_rule",
            "delete_benchmark_rule",
            "save_objective",
            "delete_objective",
            "save_report_plan",
            "delete_report_plan",
            "save_watchdog",
            "forget_region",
            "create_api_token",
            "revoke_api_token",
            "list_api_tokens",
        ),
        (PEOPLE, MANAGERS),
    ),
    **dict.fromkeys(
        ("list_audit_log", "export_audit_log", "verify_audit_log", "audit_head", "get_compliance_report"),
        (PEOPLE, AUDITORS),
    ),
    "whoami": (PEOPLE, ("authenticated", *READERS)),
}

# Functions of `watchkeeper` that are no RPC's worker and that somebody besides the owner may execute.
HELPERS: dict[str, tuple[str, ...]] = {
    "has_role": PEOPLE,  # the policies call it
    # One worker for several RPCs.
    **dict.fromkeys(("list_settings", "save_setting", "plan_config"), PEOPLE),
}
