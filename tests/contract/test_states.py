"""State rows in memory pass the contract, so that tests with them mean something."""

from __future__ import annotations

import pytest

from eventlog.checkpoints import StateStore
from eventlog.core.log import MemoryLog
from tests.contract.states_contract import CONTRACT, SHARD, Clause, rows_after
from tests.harness.memory_states import MemoryStates, StateTable


class StatesInMemory:
    """A shard of a log in memory."""

    def __init__(self) -> None:
        self.log = MemoryLog("cases")
        self.table = StateTable(self.log)
        self.owners = 0

    async def new_owner(self) -> StateStore:
        self.owners += 1
        return MemoryStates(self.table, epoch=self.owners)

    async def cut_and_go_on(self, position: int) -> None:
        del self.log._shard(SHARD).rows[position:]
        await self.log.commit(SHARD, rows_after(position))


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
async def test_state_rows_in_memory(clause: Clause) -> None:
    world = StatesInMemory()
    await world.cut_and_go_on(0)
    await clause(world)
