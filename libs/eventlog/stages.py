"""One stage of every shard: makes the stage, and the runner between the logs that it connects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eventlog.core.log import Log
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from eventlog.runner import BATCH, Runner, nothing_to_fetch

Fetch = Callable[[Sequence[Row]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The stages of a service by shard. Each reads the log `source` and writes the log `sink`.

    `fetch` fetches what rows of `source` refer to before a runner applies the rows that need it.
    """

    make: Callable[[str], Stage[Any, Any]]
    source: str
    sink: str
    fetch: Fetch = nothing_to_fetch

    @property
    def sources(self) -> tuple[str]:
        """Return the one log that the stage reads."""
        return (self.source,)

    def processor(
        self, shard: str, logs: Mapping[str, Log], batch: int = BATCH
    ) -> Runner[Any, Any]:
        """Return a runner with a fresh stage, between two of the logs."""
        return Runner(self.make(shard), logs[self.source], logs[self.sink], batch, self.fetch)
