"""The last rows that a process wrote are read from memory, unless they may have been cut away."""

from __future__ import annotations

from eventlog.core.log import MemoryLog
from eventlog.postgres.log import Tail
from tests.contract.log_contract import row_at

FIRST, SECOND = (row_at(MemoryLog("cases"), position, position) for position in (1, 2))


def test_rows_of_one_epoch_are_remembered() -> None:
    tail = Tail()
    tail.add(1, [FIRST])
    tail.add(1, [SECOND])
    assert tail.rows_after(0, 9) == [FIRST, SECOND]


def test_the_rows_of_an_epoch_are_forgotten_with_the_next_one() -> None:
    tail = Tail()
    tail.add(1, [FIRST])
    tail.begin(2)
    assert tail.rows_after(0, 9) == []
    tail.add(2, [SECOND])
    assert tail.rows_after(1, 9) == [SECOND]


def test_rows_of_an_epoch_that_is_over_are_not_remembered() -> None:
    """The answer of their commit came after that of a reader, who knows of the next epoch."""
    tail = Tail()
    tail.begin(2)
    tail.add(1, [FIRST])
    assert tail.rows_after(0, 9) == []
