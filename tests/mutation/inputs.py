"""Inputs of the histories: reports, actions and reference data of one district."""

from __future__ import annotations

from itertools import count
from typing import Literal

from eventlog.core.decider import REFERENCE
from events.catalogue import (
    AnswerGiven,
    EndedAtSource,
    Event,
    IssueReported,
    PlaceClaim,
    PlaceNamed,
    ReferenceAdopted,
    ReopeningAsked,
    RetryAsked,
    VisitMade,
)
from events.instants import Instant
from intake.core.identity import action_id, issue_id

CITY = "city"
S = 1_000_000  # A second.
RETRIES = count(1)
REFERENCES: dict[str, str] = {}  # Of actions, which do not carry them.


def report(name: str, due: Instant | None = None, *claims: PlaceClaim) -> IssueReported:
    return IssueReported(
        issue=case_of(name),
        source="source",
        line="hotline",
        reference=name,
        category="Noise",
        urgency="normal",
        due=due,
        claims=claims,
        rules=(),
    )


def closing(name: str) -> EndedAtSource:
    return EndedAtSource(
        action=action_of(f"{name} closed"), issue=case_of(name), outcome="closed", rules=()
    )


def visit(name: str, number: int = 1) -> VisitMade:
    return VisitMade(action=action_of(f"{name} visited {number}"), issue=case_of(name), by="ann")


def reopening_of(name: str) -> ReopeningAsked:
    return ReopeningAsked(
        action=action_of(f"{name} reopened"), issue=case_of(name), because="unsatisfied"
    )


def retry(name: str, log: Literal["cases", "calls"]) -> RetryAsked:
    return RetryAsked(
        action=action_of(f"{name} retried {next(RETRIES)}"),
        issue=case_of(name),
        log=log,
        by="operator",
    )


def action_of(reference: str) -> str:
    """Return the id of an action."""
    new_id = action_id(CITY, "source", reference)
    REFERENCES[new_id] = reference
    return new_id


def case_of(name: str) -> str:
    return issue_id(CITY, "source", "hotline", name)


def subject(event: Event) -> str:
    """Return the subject of an input."""
    match event:
        case ReferenceAdopted():
            return REFERENCE
        case IssueReported():
            return event.issue
        case EndedAtSource() | VisitMade() | PlaceNamed():
            return event.action
        case AnswerGiven() | RetryAsked() | ReopeningAsked():
            return event.action
    raise AssertionError(f"{event} is no input here")
