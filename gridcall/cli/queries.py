"""Access to intake's database for commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from embedded.server import is_embedded, server_url
from eventlog.postgres.migrate import check_schemas, existing_schemas
from eventlog.postgres.pool import Database, open_database
from gridcall.cli.terminal import NOTHING_RAN, fail
from gridcall.host.migrations import MIGRATIONS, bring_up_to_date
from intake.districts import require_district
from intake.store import IntakeStore

T = TypeVar("T")


def run_on_database(query: Callable[[Database], Awaitable[T]]) -> T:
    """Run a query that reads. Nothing is created or migrated. Raises Unusable if that is needed."""

    async def connect_and_run() -> T:
        async with open_to_read(server_url(create=False)) as database:
            return await query(database)

    return asyncio.run(connect_and_run())


def change_database(query: Callable[[Database], Awaitable[T]]) -> T:
    """Run a query that changes something. The schemas are made or brought up to date first."""

    async def connect_and_run() -> T:
        url = server_url()
        await bring_up_to_date(url, create=is_embedded())
        async with open_database(url, size=2) as database:
            return await query(database)

    return asyncio.run(connect_and_run())


@asynccontextmanager
async def open_to_read(url: str) -> AsyncIterator[Database]:
    """Open a database whose schemas are up to date. Raises Unusable if they are not.

    The schemas of other services may be in other databases, so that only those that exist count.
    """
    async with open_database(url, size=2) as database:
        services = {"intake", *await existing_schemas(database, MIGRATIONS)}
        await check_schemas(database, {each: MIGRATIONS[each] for each in sorted(services)})
        yield database


async def existing_district(database: Database, district: str | None) -> str:
    """Return a district that is there; without a name, the only one. Raises UnknownDistrict."""
    if district is None:
        return await only_district(database)
    await require_district(IntakeStore(database), district)
    return district


async def only_district(database: Database) -> str:
    """Return the code of the only district, or end the program."""
    codes = await IntakeStore(database).district_codes()
    if len(codes) != 1:
        fail(
            NOTHING_RAN,
            f"name a district with --district: there are {', '.join(codes)}"
            if codes
            else "there is no district yet: gridcall district add CODE",
        )
    return codes[0]
