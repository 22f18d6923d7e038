from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.errors import Inconclusive, SettingsError, StoreError, clean


@given(st.text(alphabet=st.characters(codec=None)), st.integers(2, 50))
def test_a_cleaned_text_is_one_printable_line_that_postgres_takes(text: str, limit: int) -> None:
    line = clean(text, limit)
    assert len(line) <= limit
    assert line.isprintable()
    line.encode()


def test_a_long_reason_is_cut_where_it_shows() -> None:
    assert Inconclusive("x" * 1000).reason == "x" * 499 + "…"


def test_errors_name_what_is_wrong() -> None:
    assert str(SettingsError("SUPABASE_URL", "is not set")) == "SUPABASE_URL: is not set"
    assert str(StoreError("42501", "only for\nadmins", "token")) == "42501: only for admins"
