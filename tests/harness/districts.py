"""Districts of one process that send calls at the same time, and a connection that counts them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncpg

from eventlog.core.row import Row
from eventlog.postgres.pool import Database
from events.catalogue import VisitMade
from tests.mutation.postgres import Connection

DISTRICTS = [f"district-{number:02}" for number in range(20)]
FIRST, *OTHERS = DISTRICTS


class Counting(Connection):
    """A connection that counts its statements by the words in them."""

    def __init__(self, whole: Database) -> None:
        super().__init__(whole)
        self.statements: list[str] = []

    def count(self, word: str) -> int:
        """Return how many statements with a word there were since the last call."""
        count = sum(word in each for each in self.statements)
        self.statements.clear()
        return count

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        self.statements.append(sql)
        return await super().fetch(sql, *args)


async def in_all(*calls: Coroutine[Any, Any, Any]) -> list[Any]:
    """Return the results of calls that are made at the same time, and their faults."""
    return await asyncio.gather(*calls, return_exceptions=True)


def rows_of(district: str, after: int, count: int = 1, by: str = "ann") -> list[Row]:
    """Return rows that follow a position, each a case of its own."""
    return [
        Row(
            "cases",
            district,
            position,
            position,
            position,
            1,
            f"case-{position}",
            1,
            f"intake/{district}/{position}",
            VisitMade(action=f"{position}", issue=f"case-{position}", by=by),
        )
        for position in range(after + 1, after + count + 1)
    ]
