"""Calls about the case of the city: its clock, its missed deadline, and the calls that follow."""

from __future__ import annotations

from events import catalogue as e
from tests.harness.city import ANN, CASE, DAY

DUE = 5 * DAY

BOB = e.Assignment(level="grid", grid="0102", street="01", district="city", worker="bob", episode=1)

OFFICER = e.OnCall("01", "officer-01", "deputy-01")

CITY_OFFICER = e.OnCall("city", "officer-city", None)

STARTED = e.ClockStarted(
    case=CASE, holder=ANN, run=1, started=DAY, due=DUE, rule="line", policies="policies-1"
)

MISSED = e.DeadlineMissed(case=CASE, holder=ANN, run=1, due=DUE)

STREET_CALLED = e.CallRaised(
    case=CASE,
    holder=ANN,
    call=f"{CASE}/1",
    from_level="grid",
    to_level="street",
    receiver=OFFICER,
    because="deadline",
    answer_due=DUE + DAY,
)

DISTRICT_CALLED = e.CallRaised(
    case=CASE,
    holder=ANN,
    call=f"{CASE}/2",
    from_level="street",
    to_level="district",
    receiver=CITY_OFFICER,
    because="silence",
    answer_due=DUE + 2 * DAY,
)

FIRST, SECOND = f"{CASE}/1", f"{CASE}/2"


def reassignment(
    holder: e.Assignment, previous: e.Assignment = ANN, case: str = CASE
) -> e.CaseReassigned:
    """Return the event by which a roster gives a case another holder."""
    return e.CaseReassigned(
        case=case,
        holder=holder,
        previous=previous,
        because="roster",
        queued=False,
        located_by="point",
        rules=(),
        used=e.Versions(None, None, None),
        row="",
    )
