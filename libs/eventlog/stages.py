"""One stage of every shard: makes the stage, and the runner between the logs that it connects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eventlog.core.log import Source
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from eventlog.input_order import InputOrder, MergedOrder, SingleOrder
from eventlog.runner import BATCH, Runner, nothing_to_fetch

Fetch = Callable[[Sequence[Row]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The stages of a service by shard. Each reads the logs `sources` and writes the log `sink`.

    Two sources are merged: at one instant all rows of the first come before those of the second.
    `fetch` fetches what rows refer to before a runner applies the rows that need it.
    """

    make: Callable[[str], Stage[Any, Any]]
    sources: tuple[str, ...]
    sink: str
    fetch: Fetch = nothing_to_fetch

    def processor(
        self, shard: str, logs: Mapping[str, Any], batch: int = BATCH
    ) -> Runner[Any, Any]:
        """Return a runner with a fresh stage, between some of the logs."""
        order = order_of([logs[name] for name in self.sources])
        return Runner(self.make(shard), order, logs[self.sink], batch, self.fetch)


def order_of(sources: Sequence[Source]) -> InputOrder:
    """Return the order of the rows of one log, or of two."""
    return SingleOrder(*sources) if len(sources) == 1 else MergedOrder(*sources)
