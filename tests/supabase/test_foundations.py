"""What the tools around the five tables know of them stays as it is."""

from __future__ import annotations

import pytest

from tests.supabase.world import Db


def test_the_time_of_a_change_to_an_incident_is_kept_by_its_trigger(db: Db) -> None:
    db.run(
        "insert into incident_logs (incident_type, severity, title, updated_at) values ('x', 'low', 'x', '2020-01-01')"
    )
    db.run("update incident_logs set title = 'y', updated_at = '2020-01-01'")
    assert db.value("select updated_at = now() from incident_logs")
    triggers = db.values("select tgname from pg_trigger where tgrelid = 'incident_logs'::regclass")
    assert "update_incident_updated_at" in triggers


COLUMNS = {
    "system_health_metrics": "id metric_name metric_value metric_unit severity metadata recorded_at",
    "system_alerts": """id alert_type severity message source acknowledged acknowledged_by acknowledged_at metadata
        created_at""",
    "incident_logs": """id incident_type severity title description affected_systems status resolved_at resolution_notes
        created_by created_at updated_at""",
    "performance_benchmarks": """id benchmark_name operation_type duration_ms throughput success_rate metadata
        recorded_at""",
    "uptime_checks": "id service_name endpoint status_code response_time_ms is_up error_message checked_at",
}


@pytest.mark.parametrize("table", COLUMNS)
def test_the_five_tables_keep_the_columns_that_tools_know(db: Db, table: str) -> None:
    there = db.values("select attname from pg_attribute where attrelid = %s::regclass and attnum > 0", table)
    assert set(COLUMNS[table].split()) <= set(there)


def test_the_metric_rpc_keeps_its_exact_shape(db: Db) -> None:
    assert db.value("select pg_get_function_arguments(oid) from pg_proc where proname = 'record_system_metric' "
                    "and pronamespace = 'public'::regnamespace") == (
        "metric_name_param text, metric_value_param numeric, metric_unit_param text DEFAULT NULL::text, "
        "severity_param text DEFAULT 'info'::text, metadata_param jsonb DEFAULT '{}'::jsonb"
    )  # fmt: skip
    assert db.value("select pg_get_function_result(oid) from pg_proc where proname = 'record_system_metric' "
                    "and pronamespace = 'public'::regnamespace") == "uuid"  # fmt: skip
