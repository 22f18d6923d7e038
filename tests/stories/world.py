"""What the stories say and ask: a world with one deployed stack, and targets in it that are watched."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from secrets import token_hex
from typing import Any, TypeVar

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from infra.local.aws import Aws
from infra.local.gateway import Gateway
from infra.local.stack import Stack
from tests.support.parts import Api, Database

Json = dict[str, Any]
T = TypeVar("T")

NOT_BY_ITSELF_S = 3600
"""An interval beyond every story: such a check runs when the story looks, and never else."""

PATIENCE_S = 120
"""How long a story waits for what comes by itself. No claim about how fast it comes."""


def eventually(ask: Callable[[], T | None], within_s: float = PATIENCE_S) -> T:
    """The first true answer. Polled, so that a slow machine makes a story slower and not red."""
    deadline = time.monotonic() + within_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {within_s} s; the last answer was {answer!r}"
        time.sleep(0.05)
    return answer


@dataclass(frozen=True)
class Run:
    """One slot of a check."""

    kind: str
    due_at: datetime
    claimed_at: datetime
    started_at: datetime | None
    recorded_at: datetime | None
    outcome: str | None
    reason: str | None
    missed: bool

    @property
    def late_s(self) -> float:
        """How long after its due second it started; negative: before."""
        assert self.started_at is not None
        return (self.started_at - self.due_at).total_seconds()


class World:
    """The deployed stack. `tick` is what the Scheduler does each minute."""

    def __init__(self, stack: Stack, api: Api, database: Database, aws: Aws | None = None) -> None:
        self.aws: Aws = aws or stack.aws
        self.gateway: Gateway = stack.gateway
        self.api = api
        self.store = api.store()
        self.db = database.connect()
        self.sqs = self.aws.client("sqs")
        self.functions = self.aws.client("lambda")
        self._watched: list[Watched] = []

    def close(self) -> None:
        self.forget_all()
        self.store.close()
        self.db.close()
        self.sqs.close()
        self.functions.close()

    @cached_property
    def names(self) -> dict[str, str]:
        """What the deployment calls the template's resources."""
        cloudformation = self.aws.client("cloudformation")
        found = cloudformation.describe_stack_resources(StackName=self.aws.stack)["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}

    def now(self) -> datetime:
        """The database's clock."""
        row = self.db.execute("select clock_timestamp()").fetchone()
        assert row
        moment: datetime = row[0]
        return moment

    def tick(self) -> Json:
        """The scheduling function, now. Raises nothing: a tick that fails tells so in `errorMessage`."""
        reply = self.functions.invoke(
            FunctionName=self.names["ScheduleChecks"], Payload=b'{"scheduled_time": "a story"}'
        )
        told: Json = json.loads(reply["Payload"].read())
        return told

    def watch(self, endpoint: str | None, *, keep: bool = False, **target: Any) -> Watched:
        """A new target; `checks` without an interval run when the story looks. `keep`: beyond this story.

        Those are not even due at once, as a new check is: a tick of the Scheduler's would look before the story does.
        """
        target["checks"] = {
            kind: {"interval_s": NOT_BY_ITSELF_S, **check} for kind, check in target["checks"].items()
        }
        name = target.pop("name", "story") + f"-{token_hex(4)}"
        document = {"name": name, "endpoint": endpoint, **target}
        with self.db.transaction():
            row = self.db.execute("select public.save_target(%s)", [Jsonb(document)]).fetchone()
            assert row
            saved = row[0]
            self.db.execute(
                "update watchkeeper.checks set next_due_at = now() + make_interval(secs => interval_s) "
                "where target_id = %s and interval_s = %s",
                [saved["id"], NOT_BY_ITSELF_S],
            )
        watched = Watched(self, saved["id"], name)
        if not keep:
            self._watched.append(watched)
        return watched

    def forget_all(self) -> None:
        """Deletes the targets of the story that ended."""
        while self._watched:
            self.store.delete_target(self._watched.pop().id)

    def summary(self) -> Json:
        return self.store.get_system_health_summary()

    # --- queues ---

    def queue(self, kind: str) -> str:
        return self.names[f"{kind.capitalize()}Checks"]

    @contextmanager
    def held(self, kind: str) -> Iterator[None]:
        """Meanwhile no message of that kind reaches its function."""
        self._deliver(kind, enabled=False)
        try:
            yield
        finally:
            self._deliver(kind, enabled=True)

    def _deliver(self, kind: str, *, enabled: bool) -> None:
        mapping = self.names[f"Check{kind.capitalize()}Due"]
        self.functions.update_event_source_mapping(UUID=mapping, Enabled=enabled)

    @contextmanager
    def configured(self, kind: str, **other: Any) -> Iterator[None]:
        """Meanwhile that kind's function is set up otherwise."""
        name = self.names[f"Check{kind.capitalize()}"]
        found = self.functions.get_function_configuration(FunctionName=name)
        self.functions.update_function_configuration(FunctionName=name, **other)
        try:
            yield
        finally:
            usual = {setting: found[setting] for setting in other}
            self.functions.update_function_configuration(FunctionName=name, **usual)

    @contextmanager
    def throttled(self, kind: str, instances: int = 0) -> Iterator[None]:
        """Meanwhile no more instances of that kind's function may run."""
        name = self.names[f"Check{kind.capitalize()}"]
        self.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=instances)
        try:
            yield
        finally:
            self.functions.delete_function_concurrency(FunctionName=name)

    def is_idle(self, kind: str) -> bool:
        """Whether of that kind's function, of which one instance may run at once, none runs."""
        try:
            self.functions.invoke(
                FunctionName=self.names[f"Check{kind.capitalize()}"], Payload=b'{"Records": []}'
            )
        except self.functions.exceptions.TooManyRequestsException:
            return False
        return True

    @contextmanager
    def again_after(self, kind: str, seconds: int) -> Iterator[None]:
        """Meanwhile a message that was not handled comes again after so many seconds, not minutes."""
        url = self.queue(kind)
        usual = self.attributes(url)["VisibilityTimeout"]
        self._set(url, str(seconds))
        try:
            yield
        finally:
            self._set(url, usual)

    def _set(self, url: str, visibility_s: str) -> None:
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": visibility_s})

    def attributes(self, url: str) -> dict[str, str]:
        found: dict[str, str] = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
        return found

    def is_waiting(self, kind: str) -> bool:
        """Whether a message waits in the queue."""
        return self.attributes(self.queue(kind))["ApproximateNumberOfMessages"] != "0"

    def is_done(self, kind: str) -> bool:
        """Whether all that was due is handled, not counting what is delayed to a later second."""
        counts = self.attributes(self.queue(kind))
        return {counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]} == {
            "0"
        }

    def peek(self, kind: str) -> list[str]:
        """The bodies that wait in a held queue. They stay there, but have been received once more."""
        reply = self.sqs.receive_message(
            QueueUrl=self.queue(kind), MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=1
        )
        return [message["Body"] for message in reply.get("Messages", [])]

    def send(self, kind: str, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue(kind), MessageBody=body)


