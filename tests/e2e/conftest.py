"""Fixtures of this tier."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.harness.live import Process, adopt_exampleville


@pytest.fixture(scope="session", autouse=True)
def server_of_commands(postgres: str) -> str:
    """Give every command that a test runs the tests' own Postgres server."""
    return postgres


@pytest.fixture
def city(database: str) -> tuple[str, str]:
    """A database with the made-up city, and a key."""
    return database, adopt_exampleville(database)


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """End every process that a test started."""
    running: list[Process] = []
    yield running
    for process in running:
        process.end(signal.SIGKILL)
