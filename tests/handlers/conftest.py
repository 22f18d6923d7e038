"""A fresh pretended database and settings for each test of a handler."""

import pytest

from tests.handlers.doubles import Rpcs
from watchkeeper.settings import Settings


@pytest.fixture
def rpcs() -> Rpcs:
    return Rpcs()


@pytest.fixture
def settings() -> Settings:
    return Settings("http://db", "key", private_targets="loopback")
