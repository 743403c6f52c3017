"""Clocks: the deadline of a case, from its start to its end or to the moment it is missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from escalation.core import calls
from escalation.core.case import (
    Ended,
    Outcome,
    State,
    Unwatched,
    Watched,
    end,
    watch,
)
from escalation.core.reference import Reference
from eventlog.core.decider import Timer
from events.catalogue import (
    CaseEnded,
    CaseFacts,
    CasePlaced,
    CaseReassigned,
    CaseReopened,
    ClockHandedOver,
    ClockStarted,
    ClockStopped,
    DeadlineMissed,
    ReopenedWithoutDeadline,
)
from events.deadlines import due, rule_for, rule_text
from events.instants import Instant

KIND = "deadline"


def decide_placement(
    case: CasePlaced, state: State, time: Instant, reference: Reference
) -> Sequence[Outcome]:
    """Start the clock of a placed case; a new holder takes over a running one.

    The first clock of a case counts from its report, a later one from this placement.
    """
    match state:
        case Watched():
            return hand_over(case, state)
        case Unwatched(run=run) | Ended(run=run):
            return start(case, time if run else case.matter.reported, run + 1, reference)
        case unreachable:
            assert_never(unreachable)


def decide_reassignment(case: CaseReassigned, state: State) -> Sequence[Outcome]:
    """Hand a running clock over; a case without one gets none by another holder."""
    return hand_over(case, state) if isinstance(state, Watched) else []


def hand_over(case: CasePlaced | CaseReassigned, state: Watched) -> Sequence[Outcome]:
    """Let the deadline of a case count for its new holder. Its open calls stay."""
    missed = state.deadline is None
    return [
        ClockHandedOver(
            case=case.case, holder=case.holder, run=state.run, due=state.due, missed=missed
        )
    ]


def decide_reopening(
    case: CaseReopened, state: State, time: Instant, reference: Reference
) -> Sequence[Outcome]:
    """Start the next deadline of a case at its reopening, or say that there is none."""
    return start(case, time, state.run + 1, reference) or [
        ReopenedWithoutDeadline(case=case.case, holder=case.holder)
    ]


def decide_end(case: CaseEnded, state: State) -> Sequence[Outcome]:
    """Stop the clock of a case and withdraw its calls."""
    match state:
        case Watched():
            stopped = ClockStopped(
                case=case.case, holder=state.holder, run=state.run, due=state.due
            )
            return [stopped, *calls.withdraw(case.case, state)]
        case Unwatched() | Ended():
            return []
        case unreachable:
            assert_never(unreachable)


def decide_miss(
    timer: Timer, state: Watched, time: Instant, reference: Reference
) -> Sequence[Outcome]:
    """Record a missed deadline and call for help above the holder."""
    case, holder = timer.subject, state.holder
    missed = DeadlineMissed(case=case, holder=holder, run=state.run, due=timer.due)
    return [missed, calls.raise_call(case, state, holder.level, "deadline", time, reference)]


def start(
    case: CasePlaced | CaseReopened, time: Instant, run: int, reference: Reference
) -> Sequence[Outcome]:
    """Start a clock, if the case has a deadline."""
    deadline = deadline_of(case.matter, time, reference)
    if deadline is None:
        return []
    until, rule = deadline
    return [
        ClockStarted(
            case=case.case,
            holder=case.holder,
            run=run,
            started=time,
            due=until,
            rule=rule,
            policies=reference.policies.name if reference.policies else None,
        )
    ]


def deadline_of(
    facts: CaseFacts, time: Instant, reference: Reference
) -> tuple[Instant, str] | None:
    """Return the due time of a case and the rule that says so; None if no rule fits.

    The deadline that came with the issue wins over the first policy row that fits.
    """
    if facts.due is not None:
        return facts.due, "line"
    policies = reference.policies
    rule = rule_for(facts, policies.limits) if policies else None
    if policies is None or rule is None:
        return None
    return due(rule, time, policies.zone), rule_text(rule)


def evolve_start(state: State, event: ClockStarted) -> Watched:
    """Return a watched case; the calls of its earlier deadlines count on."""
    timer = Timer(event.due, event.case, KIND, event.run)
    return watch(event.holder, event.run, state.raised, event.due, timer, ())


def evolve_reopening(state: State) -> Unwatched:
    """Return a case that is open again without a deadline. Its counts go on."""
    return Unwatched(state.run, state.raised)


def evolve_handover(state: Watched, event: ClockHandedOver) -> Watched:
    """Return the case with its new holder."""
    return watch(event.holder, state.run, state.raised, state.due, state.deadline, state.calls)


def evolve_miss(state: Watched) -> Watched:
    """Return the case without the timer of its deadline."""
    return watch(state.holder, state.run, state.raised, state.due, None, state.calls)


def evolve_stop(state: Watched) -> Ended:
    """Return the case after its end."""
    return end(state.run, state.raised)
