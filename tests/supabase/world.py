"""The words the SQL tests speak: a database to ask, people to ask as, and a clock that can be moved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

Json = dict[str, Any]

TOOLS = ("watchkeeper_ingest", "watchkeeper_metrics")
MEMBERS = ("viewer", "auditor", "responder", "admin")

# What PostgREST answers with 400..409; anything else (stack depth, deadlock, internal error) is a 5xx.
# https://docs.postgrest.org/en/stable/references/errors.html
REFUSALS = {
    "22": 400,  # data exception: 22023 ours, 22P02 of another type, 22P05 \\u0000, 22003 out of range
    "23": 400,  # integrity: 23505 and 23503 are 409
    "42501": 403,  # 401 for anon
    "42883": 404,  # no function of that name and these arguments
    "PT404": 404,
    "PT409": 409,
}


def http_status(sqlstate: str | None) -> int:
    """What a caller of the API sees."""
    state = sqlstate or ""
    if state in {"23505", "23503"}:
        return 409
    return REFUSALS.get(state) or REFUSALS.get(state[:2], 500)


class Db:
    """One connection."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def run(self, statement: str, *args: Any) -> psycopg.Cursor[Any]:
        return self.connection.execute(statement.encode(), [_adapt(arg) for arg in args])

    def rows(self, statement: str, *args: Any) -> list[Any]:
        return self.run(statement, *args).fetchall()

    def value(self, statement: str, *args: Any) -> Any:
        row = self.run(statement, *args).fetchone()
        return None if row is None else row[0]

    def values(self, statement: str, *args: Any) -> list[Any]:
        return [row[0] for row in self.rows(statement, *args)]

    def rpc(self, function: str, **args: Any) -> Any:
        """Calls a function of the API with named arguments, as PostgREST does."""
        named = sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(name)) for name in args)
        call = sql.SQL("select public.{}({})").format(sql.Identifier(function), named)
        row = self.connection.execute(call, [_adapt(arg) for arg in args.values()]).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def acting_as(self, role: str, user: UUID | None = None, **claims: Any) -> Iterator[None]:
        """As PostgREST runs a request with that token; that of a tool is registered unless its jti is given."""
        if role in TOOLS and "jti" not in claims:
            claims["jti"] = str(self.registered(role))
        token = {"role": role, **({"sub": str(user)} if user else {}), **claims}
        with self.connection.transaction():
            self.connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(token)])
            self.connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            yield
            self.connection.execute("reset role")
            self.connection.execute("select set_config('request.jwt.claims', '', true)")

    def registered(self, role: str, name: str = "a test", **more: Any) -> UUID:
        """The jti of a token of that name for the role, made as the operator would."""
        name = f"{name} ({role})"
        known = "select id from watchkeeper.api_tokens where name = %s and revoked_at is null"
        if (jti := self.value(known, name)) is None:
            jti = self.rpc("create_api_token", name=name, role=role, **more)["jti"]
        return UUID(str(jti))

    def sign_up(self, email: str | None = None) -> UUID:
        email = email or f"{uuid4().hex[:12]}@example.org"
        user = uuid4()
        self.run("insert into auth.users (id, email) values (%s, %s)", user, email)
        return user

    def member(self, role: str, email: str | None = None) -> UUID:
        user = self.sign_up(email)
        self.run("insert into watchkeeper.members (user_id, role) values (%s, %s)", user, role)
        return user

    @contextmanager
    def asking_as(self, who: str) -> Iterator[None]:
        """As `who` of the matrix: a role of Postgres, or a signed-in person with or without a role of ours."""
        if who in MEMBERS:
            with self.acting_as("authenticated", self.member(who)):
                yield
        elif who == "authenticated":
            with self.acting_as("authenticated", self.sign_up()):
                yield
        else:
            with self.acting_as(who):
                yield

    def rows_read(self) -> int:
        """How many rows this transaction has read so far, in tables and by their indexes. Work that no clock is in."""
        read: int = self.value(
            "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_xact_user_tables"
        )
        return read

    def counts(self) -> dict[str, int]:
        """How many rows each table holds."""
        tables = self.values(
            "select c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
            "where n.nspname in ('public', 'watchkeeper') and c.relkind in ('r', 'p') order by 1"
        )
        one_by_one = " union all ".join(f"select '{table}', count(*) from {table}" for table in tables)  # noqa: S608
        return dict(self.rows(one_by_one))


