"""One stage of every shard: makes the stage, and the runner between the logs that it connects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from eventlog.checkpoints import Fetch
from eventlog.core.decider import Decider
from eventlog.core.log import Source
from eventlog.core.lookups import Lookup
from eventlog.core.stage import Stage
from eventlog.input_order import InputOrder, MergedOrder, SingleOrder
from eventlog.runner import BATCH, Runner, nothing_to_fetch

S = TypeVar("S")
R = TypeVar("R")


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
        sink = logs[self.sink]
        return Runner(self.make(shard), order, sink, batch, self.fetch, sink.states, sink.tracing)


def order_of(sources: Sequence[Source]) -> InputOrder:
    """Return the order of the rows of one log, or of two."""
    return SingleOrder(*sources) if len(sources) == 1 else MergedOrder(*sources)


def versioned_stage(
    versions: Mapping[str, Decider[S, R]],
    shard: str,
    lookup: Lookup[R] | None = None,
    adopts_from: str = "",
) -> Stage[S, R]:
    """Return the stage of a shard, with the deciders of all versions, the oldest first.

    The oldest decides until one is adopted, so that a log which began without an adoption replays
    under later builds, too.
    """
    oldest = next(iter(versions.values()))
    return Stage(oldest, shard, lookup, versions, adopts_from)
