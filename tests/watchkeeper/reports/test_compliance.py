from typing import Any

import pytest

from tests.watchkeeper.reports import samples
from watchkeeper.reports import compliance
from watchkeeper.reports.document import Document, Facts, Heading, Table, Verdict


def made(**changes: Any) -> Document:
    return compliance.document(samples.compliance(**changes))


def verdict(document: Document) -> Verdict:
    (found,) = [block for block in document.blocks if isinstance(block, Verdict)]
    return found


def table(document: Document, heading: str) -> Table:
    start = document.blocks.index(Heading(heading))
    return next(block for block in document.blocks[start:] if isinstance(block, Table))


def controls(*found: bool | None) -> list[dict[str, Any]]:
    return [{"name": f"control {n}", "ok": ok, "detail": "seen"} for n, ok in enumerate(found)]


@pytest.mark.parametrize(
    ("found", "word", "text", "tone"),
    [
        ((True, True), "All controls hold", "2 controls examined.", "good"),
        ((True, False), "1 control does not hold", "2 controls examined, 0 of them not known.", "bad"),
        ((None, False, False), "2 controls do not hold", "3 controls examined, 1 of them not known.", "bad"),
        ((True, None), "Not known of 1 control", "2 controls examined; the others hold.", "unknown"),
        ((), "Not measured", "No control was examined.", "unknown"),
    ],
)
def test_controls_are_summed_up_and_unknown_is_not_good(
    found: tuple[bool | None, ...], word: str, text: str, tone: str
) -> None:
    summary = verdict(made(controls=controls(*found)))
    assert (summary.word, summary.text, summary.tone) == (word, text, tone)


def test_page_one_counts_people_and_controls() -> None:
    (facts,) = [block for block in made().blocks if isinstance(block, Facts)]
    found = {fact.label: fact.value for fact in facts.facts}
    assert (found["Controls that hold"], found["People with access"], found["Incidents"]) == (
        "2 of 3",
        "2",
        "2",
    )


def test_the_checklist_says_what_was_found() -> None:
    assert table(made(), "Controls").rows == (
        ("Row-level security covers every table", "holds", "58 of 58 tables"),
        ("Audit chain intact", "holds", "1,204 rows, head 9f86d081"),
        ("Backups are recent", "not known", "Nobody told Watchkeeper of a backup."),
    )


def test_records_are_shown_with_their_own_columns() -> None:
    access = table(made(), "Changes of access")
    assert [column.label for column in access.columns] == ["At (UTC)", "Actor", "Action", "Member", "Role"]
    assert access.rows == (
        ("2026-10-07 12:30:00", "ada@example.org", "insert", "björn@example.org", "auditor"),
    )
    changes = table(made(), "Changes by table")
    assert [(column.label, column.align) for column in changes.columns] == [
        ("Table name", "left"),
        ("Insert", "right"),
        ("Update", "right"),
        ("Delete", "right"),
    ]
    assert changes.rows[0] == ("targets", "6", "30", "1")


def test_tools_are_told_with_their_times_and_what_is_missing_in_words() -> None:
    tools = table(made(), "Tools that had access")
    assert [column.label for column in tools.columns] == [
        "Name",
        "Role",
        "Since (UTC)",
        "Until (UTC)",
        "Created by",
        "Revoked (UTC)",
        "Last used (UTC)",
    ]
    ended = "2026-10-20 16:05:00"
    assert tools.rows == (
        ("ci", "ingest", "2026-09-01 08:00:00", ended, "ada@example.org", ended, "2026-10-20 15:59:12"),
        ("grafana", "metrics", "2026-10-02 10:00:00", "2026-12-31 10:00:00", "operator", "no", "no use noted"),
    )  # fmt: skip
    people = table(made(), "Who had access")
    assert people.rows[0] == ("ada@example.org", "admin", "before the log", "still")


def test_very_many_records_are_counted() -> None:
    document = made(members=[{"email": f"{n}@example.org"} for n in range(1500)])
    assert len(table(document, "Who has access").rows) == 1000
    assert "The first 1,000 of 1,500 lines." in [getattr(block, "text", "") for block in document.blocks]


def test_nothing_is_said_in_words() -> None:
    month = samples.sla()
    document = compliance.document({"from": month["from"], "to": month["to"], "access": [], "close": None})
    assert table(document, "Changes of access") == Table((), (), "None.")
    (facts,) = [block for block in document.blocks if isinstance(block, Facts)]
    assert {fact.value for fact in facts.facts} == {"not measured"}


def test_what_the_database_tells_beyond_that_is_shown_as_it_comes() -> None:
    tokens = {"active": 3, "oldest_at": "2026-01-02T00:00:00Z", "by_role": {"ingest": 2}, "names": ["a", "b"]}
    document = made(tokens=tokens, note="written by hand")
    assert table(document, "Tokens").rows == (("3", "2026-01-02 00:00:00"),)
    assert table(document, "Tokens: by role").rows == (("2",),)
    assert table(document, "Tokens: names").rows == (("a",), ("b",))
    assert table(document, "Note").rows == (("written by hand",),)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not measured"),
        (True, "yes"),
        (False, "no"),
        (1234, "1,234"),
        (0.5, "0.5"),
        ("2026-10-07T14:30:00+02:00", "2026-10-07 12:30:00"),
        ("2026-10-07 of all days, a text", "2026-10-07 of all days, a text"),
        ("text\nof\x00two lines", "text of two lines"),
        (["a", {"b": "ü"}], '["a", {"b": "ü"}]'),
    ],
)
def test_values_of_records_are_told_in_words(value: object, text: str) -> None:
    assert compliance.shown(value) == text


def test_every_record_is_a_row_for_a_spreadsheet() -> None:
    found = {(row.section, row.id, row.measure): row.value for row in compliance.rows(samples.compliance())}
    assert found["members", "2", "email"] == "björn@example.org"
    assert found["changes.by_table", "1", "update"] == 30
    assert found["api_tokens", "1", "revoked_at"] == "2026-10-20T16:05:00.000000Z"
    assert found["alert", "", "delivered_30_s_percent"] == 100
    assert {row.section for row in compliance.rows(samples.compliance())} >= {
        "control",
        "access",
        "changes.by_actor",
    }
