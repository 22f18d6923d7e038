"""Data that is almost right."""

from typing import Any

from hypothesis import strategies as st


def near(value: object) -> st.SearchStrategy[Any]:
    """The value, or something else in any of its places."""
    odd = st.sampled_from([None, 0, -1, 1.5, True, "", "evm", "x", [], ["x"], {}, {"x": "y"}])
    if isinstance(value, dict):
        return odd | st.fixed_dictionaries({}, optional={key: near(item) for key, item in value.items()})
    if isinstance(value, list):
        return odd | st.tuples(*map(near, value)).map(list)
    return st.just(value) | odd
