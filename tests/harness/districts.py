"""Districts of one process that send calls at the same time, and a connection that counts them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncpg

from eventlog.postgres.pool import Database
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
