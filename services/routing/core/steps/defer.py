"""Defer: an action that comes before its report waits, and applies in the report's own decision.

So many of one source may wait for one issue; what comes beyond is declined. So an issue that never
comes keeps little, and a decision about one more action looks at few others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eventlog.core.decider import Input
from events.catalogue import (
    Action,
    ActionWaits,
    EndedAtSource,
    InputDeclined,
)
from events.stored_inputs import event_of
from routing.core.case import Outcome, State, Unreported, Waiting

WAITING_MAX = 32  # Of one source, for one issue. The longest life of a case has fewer actions.
TOO_MANY = f"{WAITING_MAX} actions of this source wait for this issue already: report it first."


def decide(action: Action, input_: Input, state: Unreported) -> Sequence[Outcome]:
    """Let an action wait for its report, unless too many of its source do."""
    source = source_of(action)
    if sum(source_of(other.action) == source for other in state.deferred) >= WAITING_MAX:
        return [InputDeclined(case=action.issue, input_id=action.action, because=TOO_MANY)]
    return [ActionWaits(issue=action.issue, input=input_.as_stored)]


def evolve(state: State, event: ActionWaits) -> Unreported:
    """Return an unreported case with one more action behind the others."""
    assert isinstance(state, Unreported), f"{event} after its report"
    return Unreported((*state.deferred, Waiting(event.input, event_of(event.input))))


def source_of(action: Action) -> str:
    """Return the system that posted an action; empty for an ending that was imported."""
    return "" if isinstance(action, EndedAtSource) else action.source


def mark_early(action: Action) -> Action:
    """Return a deferred action as it applies. An ending says that it came before its report."""
    if isinstance(action, EndedAtSource):
        return replace(action, rules=(*action.rules, "ended_before_reported"))
    return action
