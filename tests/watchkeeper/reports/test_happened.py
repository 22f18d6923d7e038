from datetime import UTC, datetime

from tests.watchkeeper.reports import samples
from watchkeeper.reports.data import Alerts, Incidents
from watchkeeper.reports.document import Paragraph, Table
from watchkeeper.reports.figures import NEAR
from watchkeeper.reports.happened import alert_facts, happened_rows, incident_blocks, severities

MONTH = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)


def told(alerts: Alerts) -> list[tuple[str, str]]:
    return [(fact.value.replace(NEAR, " "), fact.note) for fact in alert_facts(alerts)]


def test_how_fast_people_and_messages_were() -> None:
    assert told(Alerts.model_validate(samples.sla()["alerts"])) == [
        ("3 min 4 s", "mean (MTTA) of 8 alerts"),
        ("25 min 10 s", "mean (MTTR) of 8 alerts"),
        ("75 %", "6 of 8 alerts"),
        ("100 %", "8 of 8 alerts"),
    ]


def test_no_alert_is_not_an_alert_answered_at_once() -> None:
    nothing = Alerts.model_validate(
        {"count": 0, "acknowledged": {"within_5_min": 0, "of": 0, "percent": None}}
    )
    assert [value for value, _ in told(nothing)] == ["not measured"] * 4
    assert told(nothing)[2][1] == "no alerts"


def test_one_is_told_as_one() -> None:
    one = Alerts.model_validate({"count": 1, "delivered": {"within_30_s": 1, "of": 1, "percent": 100}})
    assert told(one)[0][1] == "mean (MTTA) of 1 alert"
    assert told(one)[3] == ("100 %", "1 of 1 alert")


def test_severities_come_worst_first_without_those_that_did_not_occur() -> None:
    assert (
        severities({"low": 1, "medium": 0, "critical": 2, "odd": 3}, 1)
        == "2 critical, 1 low, 3 odd, 1 still open"
    )
    assert severities({}, 0) == ""


def table(incidents: Incidents) -> Table:
    (found,) = [block for block in incident_blocks(incidents) if isinstance(block, Table)]
    return found


def test_no_incident_is_something_else_than_nothing_known() -> None:
    assert table(Incidents(count=0)).empty == "There were no incidents."
    assert table(Incidents()).empty == "Not measured."


def test_incidents_that_are_not_listed_are_counted() -> None:
    many = Incidents.model_validate({**samples.sla()["incidents"], "count": 10_000})
    assert Paragraph("2 of 10,000 incidents are listed.", small=True) in list(incident_blocks(many))
    assert len(table(many).rows) == 2


def test_rows_for_a_spreadsheet() -> None:
    month = samples.sla()
    rows = list(
        happened_rows(
            Incidents.model_validate(month["incidents"]), Alerts.model_validate(month["alerts"]), MONTH
        )
    )
    found = {(row.section, row.name, row.measure): row.value for row in rows}
    assert found["incident", "Certificates end soon", "status"] == "investigating"
    assert found["incident", "all", "open"] == 1
    assert found["alert", "all", "delivered_30_s_of"] == 8
    (open_one,) = {(row.from_at, row.to_at) for row in rows if row.name == "Certificates end soon"}
    assert open_one == (datetime(2026, 10, 20, 9, tzinfo=UTC), None)
