"""The states of a case in routing: one type per stage, so that a message heard twice has nowhere to go."""

from __future__ import annotations

from dataclasses import dataclass, replace

from events.catalogue import Action, Holder, Matter


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing was reported; `waiting` are the actions that came before their report, in the door's order."""

    waiting: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """A case that was reported."""

    case: str
    matter: Matter
    holder: Holder


@dataclass(frozen=True, slots=True)
class Queued(Standing):
    """It lies in a dispatcher's queue, because nobody knows its grid."""


@dataclass(frozen=True, slots=True)
class Routed(Standing):
    """Somebody holds it, and has not been there yet."""


@dataclass(frozen=True, slots=True)
class Visited(Standing):
    """Its holder has been there, and works on it."""


@dataclass(frozen=True, slots=True)
class Resolved(Standing):
    """`by` says that it is solved; somebody else is to confirm it."""

    by: str


@dataclass(frozen=True, slots=True)
class Verified(Standing):
    """Somebody else confirmed that it is solved."""


@dataclass(frozen=True, slots=True)
class Over(Standing):
    """It ended. `final` cases do not reopen; `queued` ones never had a holder beside the dispatcher."""

    final: bool
    queued: bool


State = Unknown | Queued | Routed | Visited | Resolved | Verified | Over


def over(state: Standing, *, final: bool) -> Over:
    """A case after its end."""
    return Over(state.case, state.matter, state.holder, final, isinstance(state, Queued))


def reopened_holder(state: Over) -> Holder:
    """The last holder again; a worker's responsibility begins anew."""
    return replace(state.holder, episode=state.holder.episode + 1) if state.holder.worker else state.holder
