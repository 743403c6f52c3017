"""Routing's decider: the life of a case, from its report to its end.

Every input has an outcome. An action that cannot be done is declined with a sentence; one that
comes before its report waits for it. Each step of the life has a file in `steps/`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias, assert_never

from eventlog.core.decider import (
    ON_ITS_TURN,
    Following,
    Input,
    Key,
    ReferenceChanged,
    Timer,
    TimerFired,
    View,
)
from events.catalogue import (
    PARKING,
    AcknowledgementGiven,
    AcknowledgementPassedOn,
    Action,
    ActionExpired,
    ActionWaits,
    Adopted,
    AnswerGiven,
    AnswerPassedOn,
    CaseClosed,
    CaseEndedAtSource,
    CaseQueued,
    CaseReassigned,
    CaseReopened,
    CaseReported,
    CaseResolved,
    CaseRouted,
    CaseVerified,
    CaseVisited,
    CaseWithdrawn,
    CaseWithheld,
    ClosingAsked,
    EndedAtSource,
    InputDeclined,
    IssueEvent,
    IssueReported,
    IssueWithdrawn,
    PlaceNamed,
    ReferenceAdopted,
    ReopeningAsked,
    ResolutionChecked,
    ResolutionClaimed,
    ResolutionRejected,
    RetryAsked,
    RetryPassedOn,
    VisitMade,
    decider_version,
    reference_kind,
)
from routing.core import reference as reference_data
from routing.core.case import (
    UNREPORTED,
    Case,
    Ended,
    Open,
    OpenCase,
    Outcome,
    Queued,
    Reported,
    Resolved,
    Routed,
    State,
    Unplaced,
    Unreported,
    Verified,
    Visited,
)
from routing.core.location import Point, points_of
from routing.core.reference import Library, Reference
from routing.core.steps import (
    close,
    defer,
    end_at_source,
    pass_on,
    place,
    reassign,
    reopen,
    report,
    resolve,
    verify,
    visit,
    withdraw,
)

RoutingView: TypeAlias = View[State, Reference]

EARLY = ActionWaits, ActionExpired  # The events of an issue without a case.


class Routing:
    """The decider of one district."""

    log = "cases"
    parking = PARKING
    states: tuple[type[Any], ...] = (Unreported, Queued, Routed, Visited, Resolved, Verified, Ended)
    initial_state: State = UNREPORTED

    def __init__(self, district: str, library: Library) -> None:
        self.district = district
        self.library = library
        self.initial_reference = Reference(district=district)

    def subject(self, input_: Input, view: RoutingView) -> str:
        event: IssueEvent = input_.event
        return event.issue

    def names(self, event: IssueEvent | ReferenceAdopted) -> Collection[str]:
        return () if isinstance(event, ReferenceAdopted) else (event.issue,)

    def requests(self, event: Any, view: RoutingView) -> Sequence[Point]:
        match event:
            case IssueReported(claims=claims):
                return points_of(claims)
            case ReferenceChanged(subject):
                return reassign.requests(view.state(subject))
            case ReopeningAsked():
                return ON_ITS_TURN
            case _:
                return ()

    def aggregate(self, event: Outcome) -> str:
        return event.issue if isinstance(event, EARLY) else event.case

    def keys(self, state: State) -> Sequence[Key]:
        return reassign.keys(state) if isinstance(state, Open) else ()

    def retries(self, event: IssueEvent) -> bool:
        return isinstance(event, RetryAsked) and event.log == self.log

    def timers(self, state: State) -> Sequence[Timer]:
        return state.timers if isinstance(state, Unreported) else ()

    def decide_reference(self, event: ReferenceAdopted, view: RoutingView) -> Sequence[Adopted]:
        return reference_data.decide_reference(event, self.library)

    def evolve_reference(self, reference: Reference, event: Adopted) -> Reference:
        return reference_data.evolve_reference(reference, event, self.library)

    def replaces(self, event: Adopted) -> str:
        return reference_kind(event)

    def find_affected(self, event: ReferenceAdopted, view: RoutingView) -> Collection[str]:
        return reassign.find_affected(event, view)

    def version(self, event: Adopted) -> str | None:
        return decider_version(event)

    def decide(self, input_: Input, view: RoutingView) -> Sequence[Outcome | Following]:
        event: IssueEvent | ReferenceChanged | TimerFired = input_.event
        state, reference = view.state(input_.subject), view.reference
        if isinstance(event, IssueReported):
            return self._report(event, input_, state, reference)
        if isinstance(event, ReferenceChanged):
            return reassign.decide(state, input_.answers, reference)
        if isinstance(event, TimerFired):
            return defer.expire(event.timer, state)
        if isinstance(event, RetryAsked):
            return pass_on.decide_retry(event, state)
        if isinstance(state, Unreported):
            return defer.decide(event, input_, state)
        return decide_action(event, require_reported(state), reference, input_)

    def _report(
        self, issue: IssueReported, input_: Input, state: State, reference: Reference
    ) -> Sequence[Outcome | Following]:
        """Open a case, then decide the actions that came before its report."""
        if not isinstance(state, Unreported):
            return report.refuse_repeat(issue)
        opened = report.decide(issue, input_, reference)
        if not state.deferred:
            return opened
        events: list[Outcome | Following] = [*opened]
        case = self._fold(state, opened)
        for waiting in state.deferred:
            action = defer.early_action(waiting)
            outcome = decide_action(action, require_reported(case), reference, input_)
            case = self._fold(case, outcome)
            events += [Following(waiting.input.id, event) for event in outcome]
        return events

    def _fold(self, state: State, events: Sequence[Outcome]) -> State:
        for event in events:
            state = self.evolve(state, event)
        return state

    def evolve(self, state: State, event: Outcome) -> State:
        match event:
            case CaseReported():
                return Unplaced(event.claims)
            case CaseRouted() | CaseQueued() | CaseWithheld():
                return place.evolve(state, event)
            case CaseEndedAtSource():
                return end_at_source.evolve(require_reported(state), event)
            case CaseReassigned():
                return reassign.evolve(require_open(state), event)
            case CaseVisited():
                return visit.evolve(require_open(state), event)
            case CaseResolved():
                return resolve.evolve(require_open(state), event)
            case CaseVerified() | ResolutionRejected():
                return verify.evolve(require_open(state), event)
            case CaseClosed():
                return close.evolve(require_reported(state), event)
            case CaseWithdrawn():
                return withdraw.evolve(require_reported(state), event)
            case CaseReopened():
                return reopen.evolve(require_reported(state), event)
            case ActionWaits():
                return defer.evolve(state, event)
            case ActionExpired():
                return defer.evolve_expiry(state, event)
            case AcknowledgementPassedOn() | AnswerPassedOn() | RetryPassedOn() | InputDeclined():
                return state
            case unreachable:
                assert_never(unreachable)


def decide_action(
    action: Action, state: Case, reference: Reference, input_: Input
) -> Sequence[Outcome]:
    """Decide an action about a reported case, in the step that it asks for.

    `input_` decides it: its own, or the report before which it came. Both have looked up the points
    of the case.
    """
    match action:
        case EndedAtSource():
            return end_at_source.decide(action, state)
        case PlaceNamed():
            return place.decide(action, state, reference)
        case VisitMade():
            return visit.decide(action, state)
        case ResolutionClaimed():
            return resolve.decide(action, state)
        case ResolutionChecked():
            return verify.decide(action, state)
        case ClosingAsked():
            return close.decide(action, state)
        case IssueWithdrawn():
            return withdraw.decide(action, state)
        case ReopeningAsked():
            return reopen.decide(action, state, input_, reference)
        case AcknowledgementGiven() | AnswerGiven():
            return pass_on.decide(action, state)
        case unreachable:
            assert_never(unreachable)


def require_reported(state: State) -> Case:
    """Return the state of a reported case. Raises AssertionError for an event before its report."""
    assert isinstance(state, Reported), "an event of a case before its report"
    return state


def require_open(state: State) -> OpenCase:
    """Return the state of an open case. Raises AssertionError for an event after its end."""
    case = require_reported(state)
    assert not isinstance(case, Ended), "an event of an open case after its end"
    return case
