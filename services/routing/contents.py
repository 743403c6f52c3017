"""Contents of reference data, fetched before the rows that adopt them are applied."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from eventlog.core.row import Row
from events.catalogue import ReferenceAdopted, RosterAdopted
from events.registry import latest

Lookup = Callable[[Sequence[str]], Awaitable[Mapping[str, bytes]]]


class Contents(Mapping[str, bytes]):
    """Contents by digest (hex SHA-256), as far as they were fetched. `lookup` asks intake."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._known: dict[str, bytes] = {}

    def __getitem__(self, digest: str) -> bytes:
        return self._known[digest]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    async def fetch(self, rows: Sequence[Row]) -> None:
        """Fetch the contents that rows adopt.

        A content that intake does not have stays missing. The decider says so.
        """
        events = (latest(row.event) for row in rows)
        named = [
            event.digest for event in events if isinstance(event, ReferenceAdopted | RosterAdopted)
        ]
        missing = [digest for digest in named if digest and digest not in self._known]
        if missing:
            self._known.update(await self._lookup(missing))
