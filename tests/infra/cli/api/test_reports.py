"""Reports, on the real API."""

from datetime import UTC, datetime, timedelta
from secrets import token_hex

from infra.cli.api import OperatorStore
from tests.infra.cli.api.listed import of


def test_a_report_is_asked_for_claimed_settled_and_renewed(store: OperatorStore) -> None:
    title = f"calls-{token_hex(4)}"
    wanted = {"formats": ["csv"], "title": title, "match": {"targets": [title]}}
    report = store.request_report("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", **wanted)
    claimed = store.claim_report(60)
    while claimed and claimed["id"] != report["id"]:  # another test's
        claimed = store.claim_report(60)
    assert claimed
    lease = {"id": report["id"], "lease_id": claimed["lease_id"]}
    assert store.get_report_data(report["id"], claimed["lease_id"])["title"] == title
    assert store.settle_report({**lease, "outcome": "making", "progress": 50}) == {"settled": True}
    (found,) = [r for r in store.list_reports(max_rows=50) if r["id"] == report["id"]]
    assert (found["status"], found["progress"]) == ("making", 50)
    file = {"format": "csv", "name": "a.csv", "key": "reports/a", "bytes": 1, "sha256": "0" * 64}
    expires = datetime.now(UTC) + timedelta(hours=1)
    links = {"links": {"csv": "https://s3/a"}, "links_expire_at": expires.isoformat()}
    made = {**lease, "outcome": "made", "files": [file], **links}
    assert store.settle_report(made) == {"settled": True}
    assert store.settle_report(made) == {"settled": False}
    assert store.renew_report(report["id"])["status"] == "requested"
    again = store.claim_report(60)
    assert again
    assert again["files"] == [file]
    assert store.settle_report({**made, "lease_id": again["lease_id"]}) == {"settled": True}
    assert store.claim_report(60) is None


def test_a_plan_of_reports_is_saved_listed_and_deleted(store: OperatorStore) -> None:
    name = f"calls-{token_hex(4)}"
    assert store.save_report_plan({"name": name})["formats"] == ["html", "pdf", "csv", "json"]
    assert of(name, store.list_report_plans())[0]["newest"] is None
    store.delete_report_plan(name)
    assert of(name, store.list_report_plans()) == []


def test_the_figures_of_compliance_can_be_read(store: OperatorStore) -> None:
    span = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    assert isinstance(store.get_compliance_report(*span), dict)
