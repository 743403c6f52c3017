"""The events of the toy domain. They are in the registry inside `with toy_events():` alone.

So no test that goes through the catalogue meets them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from events.registry import CATALOGUE, TYPE_OF, EventType, Words, event
from events.stored_inputs import StoredInput

INPUTS, CASES = "toy-inputs", "toy-cases"
WORDS = Words(en="Toy", zh="玩具")

Starts = tuple[tuple[str, int, int], ...]  # Timers to start: kind, due instant, origin.


# ── Inputs. `poison` says where deciding fails while the level in force is below `cure` ───────────


@event(INPUTS, words=WORDS)
class ToyReported:
    """An issue. `delays` start a timer each; the case cannot meet the level `allergy`."""

    issue: str
    matter: str
    place: str
    delays: tuple[int, ...] = ()
    allergy: int = 0
    poison: str = ""
    cure: int = 0


@event(INPUTS, words=WORDS)
class ToyMergeAsked:
    """Merge the case of an issue into the case of another."""

    issue: str
    into: str
    poison: str = ""
    cure: int = 0


@event(INPUTS, words=WORDS)
class ToySplitAsked:
    """Give an issue a case of its own, with another matter."""

    issue: str
    matter: str
    poison: str = ""
    cure: int = 0


@event(INPUTS, words=WORDS)
class ToyMoveAsked:
    """Change the matter of a case."""

    issue: str
    matter: str
    poison: str = ""
    cure: int = 0


@event(INPUTS, words=WORDS)
class ToyCloseAsked:
    """Close the case of an issue."""

    issue: str
    poison: str = ""
    cure: int = 0


@event(INPUTS, words=WORDS)
class ToyNoteSent:
    """A note to the case of an issue, and to all cases of the same matter if `is_shared`."""

    issue: str
    text: str
    is_shared: bool = False
    poison: str = ""
    cure: int = 0


@event(INPUTS, words=WORDS)
class ToyCensusAsked:
    """Count the matters. `is_ignored` makes it an input about nobody."""

    is_ignored: bool = False
    poison: str = ""
    cure: int = 0


@event(INPUTS, words=WORDS)
class ToyRetryAsked:
    """Decide a parked case again."""

    case: str
    poison: str = ""
    cure: int = 0


@event(INPUTS, words=WORDS, reference=True)
class ToyAdopted:
    """Reference data: the cases of a place ("*": all) meet another level. `is_shared` lets each
    send a note to its neighbour.
    """

    level: int
    place: str
    is_shared: bool = False
    version: str = ""


# ── Decisions ─────────────────────────────────────────────────────────────────────────────────────


@event(CASES, words=WORDS)
class ToyOpened:
    case: str
    issues: tuple[str, ...]
    matter: str
    place: str
    office: str
    starts: Starts
    allergy: int = 0
    poison: str = ""


@event(CASES, words=WORDS)
class ToyJoined:
    """Issues joined an open case."""

    case: str
    issues: tuple[str, ...]
    starts: Starts
    poison: str = ""


@event(CASES, words=WORDS)
class ToyLeft:
    """Issues left a case. Without any left, it is no case any more."""

    case: str
    issues: tuple[str, ...]
    poison: str = ""


@event(CASES, words=WORDS)
class ToyMoved:
    case: str
    matter: str
    poison: str = ""


@event(CASES, words=WORDS)
class ToyClosed:
    case: str
    poison: str = ""


@event(CASES, words=WORDS)
class ToyNoted:
    case: str
    text: str
    poison: str = ""


@event(CASES, words=WORDS)
class ToyDeclined:
    case: str
    because: str


@event(CASES, words=WORDS)
class ToyDeferred:
    """An input came before the report of its issue."""

    case: str
    input: StoredInput


@event(CASES, words=WORDS)
class ToyTaken:
    """The inputs that came early were decided with the report."""

    case: str


@event(CASES, words=WORDS)
class ToyTimerEnded:
    """A timer fired; others start."""

    case: str
    kind: str
    run: int
    starts: Starts


@event(CASES, words=WORDS)
class ToyReassigned:
    case: str
    office: str
    level: int


@event(CASES, words=WORDS)
class ToyCounted:
    case: str
    matters: tuple[str, ...]


@event(CASES, words=WORDS, reference=True)
class ToyInForce:
    level: int
    place: str
    is_shared: bool


@event(CASES, words=WORDS, reference=True)
class ToyVersionInForce:
    version: str


def take_out() -> dict[str, EventType]:
    """Take the events of this module out of the registry, and return them."""
    ours = {name: kind for name, kind in CATALOGUE.items() if kind.cls.__module__ == __name__}
    for name, kind in ours.items():
        del CATALOGUE[name], TYPE_OF[kind.cls]
    return ours


TOYS = take_out()


@contextmanager
def toy_events() -> Iterator[None]:
    """Enter the toy events in the registry."""
    CATALOGUE.update(TOYS)
    TYPE_OF.update({kind.cls: kind for kind in TOYS.values()})
    try:
        yield
    finally:
        take_out()
