"""The states of a case in routing: one type per stage, so that a message heard twice has nowhere to go."""

from __future__ import annotations

from dataclasses import replace

from events.catalogue import Action, Assignment, CaseFacts
from events.registry import value


@value
class Unknown:
    """Nothing was reported; `waiting` are the actions that came before their report, in the door's order."""

    waiting: tuple[Action, ...] = ()


@value
class Standing:
    """A case that was reported."""

    case: str
    matter: CaseFacts
    holder: Assignment


@value
class Queued(Standing):
    """It lies in a dispatcher's queue, because nobody knows its grid."""


@value
class Routed(Standing):
    """Somebody holds it, and has not been there yet."""


@value
class Visited(Standing):
    """Its holder has been there, and works on it."""


@value
class Resolved(Standing):
    """`by` says that it is solved; somebody else is to confirm it."""

    by: str


@value
class Verified(Standing):
    """Somebody else confirmed that it is solved."""


@value
class Over(Standing):
    """It ended. `final` cases do not reopen; `queued` ones never had a holder beside the dispatcher."""

    final: bool
    queued: bool


State = Unknown | Queued | Routed | Visited | Resolved | Verified | Over


def over(state: Standing, *, final: bool) -> Over:
    """A case after its end."""
    return Over(state.case, state.matter, state.holder, final, isinstance(state, Queued))


def reopened_holder(state: Over) -> Assignment:
    """The last holder again; a worker's responsibility begins anew."""
    return (
        replace(state.holder, episode=state.holder.episode + 1)
        if state.holder.worker
        else state.holder
    )
