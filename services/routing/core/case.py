"""The states of a case in routing: one type per stage, so that no flags can contradict."""

from __future__ import annotations

from eventlog.core.decider import Timer
from events.catalogue import (
    ActionExpired,
    ActionWaits,
    Assignment,
    CaseEvent,
    CaseFacts,
    InputDeclined,
    PlaceClaim,
)
from events.registry import value
from events.stored_inputs import StoredInput

Claims = tuple[PlaceClaim, ...]


@value
class Waiting:
    """The input of an action that came before its report, and the system that posted it.

    `timer` is the one at which it expires; None if it waits without a limit.
    """

    input: StoredInput
    source: str
    timer: Timer | None


@value
class Unreported:
    """A case before its report. `deferred` are the actions that came first, in intake's order, and
    `timers` are theirs.
    """

    deferred: tuple[Waiting, ...] = ()
    timers: tuple[Timer, ...] = ()


@value
class Unplaced:
    """A case between its report and its placement, which are events of one decision."""

    claims: Claims


@value
class Reported:
    """A case after its report. Its stages share the id, the facts and the holder."""

    case: str
    facts: CaseFacts
    holder: Assignment


@value
class Open(Reported):
    """A case before its end. `claims` say where it is, whatever map comes."""

    claims: Claims


@value
class Queued(Open):
    """A case in a dispatcher's queue, because its grid is unknown."""


@value
class Routed(Open):
    """A case whose holder has not visited it yet."""


@value
class Attended(Open):
    """A case that somebody has visited. Work on it goes on, whatever map comes.

    A `queued` one has lost its grid: its dispatcher has it, until its place is named.
    """

    queued: bool


@value
class Visited(Attended):
    """A case that its holder has visited, and works on."""


@value
class Resolved(Attended):
    """A case that `by` calls solved; another person is to confirm it."""

    by: str


@value
class Verified(Attended):
    """A case that another person confirmed to be solved."""


@value
class Ended(Reported):
    """A case after its end. A `final` one does not reopen; a `queued` one reopens in the queue.

    `claims` say where the case is when it reopens: the map may have changed meanwhile.
    """

    final: bool
    queued: bool
    claims: Claims


OpenCase = Queued | Routed | Visited | Resolved | Verified
Case = OpenCase | Ended
State = Unreported | Unplaced | Case
UNREPORTED = Unreported()

Outcome = CaseEvent | ActionWaits | ActionExpired | InputDeclined
"""The events that routing decides and folds; those of parking are the stage's own."""


def end(state: Case, *, final: bool) -> Ended:
    """Return the state of a case after its end."""
    claims = () if final else state.claims
    return Ended(state.case, state.facts, state.holder, final, is_queued(state), claims)


def is_queued(state: Case) -> bool:
    """Tell whether a dispatcher must say where a case is."""
    return isinstance(state, Queued) or (isinstance(state, Attended | Ended) and state.queued)
