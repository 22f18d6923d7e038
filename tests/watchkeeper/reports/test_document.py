from datetime import UTC, datetime

from watchkeeper.reports.document import Column, Document, Table, table


def test_it_has_a_name_in_one_line() -> None:
    document = Document(
        "Service level report", "Ledger", "October 2026", (), datetime(2026, 11, 2, tzinfo=UTC), ()
    )
    assert document.name == "Service level report: Ledger, October 2026"


def test_a_table_is_made_of_any_sequences_and_stays_as_it_was_made() -> None:
    rows = [["a", "1"]]
    made = table([Column("Name"), Column("Number", align="right")], rows, "Nothing.")
    rows[0][0] = "changed"
    assert made == Table((Column("Name"), Column("Number", align="right")), (("a", "1"),), "Nothing.")
