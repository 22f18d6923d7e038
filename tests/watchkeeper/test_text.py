import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.text import Markup, Wording, body, cut, harmless, plain_link, utf16


@pytest.mark.parametrize(
    "text", ["@everyone", "@here", "a @ann b", "mail@example.com", "{{x}}", "${x}", "{%x%}", "$(x)"]
)
def test_harmless_words_look_the_same_and_do_nothing(text: str) -> None:
    assert harmless(text) != text
    assert harmless(text).replace("\u200b", "") == text


def test_harmless_leaves_plain_words_alone() -> None:
    text = "height 12 @ 5 s: 100 % {ok} $5 (x)"
    assert harmless(text) == text


LIVE = re.compile(r"@[^\s\u200b]|\{\{|\$\{|\{%")


@given(st.text(max_size=300))
def test_no_text_is_left_with_a_mention_or_a_template(text: str) -> None:
    assert not LIVE.search(harmless(text))


DOUBLED = Markup(lambda text: text.replace("&", "&amp;"), plain_link, utf16)


@given(st.text(alphabet=st.sampled_from("a&😀é\n"), max_size=80), st.integers(0, 60))
def test_a_cut_fits_and_is_a_beginning(text: str, limit: int) -> None:
    written = cut(text, limit, DOUBLED)
    assert utf16(written) <= limit
    plain = written.replace("&amp;", "&")
    assert plain == text or not plain or text.startswith(plain.removesuffix("…"))
    assert "&" not in written.replace("&amp;", "")


LINES = st.lists(st.text(max_size=400), max_size=60)


@given(LINES, LINES, st.integers(0, 3000))
def test_a_body_fits(lines: list[str], told: list[str], limit: int) -> None:
    said = Wording(
        "t",
        tuple(lines),
        tuple(("Fact", text) for text in told),
        (("Alert", "https://x/"),),
        "info",
        "trigger",
    )
    assert utf16(body(said, limit, DOUBLED)) <= limit
