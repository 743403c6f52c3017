"""The schemas of all services, and one database that has them all."""

from __future__ import annotations

from collections.abc import Collection
from importlib.resources import files
from pathlib import Path

from eventlog.postgres.migrate import (
    check_database,
    create_database,
    existing_schemas,
    migrate,
    open_connection,
)
from events.topology import SERVICES

MIGRATIONS = {service.name: Path(str(files(service.name))) / "migrations" for service in SERVICES}


async def prepare(
    url: str, *, services: Collection[str] = tuple(MIGRATIONS), forget: bool = False
) -> None:
    """Create the database of a URL if it is missing, and bring schemas up to date.

    With `forget`, drop first what is in it.
    """
    await create_database(url, replace=forget)
    for service in services:
        await migrate(url, service, MIGRATIONS[service])


async def bring_up_to_date(url: str, *, create: bool) -> None:
    """Bring the schemas of a database up to date, all of them if it has none yet.

    A database of one service has the schema of that one alone. Raises Unusable if there is no
    database, unless `create` says to create it.
    """
    await (create_database(url) if create else check_database(url))
    async with open_connection(url) as connection:
        services = await existing_schemas(connection, MIGRATIONS) or tuple(MIGRATIONS)
    for service in services:
        await migrate(url, service, MIGRATIONS[service])
