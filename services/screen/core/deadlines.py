"""A list of ids by deadline."""

from __future__ import annotations

from bisect import bisect_left, insort

from events.instants import LATEST, Instant


class Deadlines:
    """Ids by deadline, the soonest first. Ids without a deadline follow.

    Ids of one deadline are in the order of their texts, so that replicas show the same list, in
    whatever order they read the logs.
    """

    def __init__(self) -> None:
        self._sorted: list[tuple[Instant, str]] = []

    def add(self, due: Instant | None, id_: str) -> None:
        """Add an id; `due` is None if it has no deadline."""
        insort(self._sorted, entry(due, id_))

    def remove(self, due: Instant | None, id_: str) -> None:
        """Remove an id that was added with this deadline, if it is there."""
        wanted = entry(due, id_)
        index = bisect_left(self._sorted, wanted)
        if self._sorted[index : index + 1] == [wanted]:
            del self._sorted[index]

    def first(self, count: int, skip: int = 0) -> list[str]:
        """Return the first ids, at most `count`, without the first `skip` of them."""
        return [id_ for _, id_ in self._sorted[skip : skip + count]]

    def __len__(self) -> int:
        return len(self._sorted)


def entry(due: Instant | None, id_: str) -> tuple[Instant, str]:
    """Return an id with the key by which it is sorted."""
    return LATEST if due is None else due, id_
