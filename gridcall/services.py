"""The services of gridcall: their schemas, and how all of them are brought up to date in one database."""

from __future__ import annotations

from pathlib import Path

import escalation
import intake
import routing
from events.database import make_database, migrate

SERVICES = {
    name: Path(module.__path__[0]) for name, module in (("intake", intake), ("routing", routing), ("escalation", escalation))
}


async def prepare(url: str, *, anew: bool = False) -> None:
    """Make the database of a URL if it is not there, and bring every service's schema up to date."""
    await make_database(url, anew=anew)
    for service, folder in SERVICES.items():
        await migrate(url, service, folder / "migrations")
