"""Access to intake's database for commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from embedded.server import server_url
from eventlog.postgres.pool import Database, open_database
from gridcall.cli.terminal import NOTHING_RAN, fail
from gridcall.host.migrations import prepare
from intake.store import IntakeStore

T = TypeVar("T")


def run_on_database(query: Callable[[Database], Awaitable[T]]) -> T:
    """Run a query on the database. Its schemas are made or brought up to date first."""

    async def connect_and_run() -> T:
        url = server_url()
        await prepare(url)
        async with open_database(url, size=2) as database:
            return await query(database)

    return asyncio.run(connect_and_run())


async def only_district(database: Database) -> str:
    """Return the code of the only district, or end the program."""
    codes = await IntakeStore(database).district_codes()
    if len(codes) != 1:
        fail(
            NOTHING_RAN,
            f"name a district with --district: there are {', '.join(codes) or 'none yet'}",
        )
    return codes[0]
