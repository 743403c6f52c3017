"""Fixtures of this tier."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from eventlog.kafka import shard_buffer
from tests.harness.histories import END
from tests.harness.read_models import DRAFTS, ROWS, ScreenWorld, screen_world


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


@pytest.fixture
async def world(database: str) -> AsyncIterator[ScreenWorld]:
    """Open the read models of a city whose logs are empty."""
    async with screen_world(database) as opened:
        yield opened


@pytest.fixture
async def city(world: ScreenWorld) -> ScreenWorld:
    """Return the world after its whole history was written, and nothing read."""
    await world.write(DRAFTS, ROWS)
    await world.announce(END)
    return world
