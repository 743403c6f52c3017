"""A list of ids by deadline."""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import chain, islice

from events.instants import Instant


class Deadlines:
    """Ids by deadline, the soonest first. Ids without a deadline follow, the last added last."""

    def __init__(self) -> None:
        self._sorted: list[tuple[Instant, str]] = []
        self._endless: dict[str, None] = {}

    def add(self, due: Instant | None, id_: str) -> None:
        """Add an id; `due` is None if it has no deadline."""
        if due is None:
            self._endless[id_] = None
        else:
            insort(self._sorted, (due, id_))

    def remove(self, due: Instant | None, id_: str) -> None:
        """Remove an id that was added with this deadline, if it is there."""
        if due is None:
            self._endless.pop(id_, None)
            return
        index = bisect_left(self._sorted, (due, id_))
        if self._sorted[index : index + 1] == [(due, id_)]:
            del self._sorted[index]

    def first(self, count: int, skip: int = 0) -> list[str]:
        """Return the first ids, at most `count`, without the first `skip` of them."""
        ids = chain((id_ for _, id_ in self._sorted), self._endless)
        return list(islice(ids, skip, skip + count))

    def __len__(self) -> int:
        return len(self._sorted) + len(self._endless)
