"""The one client of Supabase: a method per RPC of the database, with the RPC's name and arguments."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import httpx
from postgrest.exceptions import APIError
from supabase.client import SupabaseException

from supabase import Client, ClientOptions, create_client
from watchkeeper.errors import SettingsError, StoreError

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
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._key = key
        self._patience_s = patience_s
        self._sleep = sleep
        # No redirects: httpx would take the apikey header along to wherever it is sent.
        http = httpx.Client(timeout=TIMEOUT, transport=transport, follow_redirects=False)
        self._http = http
        self._client = _client(url, key, http)

    def __repr__(self) -> str:
        return f"Store({str(self._client.rest_url)!r})"

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

    def claim_due_checks(self, horizon_s: int = 60) -> list[Json]:
        """Take what falls due within the horizon.

        Not repeated after a lost reply: what it claimed is gone with it. The database counts those slots as
        missed and makes the checks due again at the next tick.
        """
        return self._rows("claim_due_checks", {"horizon_s": horizon_s})

    def record_check_results(self, results: Sequence[Mapping[str, Any]]) -> Json:
        """Write runs, samples and alert state in one transaction; a repeat is recorded once."""
        return self._object("record_check_results", {"results": list(results)}, repeatable=True)

    def observe_chain_tables(self, subject: str, settings: Mapping[str, Any]) -> Json:
        """Read head, peers, mempool, keys or economy of a chain that lives in this database."""
        args = {"subject": subject, "settings": settings}
        return self._object("observe_chain_tables", args, repeatable=True)

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

    # What everybody with a role may read

    def get_system_health_summary(self) -> Json:
        """The whole state on one page."""
        return self._object("get_system_health_summary", {}, repeatable=True)

    def list_targets(self) -> list[Json]:
        """Every target with its settings, status and newest values."""
        return self._rows("list_targets", {}, repeatable=True)

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

    def _refused(self, function: str, error: APIError) -> StoreError:
        code = str(error.code or "")
        message = self._redact(error.message or "refused without a reason")
        if code in UNREACHABLE_CODES:
            return StoreUnreachable(code, f"{function}: {message}")
        named = ARGUMENT.match(message)
        return StoreError(code, message, named[1] if named else None)

    def _redact(self, text: str) -> str:
        return text.replace(self._key, "[key]")


def _client(url: str, key: str, http: httpx.Client) -> Client:
    # Retrying is decided here, per call; the library's own would sleep for seconds inside a Lambda.
    options = ClientOptions(
        httpx_client=http, auto_refresh_token=False, persist_session=False, postgrest_client_retry=False
    )
    try:
        return create_client(url, key, options)
    except SupabaseException as error:
        raise SettingsError("SUPABASE_URL", error.message) from None


def _describe(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _shape(data: object) -> str:
    return "null" if data is None else type(data).__name__
