"""The one client of Supabase: how a call is made, and a method per RPC that the functions call.

What only an operator calls is in `infra/cli/api`, outside of the zip.
"""

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
    """Calls the RPCs of one Supabase project with one key. Safe to share between threads.

    Every method has the name and the arguments of its RPC, and raises StoreError when the database refuses (`code`,
    and the `argument` it is about) or answers in another shape; StoreUnreachable when there was no answer.
    """

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
        """Write runs, samples and alert state in one transaction; a repeat is recorded once.

        Returns {recorded, repeated, late, dropped}, which are counts, and the alerts' `transitions`.
        """
        return self._object("record_check_results", {"results": list(results)}, repeatable=True)

    def settle_probe(self, probe_id: str, result: Mapping[str, Any]) -> Json:
        """Tell whoever tries a check out how it went: {settled}. A repeat settles nothing."""
        return self._object("settle_probe", {"probe_id": probe_id, "result": result}, repeatable=True)

    def observe_chain_tables(self, subject: str, settings: Mapping[str, Any]) -> Json:
        """Read head, peers, mempool, keys or economy of a chain that lives in this database."""
        args = {"subject": subject, "settings": settings}
        return self._object("observe_chain_tables", args, repeatable=True)

    def prune_history(self, keep_days: int = 30) -> Json:
        """Delete a portion of what is older: rows per table; `more` says that another call would find work."""
        return self._object("prune_history", {"keep_days": keep_days}, repeatable=True)

    # What the worker of notifications needs (service_role)

    def claim_deliveries(self, most: int = 100, lease_s: int = 60) -> list[Json]:
        """Take the messages that may go out now, for as long as the lease.

        Not repeated after a lost reply: it would claim others. What was claimed is free again when its lease ends.
        """
        return self._rows("claim_deliveries", {"most": most, "lease_s": lease_s})

    def settle_deliveries(self, settlements: Sequence[Mapping[str, Any]]) -> Json:
        """Write down how deliveries ended: {settled, stale}. A repeat finds them settled and counts as stale."""
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
        """Roll up a portion of the days that have ended: {days, more}; `more`: another call would find work."""
        return self._object("roll_up_days", {}, repeatable=True)

    def close_months(self) -> Json:
        """Close the months that have ended: {closed, next, reason}; `reason`: why the next one is not closed now."""
        return self._object("close_months", {}, repeatable=True)

    def audit_head(self) -> Json:
        """The audit log's newest row: {seq, hash, at}."""
        return self._object("audit_head", {}, repeatable=True)

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
