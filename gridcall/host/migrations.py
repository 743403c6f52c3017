"""The services of gridcall: their schemas, and how all of them are brought up to date in one database."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import assessment
import escalation
import intake
import routing
from eventlog.postgres.pool import make_database, migrate

SERVICES = {
    module.__name__: Path(module.__path__[0])
    for module in (intake, routing, escalation, assessment)
}
KAFKA = "GRIDCALL_KAFKA"  # Where the broker is.
BEHIND = tuple(SERVICES)[1:]  # Those that follow from intake's log.


async def prepare(
    url: str, *, services: Collection[str] = tuple(SERVICES), anew: bool = False
) -> None:
    """Make the database of a URL if it is not there, and bring the schemas of services up to date."""
    await make_database(url, anew=anew)
    for service in services:
        await migrate(url, service, SERVICES[service] / "migrations")
