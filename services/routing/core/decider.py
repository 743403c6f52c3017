"""Routing's decider: the life of a case, from its report to its end.

reported → routed | queued | withheld → visited → resolved → verified → closed; beside it withdrawn, ended at source,
reopened. Every input has an outcome: what cannot be done is declined with a sentence, what comes too early waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from sys import intern

from eventlog.core.decider import Input, Timer
from events.catalogue import (
    NOT_PARKED,
    PARKING,
    AcknowledgementGiven,
    AcknowledgementPassedOn,
    Action,
    ActionWaits,
    AnswerGiven,
    AnswerPassedOn,
    Assignment,
    CaseClosed,
    CaseEndedAtSource,
    CaseFacts,
    CaseQueued,
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
    Event,
    InputDeclined,
    IssueReported,
    IssueWithdrawn,
    Level,
    PlaceNamed,
    PoliciesAdopted,
    ReferenceAdopted,
    ReopeningAsked,
    ResolutionChecked,
    ResolutionClaimed,
    ResolutionRejected,
    RetryAsked,
    RetryPassedOn,
    RosterAdopted,
    VisitMade,
    from_fields,
    is_action,
    to_fields,
)
from events.errors import Halted
from routing.core.case import (
    Over,
    Queued,
    Resolved,
    Routed,
    Standing,
    State,
    Unknown,
    Verified,
    Visited,
    over,
    reopened_holder,
)
from routing.core.location import Located, located
from routing.core.reference import Library, Reference

VERSIONS = (
    "2026-11",
)  # The decider versions that this code can carry on, by the names given to them.


class Routing:
    """The decider of one district."""

    log = "cases"
    parking = PARKING
    initial_state: State = Unknown()
    initial_reference = Reference()

    def __init__(self, district: str, library: Library) -> None:
        self.district = district
        self.library = library

    def subject(self, event: Event) -> str | None:
        assert isinstance(event, IssueReported | RetryAsked) or is_action(event), (
            f"{event} is no input of intake"
        )
        return event.issue

    def retries(self, event: Event) -> bool:
        return isinstance(event, RetryAsked) and event.log == self.log

    def timers(self, state: State) -> Sequence[Timer]:
        return ()

    # ── Reference data ───────────────────────────────────────────────────────────────────────────────────────────────

    def decide_reference(self, event: Event, reference: Reference) -> Sequence[Event]:
        """Pass on what later stages need, content and all: they read nothing but `cases`."""
        assert isinstance(event, ReferenceAdopted)
        match event.kind:
            case "policies":
                policies = self.library.policies(event.digest)
                return [
                    PoliciesAdopted(
                        name=event.name,
                        zone=policies.zone,
                        answer_within=policies.answer_within,
                        limits=policies.limits,
                    )
                ]
            case "roster":
                return [
                    RosterAdopted(
                        name=event.name,
                        digest=event.digest,
                        receivers=self.library.receivers(event.digest),
                    )
                ]
            case "decider" if event.name not in VERSIONS:
                raise Halted(
                    f"decider {event.name!r} was adopted; this code has {', '.join(VERSIONS)}: install it"
                )
            case _:
                return [event]

    def evolve_reference(self, reference: Reference, event: Event) -> Reference:
        used = reference.used
        match event:
            case ReferenceAdopted(kind="map", name=name, digest=digest):
                grids = self.library.grids(digest)
                return replace(
                    reference, map_digest=digest, grids=grids, used=replace(used, map=name)
                )
            case RosterAdopted(name=name, digest=digest):
                workers = self.library.workers(digest)
                return replace(reference, workers=workers, used=replace(used, roster=name))
            case ReferenceAdopted(kind="admission", name=name, digest=digest):
                rows = {
                    row.category: (row.level, row.rule)
                    for row in self.library.admission(digest).rows
                }
                return replace(reference, admission=rows, used=replace(used, admission=name))
            case _:
                return reference

    # ── Cases ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def decide(self, heard: Input, state: State, reference: Reference) -> Sequence[Event]:
        event = heard.event
        if isinstance(event, IssueReported):
            if isinstance(state, Unknown):
                return self._report(event, heard, state, reference)
            return [
                InputDeclined(
                    case=event.issue,
                    input_id=event.issue,
                    because="This issue is reported already.",
                )
            ]
        if isinstance(event, RetryAsked):
            if isinstance(state, Unknown) or self.retries(event):
                return [InputDeclined(case=event.issue, input_id=event.action, because=NOT_PARKED)]
            return [RetryPassedOn(case=event.issue, action=event.action, by=event.by)]
        assert is_action(event), f"{event} is no input of intake"
        if isinstance(state, Unknown):
            type_name, data = to_fields(event)
            return [ActionWaits(issue=event.issue, type=type_name, data=data)]
        return self._act(event, state, reference)

    def _report(
        self, issue: IssueReported, heard: Input, state: Unknown, reference: Reference
    ) -> Sequence[Event]:
        line, category, urgency = map(
            intern, (issue.line, issue.category, issue.urgency)
        )  # A year of cases shares a few.
        matter = CaseFacts(
            line=line, category=category, urgency=urgency, reported=heard.time, due=issue.due
        )
        place = located(issue.claims, heard.result, reference.grids)
        reported = CaseReported(
            case=issue.issue,
            issue=issue.issue,
            reference=issue.reference,
            matter=matter,
            rules=issue.rules,
        )
        placed = self._placed(issue.issue, matter, place, reference)
        events: list[Event] = [reported, placed]
        now = self.evolve(state, placed)
        for action in state.waiting:
            assert isinstance(now, Standing)
            outcome = self._act(early(action), now, reference)
            for event in outcome:
                now = self.evolve(now, event)
            events += outcome
        return events

    def _placed(self, case: str, matter: CaseFacts, place: Located, reference: Reference) -> Event:
        """To its grid if admitted; to the level that owns its category; or to the dispatcher who can find its place."""
        level, row = admitted(matter.category, reference)
        held = (
            place.grid if level == "grid" else place.street if level == "street" else self.district
        )
        if held is None:
            level = "street" if place.street is not None and level == "grid" else "district"
            holder = assignment(level, None, place.street, self.district, None, 0)
            return CaseQueued(
                case=case,
                matter=matter,
                holder=holder,
                located_by=place.by,
                rules=place.rules,
                used=reference.used,
            )
        if level == "grid":
            worker = reference.workers.get(held)
            holder = assignment(
                "grid", held, place.street, self.district, worker, 1 if worker else 0
            )
            return CaseRouted(
                case=case,
                matter=matter,
                holder=holder,
                located_by=place.by,
                rules=place.rules,
                used=reference.used,
            )
        holder = assignment(level, place.grid, place.street, self.district, None, 0)
        return CaseWithheld(
            case=case,
            matter=matter,
            holder=holder,
            located_by=place.by,
            rules=place.rules,
            used=reference.used,
            row=row,
        )

    def _act(self, action: Action, state: Standing, reference: Reference) -> Sequence[Event]:
        case, holder = state.case, state.holder
        if isinstance(action, EndedAtSource) and not isinstance(state, Over):
            return [
                CaseEndedAtSource(
                    case=case, holder=holder, outcome=action.outcome, rules=action.rules
                )
            ]
        match action, state:
            case AcknowledgementGiven(call=call, by=by), _:
                return [AcknowledgementPassedOn(case=case, holder=holder, call=call, by=by)]
            case AnswerGiven(call=call, by=by), _:
                return [AnswerPassedOn(case=case, holder=holder, call=call, by=by)]
            case ReopeningAsked(because=because), Over(final=False):
                matter = replace(state.matter, due=None)
                return [
                    CaseReopened(
                        case=case, matter=matter, holder=reopened_holder(state), because=because
                    )
                ]
            case IssueWithdrawn(
                because=because
            ), Queued() | Routed() | Visited() | Resolved() | Verified():
                return [CaseWithdrawn(case=case, holder=holder, because=because)]
            case PlaceNamed(grid=grid), Queued() if grid in reference.grids.entries:
                place = Located(grid, reference.grids.entries[grid].street, "dispatcher", ())
                return [self._placed(case, state.matter, place, reference)]
            case VisitMade(by=by), Routed():
                return [CaseVisited(case=case, holder=holder, by=by)]
            case ResolutionClaimed(by=by, root_cause=root_cause), Visited():
                return [CaseResolved(case=case, holder=holder, by=by, root_cause=root_cause)]
            case ResolutionChecked(by=by, holds=holds), Resolved(by=resolver) if by != resolver:
                return [
                    CaseVerified(case=case, holder=holder, by=by)
                    if holds
                    else ResolutionRejected(case=case, holder=holder, by=by)
                ]
            case ClosingAsked(by=by), Verified():
                return [CaseClosed(case=case, holder=holder, by=by)]
            case _:
                return [
                    InputDeclined(
                        case=case, input_id=action.action, because=declined_because(action, state)
                    )
                ]

    def evolve(self, state: State, event: Event) -> State:
        match event:
            case (
                CaseReported()
                | InputDeclined()
                | AcknowledgementPassedOn()
                | AnswerPassedOn()
                | RetryPassedOn()
            ):
                return state
            case CaseRouted() | CaseWithheld():
                return Routed(event.case, event.matter, event.holder)
            case CaseQueued():
                return Queued(event.case, event.matter, event.holder)
            case ActionWaits(type=type_name, data=data):
                assert isinstance(state, Unknown)
                return Unknown((*state.waiting, from_fields(type_name, data)))
            case _:
                assert isinstance(state, Standing), f"{event} before its report"
                return gone_on(state, event)


def gone_on(state: Standing, event: Event) -> State:
    """A reported case after one more event of its life."""
    case, matter, holder = state.case, state.matter, state.holder
    match event:
        case CaseEndedAtSource():
            return over(state, final=event.outcome == "withdrawn")
        case CaseVisited() | ResolutionRejected():
            return Visited(case, matter, holder)
        case CaseResolved():
            return Resolved(case, matter, holder, event.by)
        case CaseVerified():
            return Verified(case, matter, holder)
        case CaseClosed():
            return over(state, final=False)
        case CaseWithdrawn():
            return over(state, final=True)
        case CaseReopened():
            assert isinstance(state, Over)
            again = Queued if state.queued else Routed
            return again(case, event.matter, event.holder)
    raise AssertionError(f"{event} is no event of a case")


@lru_cache(maxsize=65536)
def assignment(
    level: Level,
    grid: str | None,
    street: str | None,
    district: str,
    worker: str | None,
    episode: int,
) -> Assignment:
    """Return an assignment; the cases of a grid share one, so that a year of them takes less memory."""
    return Assignment(
        level=level, grid=grid, street=street, district=district, worker=worker, episode=episode
    )


def early(action: Action) -> Action:
    """An action that waited for its report. An ending keeps that in its rules."""
    if isinstance(action, EndedAtSource):
        return replace(action, rules=(*action.rules, "ended_before_reported"))
    return action


def admitted(category: str, reference: Reference) -> tuple[Level, str]:
    """The level that may have a category, and the row that says so. Where no list was adopted, all are admitted."""
    if reference.admission is None:
        return "grid", ""
    return reference.admission.get(
        category, ("district", f"{category!r} is not on {reference.used.admission}")
    )


def declined_because(action: Action, state: Standing) -> str:
    """Why an action changes nothing, in a sentence for the one who sent it."""
    match action, state:
        case ReopeningAsked(), Over():
            return "This case was withdrawn: report the matter again."
        case ReopeningAsked(), _:
            return "This case is open: there is nothing to reopen."
        case _, Over():
            return "This case has ended: reopen it first."
        case PlaceNamed(grid=grid), Queued():
            return f"The map has no grid {grid!r}."
        case PlaceNamed(), _:
            return "This case has its place: it is in nobody's queue."
        case _, Queued():
            return "This case is in a dispatcher's queue: say where it lies first."
        case VisitMade(), _:
            return "This case was visited already."
        case ResolutionClaimed(), Routed():
            return "Nobody has been there: visit first."
        case ResolutionClaimed(), _:
            return "This case is resolved already."
        case ResolutionChecked(), Resolved():
            return "Whoever resolved a case cannot verify it: somebody else confirms."
        case ResolutionChecked(), _:
            return "No resolution is waiting to be checked."
        case _:
            return "This case is not verified: it cannot be closed."
