"""A fresh database and settings for each test of a handler."""

import pytest

from tests.handlers.doubles import Database
from watchkeeper.settings import Settings


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def settings() -> Settings:
    return Settings("http://db", "key", private_targets="loopback")
