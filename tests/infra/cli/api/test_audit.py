"""The audit log, on the real API."""

from infra.cli.api import OperatorStore
from watchkeeper.store import Json


def test_a_change_is_in_the_audit_log_which_is_whole(store: OperatorStore, target: Json) -> None:
    (entry,) = store.list_audit_log("targets", "operator", target["name"], max_rows=5)
    assert (entry["action"], entry["after"]["id"]) == ("insert", target["id"])
    assert store.export_audit_log(after_seq=entry["seq"] - 1, max_rows=1)["rows"] == [entry]
    head = store.audit_head()
    assert store.verify_audit_log(entry["seq"], [head])["ok"] is True
