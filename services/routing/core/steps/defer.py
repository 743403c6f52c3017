"""Defer: an action that comes before its report waits, and applies in the report's own decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from events.catalogue import Action, ActionWaits, EndedAtSource, from_fields, to_fields
from routing.core.case import Outcome, State, Unreported


def decide(action: Action) -> Sequence[Outcome]:
    """Let an action wait for its report."""
    type_name, data = to_fields(action)
    return [ActionWaits(issue=action.issue, type=type_name, data=data)]


def evolve(state: State, event: ActionWaits) -> Unreported:
    """Return an unreported case with one more action behind the others."""
    assert isinstance(state, Unreported), f"{event} after its report"
    return Unreported((*state.deferred, from_fields(event.type, event.data)))


def mark_early(action: Action) -> Action:
    """Return a deferred action as it applies. An ending says that it came before its report."""
    if isinstance(action, EndedAtSource):
        return replace(action, rules=(*action.rules, "ended_before_reported"))
    return action