@dataclass(frozen=True)
class Watched:
    """One target."""

    world: World
    id: str
    name: str

    def claim(self, kind: str | None = None) -> datetime:
        """Makes its checks due and ticks; does not wait for results. Returns when it began."""
        since = self.world.now()
        self.world.store.run_check_now(self.id, kind)
        self.world.tick()
        return since

    def look(self, kind: str | None = None) -> Run:
        """One run of each of its checks from tick to record; returns the last."""
        since = self.claim(kind)
        return self.recorded(since)[-1]

    def recorded(self, since: datetime, within_s: float = PATIENCE_S) -> list[Run]:
        """The runs claimed since then, when all of them have an outcome."""

        def done() -> list[Run] | None:
            runs = [run for run in self.runs() if run.claimed_at >= since]
            return runs if runs and all(run.outcome for run in runs) else None

        return eventually(done, within_s)

    def runs(self) -> list[Run]:
        """All its slots, the oldest first."""
        with self.world.db.cursor(row_factory=class_row(Run)) as cursor:
            return cursor.execute(
                "select c.kind, r.due_at, r.claimed_at, r.started_at, r.recorded_at, r.outcome, r.reason, r.missed "
                "from watchkeeper.runs r join watchkeeper.checks c on c.id = r.check_id "
                "where c.target_id = %s order by r.due_at",
                [self.id],
            ).fetchall()

    def grow_older(self, by: timedelta) -> None:
        """As if its slots had been claimed, and what is known of it seen, that much earlier."""
        earlier = {"by": by, "id": self.id}
        self.world.db.execute(
            "update watchkeeper.runs r set due_at = r.due_at - %(by)s, claimed_at = r.claimed_at - %(by)s "
            "from watchkeeper.checks c where c.id = r.check_id and c.target_id = %(id)s",
            earlier,
        )
        self.world.db.execute(
            "update watchkeeper.check_states s set last_due_at = s.last_due_at - %(by)s, "
            "last_run_at = s.last_run_at - %(by)s "
            "from watchkeeper.checks c where c.id = s.check_id and c.target_id = %(id)s",
            earlier,
        )

    def told(self) -> Json:
        """What everybody with a role is told of it."""
        return next(target for target in self.world.store.list_targets() if target["id"] == self.id)

    def status(self) -> str:
        return str(self.told()["status"])

    def alerts(self) -> dict[str, str]:
        """Each alert type that ever fired, and what became of the newest of it."""
        newest_first = self.world.store.list_alerts(target_id=self.id)
        return {alert["alert_type"]: alert["status"] for alert in reversed(newest_first)}

    def alert(self, alert_type: str) -> Json:
        """The newest of that type."""
        found = self.world.store.list_alerts(target_id=self.id)
        return next(alert for alert in found if alert["alert_type"] == alert_type)

    def count(self, table: str) -> int:
        """How many rows of it a public table holds."""
        query = sql.SQL("select count(*) from public.{} where target_id = %s").format(sql.Identifier(table))
        row = self.world.db.execute(query, [self.id]).fetchone()
        assert row
        return int(row[0])
