"""Fixtures of this tier."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def server_of_commands(postgres: str) -> str:
    """Give every command that a test runs the tests' own Postgres server."""
    return postgres