class Array(list[Any]):
    """For an argument that is an array of Postgres; other lists are JSON."""


def _adapt(arg: Any) -> Any:
    return Jsonb(arg) if isinstance(arg, (dict, list)) and not isinstance(arg, Array) else arg


@contextmanager
def refused(db: Db, *states: str, naming: str = "") -> Iterator[None]:
    """The block is refused with one of the states, a message that begins with `naming`, and nothing is written."""
    before = db.counts()
    with pytest.raises(psycopg.Error) as caught, db.connection.transaction():
        yield
    assert caught.value.sqlstate in states, caught.value
    assert (caught.value.diag.message_primary or "").startswith(naming), caught.value
    assert db.counts() == before


@contextmanager
def allowing(*states: str) -> Iterator[None]:
    """The block may be refused with one of the states."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate not in states:
            raise


# Targets and results ---------------------------------------------------------------------------------------------

CATALOG: Json = {
    "checks": {
        "blockchain": {
            "params_schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "block_time_s": {"type": "number", "exclusiveMinimum": 0, "maximum": 86400},
                    "blind_threshold": {"type": "integer", "minimum": 1, "maximum": 1000},
                    "mode": {"anyOf": [{"enum": ["fast", "slow"]}, {"type": "null"}]},
                    "rules": {"$ref": "#/$defs/Rules"},
                },
                "$defs": {
                    "Rules": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Rule"}},
                    "Rule": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"enabled": {"type": "boolean"}},
                    },
                },
            },
            "interval_s": 60,
            "timeout_s": 10,
        },
        **{
            kind: {
                "params_schema": {"type": "object", "properties": {}},
                "interval_s": seconds,
                "timeout_s": 10,
            }
            for kind, seconds in (
                ("p2p", 30),
                ("mempool", 45),
                ("quantum", 60),
                ("economics", 60),
                ("uptime", 60),
            )
        },
    },
    "chains": {
        "evm": {
            "settings_schema": {"type": "object", "additionalProperties": {"type": "string"}},
            "kinds": ["blockchain", "p2p", "mempool", "uptime"],
            "needs_endpoint": True,
        },
        "supabase": {
            "settings_schema": {"type": "object"},
            "kinds": ["blockchain", "p2p", "mempool", "quantum", "economics"],
            "needs_endpoint": False,
        },
    },
    "networks": {},
    "private_targets": "loopback",
    "notifiers": {
        **{
            kind: {
                "config_schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"room": {"type": "string", "maxLength": 100}},
                },
                "secrets": ["url", "token"],
                "required_secrets": [],
                "merges": merges,
            }
            for kind, merges in (("chat", True), ("pager", False))
        },
        "mail": {
            "config_schema": {
                "type": "object",
                "additionalProperties": False,
                "required": ["to"],
                "properties": {"to": {"type": "string", "minLength": 3}},
            },
            "secrets": ["user", "password"],
            "required_secrets": ["password"],
            "merges": True,
        },
    },
}


def a_target(name: str = "anvil", checks: Mapping[str, Any] | None = None, **more: Any) -> Json:
    return {
        "name": name,
        "chain": "evm",
        "endpoint": "http://127.0.0.1:8545",
        "checks": dict(checks) if checks is not None else {"blockchain": {}},
        **more,
    }


def finding(
    state: str, alert_type: str = "endpoint_unreachable", severity: str = "critical", **more: Any
) -> Json:
    return {
        "alert_type": alert_type,
        "state": state,
        "severity": severity,
        "message": f"{alert_type}: {state}",
        **more,
    }


def sample(name: str, value: Any, **more: Any) -> Json:
    return {"name": name, "value": value, **more}


def result(task: Mapping[str, Any], outcome: str = "ok", *findings: Json, **more: Any) -> Json:
    return {
        "check_id": task["check_id"],
        "due_at": task["due_at"],
        "outcome": outcome,
        "reason": None if outcome == "ok" else f"it was {outcome}",
        "started_at": task["due_at"],
        "finished_at": task["due_at"],
        "findings": list(findings),
        **more,
    }


class World:
    """A database with a catalog, and a clock that starts a day ago (rows from the future are refused)."""

    def __init__(self, db: Db, start: datetime | None = None) -> None:
        self.db = db
        self.start = start or (datetime.now(UTC) - timedelta(days=1)).replace(second=0, microsecond=0)
        if db.value("select count(*) from watchkeeper.catalog") == 0:
            db.rpc("publish_catalog", catalog=CATALOG)

    def at(self, seconds: float) -> datetime:
        return self.start + timedelta(seconds=seconds)

    @staticmethod
    def moment(text: str) -> datetime:
        return datetime.fromisoformat(text)

    def target(self, name: str = "anvil", checks: Mapping[str, Any] | None = None, **more: Any) -> Json:
        """Saves a target at the start of time."""
        saved: Json = self.db.value(
            "select watchkeeper.save_target(%s, %s)", a_target(name, checks, **more), self.start
        )
        return saved

    def never_flapping(self) -> None:
        """For stories of the state machine alone, which change more often than any real system."""
        self.db.rpc("save_delivery_settings", settings={"flapping_changes": 1000})

    def check_id(self, target: Mapping[str, Any], kind: str = "blockchain") -> str:
        return str(
            self.db.value(
                "select id from watchkeeper.checks where target_id = %s and kind = %s", target["id"], kind
            )
        )

    def tick(self, seconds: float, horizon_s: int = 60) -> list[Json]:
        tasks: list[Json] = self.db.value(
            "select watchkeeper.claim_due_checks(%s, %s)", self.at(seconds), horizon_s
        )
        return tasks

    def record(self, seconds: float, results: Iterable[Json]) -> Json:
        answer: Json = self.db.value(
            "select watchkeeper.record_check_results(%s, %s)", list(results), self.at(seconds)
        )
        return answer

    def step(self, minute: int, outcome: str, *findings: Json, **more: Any) -> Json:
        """One minute: claim what is due and record this of it."""
        tasks = self.tick(60 * minute)
        return self.record(60 * minute + 50, [result(task, outcome, *findings, **more) for task in tasks])

    def history(self, *states: str, **more: Any) -> list[list[str]]:
        """One state of `endpoint_unreachable` a minute; returns what each of them changed."""
        outcome = {"breach": "fail", "clear": "ok", "unknown": "unknown"}
        minute = int(self.db.value("select count(*) from watchkeeper.runs"))
        changes = []
        for offset, state in enumerate(states):
            answer = self.step(minute + offset, outcome[state], finding(state, **more), blind_threshold=1000)
            changes.append([each["transition"] for each in answer["transitions"]])
        return changes

    # Delivery ------------------------------------------------------------------------------------------------------

    def setting(self, what: str, seconds: float = 0, /, **given: Any) -> Json:
        """Saves a channel, rotation, escalation, route or heartbeat."""
        saved: Json = self.db.value(
            "select watchkeeper.save_setting(%s, %s, %s)", what, given, self.at(seconds)
        )
        return saved

    def channel(self, name: str = "chat", kind: str = "chat", **more: Any) -> str:
        self.setting("channel", name=name, kind=kind, **more)
        return name

    def route(self, *channels: str, name: str = "all", **more: Any) -> Json:
        return self.setting("route", name=name, channels=list(channels), **more)

    def silence(self, start: datetime | str, end: datetime | str, **more: Any) -> Json:
        times = [each if isinstance(each, str) else f"{each:%Y-%m-%dT%H:%M:%S}" for each in (start, end)]
        given = {"comment": "a move", "starts_at": times[0], "ends_at": times[1], **more}
        saved: Json = self.db.rpc("save_silence", silence=given)
        return saved

    def fire(
        self, seconds: float, source: str = "anvil", severity: str = "critical", alert_type: str = "service_down",
        target: Mapping[str, Any] | None = None, **metadata: Any,
    ) -> Json | None:  # fmt: skip
        """Opens the alert or joins it; returns the transition."""
        transition: Json | None = self.db.value(
            "select watchkeeper.raise_alert(%s, %s, %s, %s, %s, %s, %s, 1, %s, %s)",
            f"{source}:{alert_type}", (target or {}).get("id"), source, alert_type, severity, f"{source} is {severity}",
            {"kind": "uptime", "labels": {}, **metadata}, self.at(seconds), self.at(seconds),
        )  # fmt: skip
        return transition

    def end(self, seconds: float, source: str = "anvil", alert_type: str = "service_down") -> Json | None:
        transition: Json | None = self.db.value(
            "select watchkeeper.close_alert(%s, 'recovered', %s)", f"{source}:{alert_type}", self.at(seconds)
        )
        return transition

    def claim(self, seconds: float, most: int = 100, lease_s: int = 60) -> list[Json]:
        messages: list[Json] = self.db.value(
            "select watchkeeper.claim_deliveries(%s, %s, %s)", self.at(seconds), most, lease_s
        )
        return messages

    def settle(self, seconds: float, messages: Iterable[Json], outcome: str = "sent", **more: Any) -> Json:
        answer: Json = self.db.value(
            "select watchkeeper.settle_deliveries(%s, %s)",
            [
                {"delivery_id": each["id"], "lease_id": message["lease_id"], "outcome": outcome, **more}
                for message in messages
                for each in message["deliveries"]
            ],
            self.at(seconds),
        )
        return answer

    def send(self, seconds: float) -> list[tuple[str, str]]:
        """Claims and sends until nothing is left; returns what went where."""
        sent = []
        while messages := self.claim(seconds):
            self.settle(seconds, messages)
            sent += [(m["channel"]["name"], m["event"]) for m in messages for _ in m["deliveries"]]
        return sent

    def ledger(self, source: str | None = None) -> list[tuple[str, str, str]]:
        """(channel, event, status) in the order in which they were written."""
        return self.db.rows(
            "select c.name, d.event, d.status from watchkeeper.deliveries as d join watchkeeper.channels as c "
            "on c.id = d.channel_id left join system_alerts as a on a.id = d.alert_id "
            "where %s::text is null or a.source = %s order by d.seq",
            source, source,
        )  # fmt: skip

    def held_by(self, source: str = "anvil") -> str | None:
        held: str | None = self.db.value(
            "select held_by from system_alerts where source = %s order by created_at desc limit 1", source
        )
        return held

    def summary(self, seconds: float) -> Json:
        answer: Json = self.db.value("select watchkeeper.get_system_health_summary(%s)", self.at(seconds))
        return answer

    def targets(self, seconds: float) -> list[Json]:
        answer: list[Json] = self.db.value("select watchkeeper.list_targets(%s)", self.at(seconds))
        return answer

    def alerts(self, **wanted: Any) -> list[Json]:
        """Newest first."""
        answer: list[Json] = self.db.rpc("list_alerts", **wanted)
        return answer

    def firing(self) -> list[str]:
        return sorted(alert["alert_type"] for alert in self.alerts(status="firing"))


def changes(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(each["alert_type"], each["transition"]) for each in answer["transitions"]]


def anything(*values: Any) -> tuple[Any, ...]:
    """Values of any type, for a table of bad ones."""
    return values


def only(rows: Sequence[Any]) -> Any:
    assert len(rows) == 1, rows
    return rows[0]
