"""The log in memory passes the contract, and forgets what every reader has passed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from eventlog.core.log import Log, MemoryLog
from events.errors import Truncated
from tests.contract.log_contract import (
    CONTRACT,
    SHARD,
    late_rows_are_found_by_their_cause,
    visit,
)


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
async def test_the_log_in_memory(clause: Callable[[Log], Awaitable[None]]) -> None:
    await clause(MemoryLog("cases"))


async def test_the_log_in_memory_finds_late_rows() -> None:
    log = MemoryLog("cases")
    await late_rows_are_found_by_their_cause(log, log)


async def test_a_row_is_dropped_when_all_readers_have_passed_it() -> None:
    log = MemoryLog("intake", readers=("routing", "tables"))
    await log.append(SHARD, [visit(number, 1) for number in range(5)])
    log.acknowledge("routing", SHARD, 4)
    assert len(await log.read(SHARD, 0, 9)) == 5
    log.acknowledge("tables", SHARD, 3)
    assert [row.position for row in await log.read(SHARD, 3, 9)] == [4, 5]
    with pytest.raises(Truncated, match="rows after 2"):
        await log.read(SHARD, 2, 9)
    assert [row.position for row in await log.append(SHARD, [visit(6, 1)])] == [6]
