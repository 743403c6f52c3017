"""Routing in sentences: its decider, and a case with the actions and events of its life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from eventlog.testing.sentences import given
from events import catalogue as e
from tests.harness.city import (
    ADMISSION_ADOPTED,
    ANN,
    CASE,
    DAY,
    MAP_ADOPTED,
    ROSTER_ADOPTED,
    USED,
    case_routed,
    issue,
    matter,
    routing,
)

CITY = (MAP_ADOPTED, ROSTER_ADOPTED)
STRICT_CITY = (*CITY, ADMISSION_ADOPTED)
STRICT = replace(USED, admission="list-2025")

IN_STREET = e.Assignment(
    level="street", grid=None, street="01", district="city", worker=None, episode=0
)
IN_DISTRICT = e.Assignment(
    level="district", grid=None, street=None, district="city", worker=None, episode=0
)

ROUTED = case_routed()
QUEUED = e.CaseQueued(
    case=CASE, matter=matter(), holder=IN_STREET, located_by="street", rules=(), used=USED
)
VISITED = e.CaseVisited(case=CASE, holder=ANN, by="ann")
RESOLVED = e.CaseResolved(case=CASE, holder=ANN, by="ann", root_cause="a broken bin")
VERIFIED = e.CaseVerified(case=CASE, holder=ANN, by="eve")
CLOSED = e.CaseClosed(case=CASE, holder=ANN, by="eve")
WITHDRAWN = e.CaseWithdrawn(case=CASE, holder=ANN, because="a mistake")
ENDED = e.CaseEndedAtSource(case=CASE, holder=ANN, outcome="closed", rules=())
REOPENED = e.CaseReopened(
    case=CASE, matter=matter(due=None), holder=replace(ANN, episode=2), because="recurrence"
)

VISIT = e.VisitMade(action="a1", issue=CASE, by="ann")
RESOLUTION = e.ResolutionClaimed(action="a2", issue=CASE, by="ann", root_cause="a broken bin")
CONFIRMATION = e.ResolutionChecked(action="a3", issue=CASE, by="eve", holds=True)
OBJECTION = e.ResolutionChecked(action="a4", issue=CASE, by="eve", holds=False)
CLOSING = e.ClosingAsked(action="a5", issue=CASE, by="eve")
REOPENING = e.ReopeningAsked(action="a6", issue=CASE, because="recurrence")
WITHDRAWAL = e.IssueWithdrawn(action="a7", issue=CASE, because="a mistake")
ENDING = e.EndedAtSource(action="a8", issue=CASE, outcome="closed", rules=("gap_time",))
PLACE = e.PlaceNamed(action="a9", issue=CASE, by="dispatcher", grid="0102")
ACKNOWLEDGEMENT = e.AcknowledgementGiven(
    action="a10", issue=CASE, call=f"{CASE}/1", by="officer-01"
)
ANSWER = e.AnswerGiven(action="a11", issue=CASE, call=f"{CASE}/1", by="officer-01")


def case_of(report: e.IssueReported, time: int = DAY) -> e.CaseReported:
    facts = e.CaseFacts(
        line=report.line,
        category=report.category,
        urgency=report.urgency,
        reported=time,
        due=report.due,
    )
    return e.CaseReported(
        case=report.issue,
        issue=report.issue,
        reference=report.reference,
        matter=facts,
        claims=report.claims,
        rules=report.rules,
    )


def refusal(action: Any, because: str) -> e.InputDeclined:
    return e.InputDeclined(case=CASE, input_id=action.action, because=because)


def placement_of(
    *past: e.Event, claims: tuple[e.PlaceClaim, ...], result: tuple[tuple[str, ...], ...] = ()
) -> Any:
    placed = given(routing, *past).when(issue(*claims), DAY, result).events[1]
    assert isinstance(placed, e.CaseRouted | e.CaseQueued | e.CaseWithheld)
    return placed


QUEUE = "This case is in a dispatcher's queue: say where it lies first."
ENDED_ALREADY = "This case has ended: reopen it first."
IS_OPEN = "This case is open: there is nothing to reopen."
FINAL = "This case was withdrawn: report the matter again."
HAS_PLACE = "This case has its place: it is in nobody's queue."
VISITED_ALREADY = "This case was visited already."
NOT_VISITED = "Nobody has been there: visit first."
RESOLVED_ALREADY = "This case is resolved already."
NO_CLAIM = "No resolution is waiting to be checked."
UNVERIFIED = "This case is not verified: it cannot be closed."

IN_GRID = e.PlaceClaim(by="grid", code="0101")
REPORTED = case_of(issue(IN_GRID))

# A row for each action and a column for each of STAGES: None if it is done, else why it is not.
WHILE_OPEN, ONCE_ENDED, ALWAYS = [None] * 5, [ENDED_ALREADY] * 3, [None] * 8
REFUSALS: list[tuple[Any, Sequence[str | None]]] = [
    (PLACE, [None, *[HAS_PLACE] * 4, *ONCE_ENDED]),
    (VISIT, [QUEUE, None, *[VISITED_ALREADY] * 3, *ONCE_ENDED]),
    (RESOLUTION, [QUEUE, NOT_VISITED, None, *[RESOLVED_ALREADY] * 2, *ONCE_ENDED]),
    (CONFIRMATION, [QUEUE, NO_CLAIM, NO_CLAIM, None, NO_CLAIM, *ONCE_ENDED]),
    (CLOSING, [QUEUE, *[UNVERIFIED] * 3, None, *ONCE_ENDED]),
    (REOPENING, [*[IS_OPEN] * 5, None, FINAL, None]),
    (WITHDRAWAL, [*WHILE_OPEN, *ONCE_ENDED]),
    (ENDING, [*WHILE_OPEN, *ONCE_ENDED]),
    (ACKNOWLEDGEMENT, ALWAYS),
    (ANSWER, ALWAYS),
]
