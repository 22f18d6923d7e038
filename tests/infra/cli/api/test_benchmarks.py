"""Benchmarks, on the real API."""

from datetime import UTC, datetime, timedelta
from secrets import token_hex

from infra.cli.api import OperatorStore


def test_benchmarks_are_recorded_compared_and_watched(store: OperatorStore) -> None:
    name = f"calls-{token_hex(4)}"
    assert len(store.record_benchmark(name, "sign", 1.5, throughput=10, metadata={"host": "a"})) == 36
    more = {"benchmark_name": name, "operation_type": "sign", "duration_ms": 2.5}
    assert store.record_benchmarks([more]) == {"recorded": 1}
    (found,) = store.get_benchmarks(benchmark_name=name)
    assert (found["now"]["n"], found["now"]["p50_ms"], found["before"]) == (2, 2, None)
    earlier = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    points = store.get_benchmark_series(name, "sign", earlier, later, points=10)
    assert sum(point["n"] for point in points) == 2

    rule = {"name": name, "benchmark_name": name, "operation_type": "sign"}
    assert store.save_benchmark_rule(rule)["percentile"] == 95
    assert name in [r["name"] for r in store.list_benchmark_rules()]
    store.delete_benchmark_rule(name)
