"""Open cases and calls, as the logs of one database tell of them."""

from __future__ import annotations

from casebook import CALL_CHANGES, Call, Case, evolve_call, evolve_case, raised_call
from eventlog.postgres.pool import Database, SupportsFetch
from eventlog.postgres.survey import Survey
from events.catalogue import CallRaised, CaseReassigned
from events.registry import CATALOGUE
from events.topology import WRITER

STAGE_EVENTS = [kind.cls for kind in CATALOGUE.values() if kind.case_stage]


def survey(log: str, database: SupportsFetch) -> Survey:
    """Return the survey of a log."""
    return Survey(log, WRITER[log], database)


async def open_cases(database: Database, district: str) -> list[Case]:
    """Return the open cases, each as the last events about its stage and its holder have it."""
    cases = survey("cases", database)
    moved = {row.subject: row for row in await cases.latest_rows(district, [CaseReassigned])}
    opened = []
    for row in await cases.latest_rows(district, STAGE_EVENTS):
        case = Case(row.subject)
        evolve_case(case, row)
        later = moved.get(row.subject)
        if later is not None and later.position > row.position:
            evolve_case(case, later)
        if case.open:
            opened.append(case)
    return opened


async def open_calls(database: Database, district: str) -> list[Call]:
    """Return the calls that are neither answered nor withdrawn."""
    calls: dict[str, Call] = {}
    for row in await survey("calls", database).rows_of(district, CALL_CHANGES):
        if isinstance(row.event, CallRaised):
            calls[row.event.call] = raised_call(row.event, row.time)
        else:
            evolve_call(calls[row.event.call], row.event, row.time)
    return [call for call in calls.values() if call.end is None]
