"""The schemas of all services, and one database that has them all."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import assessment
import escalation
import intake
import routing
from eventlog.postgres.migrate import create_database, migrate

MIGRATIONS = {
    module.__name__: Path(module.__path__[0]) / "migrations"
    for module in (intake, routing, escalation, assessment)
}


async def prepare(
    url: str, *, services: Collection[str] = tuple(MIGRATIONS), forget: bool = False
) -> None:
    """Create the database of a URL if it is missing, and bring schemas up to date.

    With `forget`, drop first what is in it.
    """
    await create_database(url, replace=forget)
    for service in services:
        await migrate(url, service, MIGRATIONS[service])
