"""State rows in memory, for owners that die, wake as zombies, or lose answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random

from eventlog.checkpoints import Cadence
from eventlog.core.log import MemoryLog
from eventlog.core.row import Row
from eventlog.state_codec import StateRow
from events.errors import Conflict, Unavailable

AT_ONCE = Cadence(rows=1, part=1)


class StateTable:
    """The state rows of one shard of a log, which its owners share.

    No state row has a row of the log after `last`.
    """

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.rows: dict[str, StateRow] = {}
        self.epoch = 0
        self.version = ""
        self.position = 0
        self.loads = 0  # How often an owner has asked for rows by their names.
        self.further = 0  # Checkpoints with rows after their recovery position.
        self.last: Row | None = None

    async def is_of_log(self, shard: str) -> bool:
        """Tell whether the log has the last row that is in the states."""
        last = self.last
        return last is not None and await self.log.row(shard, last.position) is last


class MemoryStates:
    """The state rows as one owner writes them. Each owner has an epoch of its own."""

    def __init__(self, table: StateTable, cadence: Cadence = AT_ONCE, epoch: int = 0) -> None:
        self.cadence = cadence
        self.table = table
        self.epoch = epoch or table.epoch + 1

    async def claim(self, shard: str, version: str) -> int:
        if self.epoch < self.table.epoch:
            raise Conflict("the states have another owner")
        self.table.epoch = self.epoch
        if self.table.version != version or not await self.table.is_of_log(shard):
            self.table.version, self.table.position = version, 0
        return self.table.position

    async def drop(self, shard: str) -> None:
        self._check_owner()
        self.table.rows.clear()
        self.table.position, self.table.last = 0, None

    async def live(self, shard: str) -> Sequence[StateRow]:
        return [row for row in self.table.rows.values() if row.live]

    async def load(self, shard: str, subjects: Collection[str]) -> Sequence[StateRow]:
        self.table.loads += 1
        return [self.table.rows[each] for each in subjects if each in self.table.rows]

    async def page(self, shard: str, after: str, limit: int) -> Sequence[StateRow]:
        return [self.table.rows[each] for each in sorted(self.table.rows) if each > after][:limit]

    async def write(
        self, shard: str, rows: Sequence[StateRow], reach: int, position: int = 0
    ) -> None:
        self._check_owner()
        table, last = self.table, await self.table.log.row(shard, reach)
        if last is None:
            raise Conflict("the states have another owner, or log")
        table.rows |= {row.subject: row for row in rows}
        if table.last is None or table.last.position < reach:
            table.last = last
        table.position = max(table.position, position)
        table.further += 0 < position < reach

    def _check_owner(self) -> None:
        if self.epoch != self.table.epoch:
            raise Conflict("the states have another owner")


class UnreliableStates(MemoryStates):
    """State rows that are not written, or whose answer is lost."""

    def __init__(self, table: StateTable, cadence: Cadence, chance: Random) -> None:
        super().__init__(table, cadence)
        self.chance = chance

    async def write(
        self, shard: str, rows: Sequence[StateRow], reach: int, position: int = 0
    ) -> None:
        happens = self.chance.randrange(12)
        if happens == 0:
            raise Unavailable("nothing was written")
        await super().write(shard, rows, reach, position)
        if happens == 1:
            raise Unavailable("the answer was lost")
