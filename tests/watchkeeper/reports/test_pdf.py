import io
import os
import subprocess
import sys
from typing import Any

import pypdf
import pytest

from tests.watchkeeper.reports import hostile, samples
from watchkeeper.reports import render, sla
from watchkeeper.reports.document import Command, Facts, Heading, Paragraph, Table, Verdict
from watchkeeper.reports.pdf import NOTE, showable, wrap


def read(kind: str, data: dict[str, Any]) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(render(kind, data, "pdf")))


def pages(reader: pypdf.PdfReader) -> list[str]:
    """The text of each page, every run of spaces and line ends as one space."""
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def squeezed(text: str) -> str:
    """Without any space: a wrapped text is found as well."""
    return "".join(text.split())


def test_every_word_and_figure_of_the_document_is_in_it() -> None:
    text = squeezed("".join(pages(read("sla", samples.sla()))))
    for block in sla.document(samples.sla()).blocks:
        match block:
            case Heading() | Paragraph() | Command():
                assert squeezed(block.text) in text
            case Verdict():
                assert squeezed(block.word + block.text) in text
            case Facts():
                for fact in block.facts:
                    assert squeezed(fact.label) in text
                    assert squeezed(fact.value) in text
            case Table():
                for row in block.rows:
                    assert squeezed(row[-1]) in text


def test_page_one_has_the_figures_of_the_month() -> None:
    first = pages(read("sla", samples.sla()))[0]
    for figure in (
        "Ledger Hosting AG",
        "October 2026",
        "Objective met",
        "99.9812 %",
        "50 min 12 s",
        "3 h 36 min 41 s",
    ):
        assert figure in first


def test_a_row_is_read_as_a_line() -> None:
    text = " ".join(pages(read("sla", samples.sla())))
    assert "eth-node-1 2026-10-03 04:17:05 2026-10-03 04:27:05 10 min" in text


def test_greek_and_cyrillic_have_letters() -> None:
    text = " ".join(pages(read("sla", samples.sla())))
    assert "Узел Тест" in text
    assert "κόμβος" in text
    assert NOTE not in text


def test_sheets_are_a4_numbered_and_headed() -> None:
    reader = read("sla", samples.sla())
    for n, page in enumerate(pages(reader), 1):
        assert f"Page {n} of {len(reader.pages)}" in page
        assert ("Service level report: Ledger Hosting AG, October 2026" in page) == (n > 1)
    assert {tuple(round(float(side)) for side in page.mediabox[2:]) for page in reader.pages} == {(595, 842)}


def test_bookmarks_lead_to_the_parts() -> None:
    reader = read("sla", samples.sla())
    headings = [block.text for block in sla.document(samples.sla()).blocks if isinstance(block, Heading)]
    assert [str(mark["/Title"]) for mark in reader.outline if isinstance(mark, dict)] == headings
    assert reader.metadata is not None
    assert reader.metadata.title == "Service level report: Ledger Hosting AG, October 2026"


def test_a_table_that_breaks_repeats_its_head() -> None:
    targets = [samples.target(f"target-{n:03}", n) for n in range(500)]
    found = pages(read("sla", samples.sla(targets=targets)))
    with_targets = [page for page in found[1:] if "testnet-sepolia" in page]
    assert len(with_targets) > 10
    assert all("Target Network Available Down Unknown Maintenance Objective" in page for page in with_targets)
    assert {f"target-{n:03}" for n in range(500)} <= set(" ".join(found).split())


def test_what_the_letters_lack_is_named_and_never_an_error() -> None:
    text = " ".join(pages(read("sla", hostile.sla())))
    assert NOTE in text
    assert "[U+1F600] node" in text
    assert squeezed("[U+6771][U+4EAC][U+30CE]") in squeezed(text)
    assert "<script>alert(1)</script>" in text
    assert "\x1b" not in text
    read("compliance", hostile.compliance())


def test_a_cell_that_fills_pages_is_cut() -> None:
    long = "word " * 400
    reader = read(
        "compliance", samples.compliance(members=[{"a": long, "b": long, "c": long, "d": long, "e": long}])
    )
    assert len(reader.pages) < 6
    assert "…" in " ".join(pages(reader))


def test_the_same_data_make_the_same_bytes_whenever_and_wherever() -> None:
    script = (
        "import sys; from tests.watchkeeper.reports import samples; from watchkeeper.reports import render;"
        "sys.stdout.buffer.write(render('sla', samples.sla(), 'pdf'))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONHASHSEED": "7",
            "TZ": "Asia/Tokyo",
        },
        capture_output=True,
        check=True,
    ).stdout
    assert render("sla", samples.sla(), "pdf") == elsewhere


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("e\u0301", "é"),
        ("a\ufe0fb\u200dc", "abc"),
        ("語", "[U+8A9E]"),
        ("≤ → ✓ € ₿", "≤ → ✓ € ₿"),
    ],
)
def test_characters_are_shown_or_numbered(text: str, shown: str) -> None:
    have = {ord(c) for c in "plaineéabc ≤→✓€₿"}
    assert showable(text, have) == shown


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("one two", ["one two"]),
        ("one two three four", ["one two", "three four"]),
        ("abcdefghijklmnop", ["abcdefghij", "klmnop"]),
        ("node-1.example.org", ["node-1.", "example.", "org"]),
        ("12 34567\u00a0min", ["12", "34567\u00a0min"]),
    ],
)
def test_text_is_wrapped_at_spaces_then_signs_then_anywhere(text: str, lines: list[str]) -> None:
    assert wrap(text, 10, lambda part: float(len(part))) == lines
