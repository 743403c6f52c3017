"""Adoption of reference data: an event in intake's log names a content by its digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eventlog.core.row import Sender
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database
from events.catalogue import ReferenceAdopted
from intake.acceptor import AHEAD_US_MAX, clock_errors, now_us
from intake.store import ConditionStore, IntakeStore


async def adopt_reference_data(
    database: Database,
    district: str,
    events: Sequence[ReferenceAdopted],
    contents: Mapping[str, bytes],
    sender: Sender,
) -> list[ReferenceAdopted]:
    """Append the events that are not in force already, and return them.

    Contents are stored first, so that an event never names a missing one.
    """
    store = IntakeStore(database)
    in_force = await store.references_in_force(district)
    new = [event for event in events if in_force.get(event.kind) != event]
    await store.add_contents(contents)
    if new:
        with clock_errors():
            await store.check_clock(now_us(), AHEAD_US_MAX)
            await ConditionStore(database).check_time(district, AHEAD_US_MAX)
        log = PostgresLog("intake", "intake", database, Notifier())
        await log.append_reference(district, new, sender)
    return new
