"""State rows in memory pass the contract, so that tests with them mean something."""

from __future__ import annotations

import pytest

from eventlog.checkpoints import StateStore
from tests.contract.states_contract import CONTRACT, SHARD, Clause
from tests.harness.memory_states import MemoryStates, StateTable


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
async def test_state_rows_in_memory(clause: Clause) -> None:
    table, owners = StateTable(), 0

    async def new_owner() -> StateStore:
        nonlocal owners
        owners += 1
        return MemoryStates(table, epoch=owners)

    await clause(new_owner)
    assert SHARD
