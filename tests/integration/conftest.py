"""Fixtures of this tier."""

from __future__ import annotations

import pytest

from eventlog.kafka import shard_buffer


@pytest.fixture(scope="session", autouse=True)
def server_of_commands(postgres: str) -> str:
    """Give every command that a test runs the tests' own Postgres server."""
    return postgres


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a reader over Kafka ask soon because of silence."""
    monkeypatch.setattr(shard_buffer, "SILENCE_SECONDS", 0.5)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no reader over Kafka ask because of silence."""
    monkeypatch.setattr(shard_buffer, "SILENCE_SECONDS", 1e6)
