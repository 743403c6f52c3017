"""Defer: an action that comes before its report waits, and applies in the report's own decision.

So many of one source may wait for one issue; what comes beyond is declined. Each waits so long and
then expires. So an issue that never comes keeps nothing in the end, and a decision about one more
action looks at few others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eventlog.core.decider import Input, Timer, expiry_of
from events.catalogue import (
    Action,
    ActionExpired,
    ActionWaits,
    EndedAtSource,
    InputDeclined,
)
from events.instants import DAY_US, Instant
from events.stored_inputs import event_of
from routing.core.case import UNREPORTED, Outcome, State, Unreported, Waiting

WAITING_MAX = 32  # Of one source, for one issue. The longest life of a case has fewer actions.
TOO_MANY = f"{WAITING_MAX} actions of this source wait for this issue already: report it first."

# A default, because no law says how long an action may wait for its report.
WAITING_DAYS_DEFAULT = 30
TOO_LATE = (
    f"This action came before its report, and no report came within {WAITING_DAYS_DEFAULT} days: "
    "it is not done. Report the issue, then send the action with a new reference."
)


def decide(action: Action, input_: Input, state: Unreported) -> Sequence[Outcome]:
    """Let an action wait for its report, unless too many of its source do."""
    source = source_of(action)
    if sum(other.source == source for other in state.deferred) >= WAITING_MAX:
        return [InputDeclined(case=action.issue, input_id=action.action, because=TOO_MANY)]
    expires = expiry(action, input_.time)
    return [ActionWaits(issue=action.issue, input=input_.as_stored, expires=expires)]


def expiry(action: Action, time: Instant) -> Instant | None:
    """Return the instant up to which an action waits.

    An imported ending has none, because the file that has it also has its report.
    """
    return None if isinstance(action, EndedAtSource) else time + WAITING_DAYS_DEFAULT * DAY_US


def expire(timer: Timer, state: State) -> Sequence[Outcome]:
    """Give up the action of a timer that ran out."""
    assert isinstance(state, Unreported), f"{timer} after its report"
    return [
        ActionExpired(issue=timer.subject, input=waiting.input.id, because=TOO_LATE)
        for waiting in state.deferred
        if waiting.timer == timer
    ]


def evolve(state: State, event: ActionWaits) -> Unreported:
    """Return an unreported case with one more action behind the others."""
    assert isinstance(state, Unreported), f"{event} after its report"
    due, stored = event.expires, event.input
    timer = None if due is None else expiry_of(stored, event.issue, due)
    return unreported_case((*state.deferred, Waiting(stored, source_of(event_of(stored)), timer)))


def evolve_expiry(state: State, event: ActionExpired) -> Unreported:
    """Return an unreported case without the action that expired."""
    assert isinstance(state, Unreported), f"{event} after its report"
    return unreported_case(tuple(each for each in state.deferred if each.input.id != event.input))


def unreported_case(deferred: tuple[Waiting, ...]) -> Unreported:
    """Return a case before its report. Without an action it is as if nobody had asked for it."""
    timers = tuple(each.timer for each in deferred if each.timer)
    return Unreported(deferred, timers) if deferred else UNREPORTED


def source_of(action: Action) -> str:
    """Return the system that posted an action; empty for an ending that was imported."""
    return "" if isinstance(action, EndedAtSource) else action.source


def early_action(waiting: Waiting) -> Action:
    """Return a deferred action as it applies. An ending says that it came before its report."""
    action: Action = event_of(waiting.input)
    if isinstance(action, EndedAtSource):
        return replace(action, rules=(*action.rules, "ended_before_reported"))
    return action
