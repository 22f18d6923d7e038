"""Reading YAML with the line of every value, and refusing what is not plain data."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cli.yaml_file import FileError, parse, place_of, read, spell

TEXT = """\
# a comment
targets:
  - name: anvil
    checks:
      p2p: {interval_s: 30}
  - name: two
"""


def refusal(text: str) -> str:
    with pytest.raises(FileError) as caught:
        parse(text, "my.yaml")
    return str(caught.value)


def test_each_value_knows_its_line() -> None:
    document = parse(TEXT, "my.yaml")
    assert document.data == {
        "targets": [{"name": "anvil", "checks": {"p2p": {"interval_s": 30}}}, {"name": "two"}]
    }
    assert document.line_of(("targets", 0, "checks", "p2p", "interval_s")) == 5
    assert document.line_of(("targets", 1, "name")) == 6


def test_what_is_missing_has_the_line_of_what_is_around_it() -> None:
    assert parse(TEXT, "my.yaml").line_of(("targets", 1, "checks", "p2p")) == 6


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("12:30:45", "12:30:45"),
        ("2026-11-23", "2026-11-23"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("=", "="),
        ("<<", "<<"),
        ("007", 7),
        ("1e3", 1000.0),
        ("-2.5", -2.5),
        ("true", True),
        ("~", None),
        ("''", ""),
        ("'5'", "5"),
    ],
)
def test_a_plain_value_is_what_json_would_call_it(text: str, value: object) -> None:
    found = parse(f"a: {text}", "my.yaml").data["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "my.yaml:2: a: is given twice (first on line 1)"),
        ("a:\n  - {b: 1, c: 2,\n     b: 3}", "my.yaml:3: a[0].b: is given twice (first on line 2)"),
        ("a: &x 1\nb: *x\n", "my.yaml:1: anchors and aliases are not supported; write the value out"),
        ("a: !!python/object/apply:os.system [ls]", "my.yaml:1: tags are not supported"),
        ("a: !Ref x", "my.yaml:1: tags are not supported (Ref)"),
        ("a: 1\n---\nb: 2\n", "my.yaml:2: is not YAML: but found another document"),
        ("a: [1\nb: 2\n", "my.yaml:2: is not YAML:"),
        ("a:\n\t- b\n", "my.yaml:2: is not YAML:"),
        ("? [a]\n: b\n", "my.yaml:1: a key must be a text"),
        ("a: \x01\n", "my.yaml:1: is not YAML:"),
        ("[" * 30 + "]" * 30, "my.yaml:1: is nested more than 20 deep"),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_line(text: str, said: str) -> None:
    assert refusal(text).startswith(said)


def test_all_repeated_keys_are_told_at_once() -> None:
    assert len(refusal("a: 1\na: 2\nb: 1\nb: 2\n").splitlines()) == 2


def test_a_bomb_of_aliases_costs_nothing() -> None:
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))
    assert "anchors" in refusal(f"a0: &a0 x\n{levels}")


@pytest.mark.parametrize("nested", ["[" * 500_000, "{a: " * 250_000, "- " * 400_000, "a:\n" + " [" * 400_000])
def test_deep_nesting_does_not_exhaust_the_stack(nested: str) -> None:
    assert "nested" in refusal(nested) or "not YAML" in refusal(nested)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(FileError, match=r"my\.yaml:1: is larger than 1 MiB"):
        read(path)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(FileError, match=r"my\.yaml:2: is not UTF-8 text"):
        read(path)


def test_a_file_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"my\.yaml:1: cannot be read: No such file"):
        read(tmp_path / "my.yaml")


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read(path).data == {"a": 1}


def test_an_empty_file_has_no_data() -> None:
    assert parse("# nothing\n", "my.yaml").data is None


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text, "my.yaml")
    except FileError as error:
        assert str(error).startswith("my.yaml:")  # noqa: PT017


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_number_is_finite_or_a_text(number: float) -> None:
    found = parse(f"a: {number!r}", "my.yaml").data["a"]
    assert isinstance(found, str) or math.isfinite(found)


@given(st.lists(st.from_regex(r"[a-z_]{1,5}", fullmatch=True) | st.integers(0, 99), min_size=1, max_size=5))
def test_a_place_is_spelled_so_that_it_can_be_found_again(parts: list[str | int]) -> None:
    place = ("targets", *parts)
    assert place_of(spell(place)) == place
