"""The schemas of all services, and one database that has them all."""

from __future__ import annotations

from collections.abc import Collection
from importlib.resources import files
from pathlib import Path

from eventlog.postgres.migrate import create_database, migrate
from events.topology import WRITER

MIGRATIONS = {service: Path(str(files(service))) / "migrations" for service in WRITER.values()}


async def prepare(
    url: str, *, services: Collection[str] = tuple(MIGRATIONS), forget: bool = False
) -> None:
    """Create the database of a URL if it is missing, and bring schemas up to date.

    With `forget`, drop first what is in it.
    """
    await create_database(url, replace=forget)
    for service in services:
        await migrate(url, service, MIGRATIONS[service])
