"""A concern is a file with its tests: no RPC is called from two of them, and each is called by its test."""

import re
from collections import Counter
from pathlib import Path

import pytest

from infra.cli.api import OperatorStore
from watchkeeper.store import Store

CONCERNS = OperatorStore.__bases__


def methods(concern: type) -> list[str]:
    return [name for name in vars(concern) if not name.startswith("_")]


def test_no_concern_hides_a_method_of_another() -> None:
    found = Counter(name for concern in (Store, *CONCERNS) for name in methods(concern))
    assert [name for name, times in found.items() if times > 1] == []


@pytest.mark.parametrize("concern", CONCERNS, ids=lambda concern: concern.__name__)
def test_every_method_is_called_by_the_test_of_its_file(concern: type) -> None:
    files = ("conftest.py", f"test_{concern.__module__.rpartition('.')[2]}.py")
    source = "".join(Path(__file__).with_name(file).read_text() for file in files)
    assert set(methods(concern)) <= set(re.findall(r"(?:[sS]tore|pretended)\.(\w+)", source))
