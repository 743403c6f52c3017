"""The effects of an adoption on open cases: how many it moved, as routing decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eventlog.core.row import Row
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.migrate import existing_schemas
from eventlog.postgres.pool import Database
from events.catalogue import CaseParked, CaseReassigned, CaseRouted, CaseWithheld, ReferenceKind
from events.registry import latest
from events.topology import WRITER
from gridcall.host.open_cases import open_cases, survey
from intake.outcomes import Outcomes

MOVING: Sequence[ReferenceKind] = ("map", "roster")  # What may give open cases another holder.
DECISION_SECONDS = 30


class Effects(NamedTuple):
    """The number of open cases, of those that an adoption moved, and of those that it parked."""

    open: int
    moved: int
    parked: int


async def wait_for_effects(database: Database, district: str, position: int) -> Effects | str:
    """Return the effects of an adoption as soon as routing decided it, or a sentence why not yet.

    `position` is that of the adoption in intake's log.
    """
    if not await existing_schemas(database, (WRITER["cases"],)):
        return "open cases move when routing decides it, in another database: gridcall tail"
    heads = await survey("cases", database).heads()
    if not any(head.owner for head in heads if head.shard == district):
        return "open cases move when routing runs again, for example with gridcall up"
    notifier = Notifier()
    cases, calls = (PostgresLog(log, WRITER[log], database, notifier) for log in ("cases", "calls"))
    outcomes = Outcomes(cases, calls, notifier)
    rows = await outcomes.wait(district, position, DECISION_SECONDS)
    if not rows:
        return f"routing has not decided it within {DECISION_SECONDS} seconds: gridcall status"
    return count_effects(rows, len(await open_cases(database, district)))


def count_effects(rows: Sequence[Row], open_now: int) -> Effects:
    """Return the effects that the rows of an adoption tell of."""
    kinds = [type(latest(row.event)) for row in rows]
    moved = sum(issubclass(kind, CaseReassigned | CaseRouted | CaseWithheld) for kind in kinds)
    return Effects(open_now, moved, kinds.count(CaseParked))


def sentence_of(effects: Effects | str) -> str:
    """Return the effects in one line."""
    if isinstance(effects, str):
        return effects
    parked = f", {effects.parked:,} are parked: gridcall parked" if effects.parked else ""
    return f"{effects.moved:,} of {effects.open:,} open cases have another holder now{parked}"
