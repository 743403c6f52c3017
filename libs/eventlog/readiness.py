"""Readiness: the shards of a service on which nobody works now, and why.

Probes are open to anyone and get counts. A sentence for each shard names its district.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from eventlog.condition import Replay


class Obstacle(NamedTuple):
    """The reason for which a shard is not worked on. `name` is that of its log and district."""

    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.name}: {self.what}"


def reasons(
    service: str,
    shards: int,
    obstacles: Sequence[Obstacle],
    replays: Sequence[Replay],
    *,
    named: bool,
) -> list[str]:
    """Return why a service with so many shards is not ready; nothing if it is.

    Each shard has a sentence if districts may be `named`, else they are counted.
    """
    if named:
        return [*map(str, obstacles), *map(str, replays)]
    counts = Counter(obstacle.what for obstacle in obstacles)
    counted = [f"{service}: {count} of {shards} {what}" for what, count in counts.items()]
    if replays:
        total = sum_of(service, replays)
        counted.append(f"{service}: {len(replays)} of {shards} replaying, {total.percent} %")
    return counted


def sum_of(name: str, replays: Sequence[Replay]) -> Replay:
    """Return the progress of several replays together."""
    folded = sum(replay.folded for replay in replays)
    return Replay(name=name, folded=folded, rows=sum(replay.rows for replay in replays))
