"""The audit log."""

from collections.abc import Mapping, Sequence
from typing import Any

from watchkeeper.store import Json, Store


class Audit(Store):
    """For auditors and admins. An entry: {seq, at, actor, action, table_name, row_key, before, after, hash, ...}."""

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
        """Is the chain whole, and does it have the heads that were noted outside (`expected`: {seq, hash})?

        Returns {ok, rows, head, first_broken, next_seq}; `next_seq` is where to go on after `max_rows`.
        """
        args = {"from_seq": from_seq, "expected": expected, "max_rows": max_rows}
        return self._object("verify_audit_log", args, repeatable=True)
