"""A world of the toy domain, for rules that no service uses in all their parts.

The executable model of the kernel runs beside it. It is the one that notices.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from eventlog.codec import envelope
from events.instants import Instant
from tests.harness.kernel.events import toy_events
from tests.harness.kernel.schedule import index_of, toy_model
from tests.harness.kernel.shard import ToyShard


class ToyWorld:
    """A shard of the toy domain beside the model."""

    def __init__(self) -> None:
        self.shard = ToyShard()
        self.model = toy_model()

    def come(self, at: Instant, *events: Any) -> None:
        for event in events:
            input_ = self.shard.new_input(event, at)
            self.shard.apply([input_])
            self.model.apply(input_)

    def die(self) -> None:
        """Let the owner die. A new one replays the log."""
        self.shard.replay()

    async def judge(self) -> set[str]:
        real, expected = self.shard.log, self.model.rows
        outcomes = set()
        if [envelope(row) for row in real] != [envelope(row) for row in expected]:
            outcomes.add("model: rows")
        if index_of(self.shard.stage) != self.model.world.index():
            outcomes.add("model: index")
        return outcomes


@asynccontextmanager
async def in_toytown(patch: pytest.MonkeyPatch, url: str) -> AsyncIterator[ToyWorld]:
    with toy_events():
        yield ToyWorld()
