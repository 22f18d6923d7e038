"""Performance benchmarks: measurements of tools, and the rules that tell of a regression."""

from collections.abc import Mapping, Sequence
from typing import Any

from watchkeeper.store import Json, Store


class Benchmarks(Store):
    """Admins and tools record, admins make rules, everybody with a role reads."""

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
        """Record up to 1,000 measurements or none: {recorded}."""
        return self._object("record_benchmarks", {"benchmarks": list(benchmarks)})

    def get_benchmarks(
        self, window_s: int = 3600, benchmark_name: str | None = None, operation_type: str | None = None
    ) -> list[Json]:
        """Of each operation {now, before, change_percent, regression}: the window up to now, and the one before.

        A window is {n, p50_ms, p95_ms, p99_ms, mean_ms, throughput, success_rate}; `before` is None if it is empty.
        """
        args = {"window_s": window_s, "benchmark_name": benchmark_name, "operation_type": operation_type}
        return self._rows("get_benchmarks", args, repeatable=True)

    def get_benchmark_series(
        self, benchmark_name: str, operation_type: str, from_time: str, to_time: str, *, points: int = 200
    ) -> list[Json]:
        """One operation over time, in that many points of {at, p50_ms, p95_ms, n}."""
        args = {"benchmark_name": benchmark_name, "operation_type": operation_type, "points": points}
        span = {"from_time": from_time, "to_time": to_time}
        return self._rows("get_benchmark_series", {**args, **span}, repeatable=True)

    def save_benchmark_rule(self, rule: Mapping[str, Any]) -> Json:
        """Create the rule, or replace the one of that name; returns it whole."""
        return self._object("save_benchmark_rule", {"rule": rule}, repeatable=True)

    def delete_benchmark_rule(self, name: str) -> None:
        """Remove the rule; its alert is resolved. PT404: there is none."""
        self._rpc("delete_benchmark_rule", {"name": name})

    def list_benchmark_rules(self) -> list[Json]:
        """Every rule, with the windows `now` and `before` that it compares, and whether it sees a `regression`."""
        return self._rows("list_benchmark_rules", {}, repeatable=True)
