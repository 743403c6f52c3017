"""Report: an issue opens its case."""

from __future__ import annotations

from collections.abc import Sequence
from sys import intern

from eventlog.core.decider import Input
from events.catalogue import CaseFacts, CaseReported, InputDeclined, IssueReported
from routing.core.case import Outcome
from routing.core.location import locate
from routing.core.reference import Reference
from routing.core.steps import place


def decide(issue: IssueReported, input_: Input, reference: Reference) -> list[Outcome]:
    """Open the case of an issue and place it."""
    facts = facts_of(issue, input_)
    reported = CaseReported(
        case=issue.issue,
        issue=issue.issue,
        reference=issue.reference,
        matter=facts,
        claims=issue.claims,
        rules=issue.rules,
    )
    location = locate(issue.claims, input_.answers, reference.grids)
    return [reported, place.place_case(issue.issue, facts, location, reference)]


def refuse_repeat(issue: IssueReported) -> Sequence[Outcome]:
    """Decline an issue whose case is open or has ended."""
    because = "This issue is reported already."
    return [InputDeclined(case=issue.issue, input_id=issue.issue, because=because)]


def facts_of(issue: IssueReported, input_: Input) -> CaseFacts:
    """Return the facts of a case. Its words are shared, because a year of cases has few of them."""
    line, category, urgency = intern(issue.line), intern(issue.category), intern(issue.urgency)
    return CaseFacts(
        line=line, category=category, urgency=urgency, reported=input_.time, due=issue.due
    )
