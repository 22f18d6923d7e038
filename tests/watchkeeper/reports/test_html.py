import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from tests.watchkeeper.reports import hostile, samples
from watchkeeper.reports import html, render, sla
from watchkeeper.reports.document import Command, Facts, Heading, Paragraph, Table, Verdict

VOID = {"meta", "img", "br"}
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "h1", "h2", "p", "dl", "dt", "dd", "div",
    "strong", "figure", "svg", "rect", "path", "line", "circle", "text", "table", "thead", "tbody", "tr", "th", "td",
    "pre",
}  # fmt: skip


class Page(HTMLParser):
    """Every tag, every attribute and the text in order; tags must close as they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and data.strip():
            self.words.append(data.strip(" \n"))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.tags if each == tag]


def page(kind: str, data: dict[str, object]) -> Page:
    return Page(render(kind, data, "html").decode())


def test_every_word_and_figure_of_the_document_is_on_the_page() -> None:
    words = page("sla", samples.sla()).words
    for block in sla.document(samples.sla()).blocks:
        match block:
            case Heading() | Paragraph() | Command():
                assert block.text in words
            case Verdict():
                assert {block.word, block.text} <= set(words)
            case Facts():
                for fact in block.facts:
                    assert {fact.label, fact.value, fact.note} <= set(words)
            case Table():
                for row in [tuple(column.label for column in block.columns), *block.rows]:
                    start = words.index(row[0]) if row[0] in words else -1
                    assert start >= 0
                    assert {text for text in row if text} <= set(words)


@pytest.mark.parametrize(("kind", "data"), [("sla", hostile.sla()), ("compliance", hostile.compliance())])
def test_a_hostile_name_is_text_and_nothing_else(kind: str, data: dict[str, object]) -> None:
    found = page(kind, data)
    assert {tag for tag, _ in found.tags} <= ALLOWED
    assert not [
        name for _, attributes in found.tags for name in attributes if name.startswith("on") or name == "href"
    ]
    assert any("<script>alert(1)</script>" in text for text in found.words)


def test_nothing_is_loaded_and_no_script_could_run() -> None:
    text = render("sla", samples.sla(), "html").decode()
    (policy,) = [meta["content"] for meta in Page(text).of("meta") if meta.get("http-equiv")]
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"<script|<link|<iframe|url\(|@import|\sstyle=", text)
    assert set(re.findall(r"https?://[^\"'<\s]+", text)) == {"http://www.w3.org/2000/svg"}  # the name of SVG


def test_it_has_colours_for_the_dark_for_paper_and_for_telephones() -> None:
    for feature in ("prefers-color-scheme:dark", "@media print", "max-width:44rem"):
        assert feature in html.STYLE
    found = page("sla", samples.sla())
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in found.of("meta")
    assert all(cell.get("data-label") for cell in found.of("td"))


def test_charts_are_drawn_for_both_widths() -> None:
    found = page("sla", samples.sla())
    assert [svg["width"] for svg in found.of("svg")] == ["680", "330"] * 3


def test_tables_say_which_heads_are_columns() -> None:
    assert {head["scope"] for head in page("sla", samples.sla()).of("th")} == {"col"}
