"""The decider of the toy domain: cases that are merged, split, moved and closed, with timers.

It fails wherever a poison says so, and uses what the protocol permits. A decision changes several
aggregates, or one of them twice. Keys are shared, change hands and disappear. Timers are past when
they start, or change other cases.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

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
from events.catalogue import PARKING
from events.instants import Instant
from events.stored_inputs import StoredInput, event_of
from tests.harness.kernel.case import Case, evolve_case, number_of, starts_of
from tests.harness.kernel.events import (
    CASES,
    ToyAdopted,
    ToyCensusAsked,
    ToyCloseAsked,
    ToyClosed,
    ToyCounted,
    ToyDeclined,
    ToyDeferred,
    ToyInForce,
    ToyJoined,
    ToyLeft,
    ToyMergeAsked,
    ToyMoveAsked,
    ToyMoved,
    ToyNoted,
    ToyNoteSent,
    ToyOpened,
    ToyReassigned,
    ToyReported,
    ToyRetryAsked,
    ToySplitAsked,
    ToyTaken,
    ToyTimerEnded,
    ToyVersionInForce,
)

ISSUE, MATTER, PLACE, SIZE = "issue", "matter", "place", "size"
DEADLINE, ECHO, ALARM = "deadline", "echo", "alarm"
KINDS = (DEADLINE, ALARM, ECHO)
CENSUS = "census"
ASKS_OFFICE = "which office?"  # A note with this text gets the office of its case instead.
RUNS_MAX = 9  # Of the timers of a case, so that echoes end.
OLD, NEW = "old", "new"


class Reference(NamedTuple):
    level: int = 0
    place: str = ""
    is_shared: bool = False


ToyView: TypeAlias = View[Case, Reference]


class Poisoned(Exception):
    """The fault that a poison makes."""


def fail_at(where: str, poison: str) -> None:
    if poison == where:
        raise Poisoned(where)


class Toy:
    """The decider of version `old`."""

    log = CASES
    parking = PARKING
    states: tuple[type[Any], ...] = (Case,)
    initial_state = Case()
    initial_reference = Reference()
    name = OLD

    def subject(self, input_: Input, view: ToyView) -> str | None:
        fail_at("subject", poison_of(input_.event, view))
        match input_.event:
            case ToyReported(issue=issue, matter=matter):
                known = view.find(Key(ISSUE, issue)) or view.find(Key(MATTER, matter))
                return known[0] if known else home(issue)
            case ToyRetryAsked(case=case):
                return str(case)
            case ToyCensusAsked(is_ignored=is_ignored):
                return None if is_ignored else CENSUS
            case event:
                return case_of(event.issue, view)

    def names(self, event: Any) -> Collection[str]:
        """Name the issue's own case alone, so that the others are loaded when their turn comes."""
        return (home(event.issue),) if isinstance(event, ToyReported) else ()

    def requests(self, event: Any, view: ToyView) -> Sequence[str]:
        if isinstance(event, ReferenceChanged):
            state = view.state(event.subject)
            fail_at("meet", state.poison)
            return [state.place] if state.is_open else []
        if isinstance(event, ToyAdopted):
            return []
        fail_at("requests", poison_of(event, view))
        if isinstance(event, ToyNoteSent) and event.text == ASKS_OFFICE:
            return ON_ITS_TURN
        return [event.place, event.matter] if isinstance(event, ToyReported) else []

    def decide(self, input_: Input, view: ToyView) -> Sequence[Any]:
        event, name = input_.event, input_.subject
        state = view.state(name)
        if isinstance(event, TimerFired):
            return self.fire(event.timer, state, input_.time, view)
        if isinstance(event, ReferenceChanged):
            return self.meet(name, state, input_.answers, view)
        poison = poison_of(event, view)
        fail_at("decide", poison)
        if isinstance(event, ToyReported):
            return self.report(event, input_, poison, view)
        if isinstance(event, ToyCensusAsked):
            return [ToyCounted(case=name, matters=tuple(sorted(view.values(MATTER))))]
        if isinstance(event, ToyRetryAsked):
            return [
                ToyDeclined(case=name, because="not parked"),
                *note_others(name, state, "?", view),
            ]
        if not state.issues:
            stored = input_.as_stored
            return [ToyDeferred(case=home(event.issue), input=stored)]
        if isinstance(event, ToyNoteSent) and event.text == ASKS_OFFICE:
            event = replace(event, text=" ".join(input_.answers))
        return self.act(event, name, state, poison, view)

    def report(
        self, event: ToyReported, input_: Input, poison: str, view: ToyView
    ) -> Sequence[Any]:
        name, state = input_.subject, view.state(input_.subject)
        if event.issue in state.issues:
            return [ToyDeclined(case=name, because="known")]
        office, _ = input_.answers
        starts = tuple(
            (KINDS[i % len(KINDS)], input_.time + delay, number_of(event.issue))
            for i, delay in enumerate(event.delays)
        )
        opened: Any = ToyJoined(case=name, issues=(event.issue,), starts=starts, poison=poison)
        if not state.is_open:
            opened = ToyOpened(
                case=name,
                issues=(event.issue,),
                matter=event.matter,
                place=event.place,
                office=office,
                starts=starts,
                allergy=event.allergy,
                poison=poison,
            )
        waiting = view.state(home(event.issue)).waiting
        if not waiting:
            return [opened, *([ToyNoted(case=name, text="well")] if poison == "amid" else [])]
        early = [Following(each.id, take_early(name, each)) for each in waiting]
        return [opened, *early, ToyTaken(case=home(event.issue))]

    def act(self, event: Any, name: str, state: Case, poison: str, view: ToyView) -> Sequence[Any]:
        if not state.is_open:
            return [ToyDeclined(case=name, because="closed")]
        match event:
            case ToyNoteSent(text=text, is_shared=is_shared):
                noted = ToyNoted(case=name, text=text, poison=poison)
                cured = [ToyNoted(case=name, text="well")] if poison == "amid" else []
                return [
                    noted,
                    *cured,
                    *(note_others(name, state, text, view) if is_shared else []),
                ]
            case ToyMoveAsked(matter=matter):
                return [ToyMoved(case=name, matter=matter, poison=poison)]
            case ToyCloseAsked():
                return [ToyClosed(case=name, poison=poison)]
            case ToyMergeAsked(into=into):
                return self.merge(name, state, case_of(into, view), poison, view)
            case ToySplitAsked(issue=issue, matter=matter):
                own = f"{name}+{issue}"
                left = ToyLeft(case=name, issues=(issue,))
                opened = ToyOpened(
                    case=own,
                    issues=(issue,),
                    matter=matter,
                    place=state.place,
                    office=state.office,
                    starts=starts_of(state, (issue,)),
                    poison=poison,
                )
                if len(state.issues) == 1 or view.state(own).issues:
                    return [ToyDeclined(case=name, because="alone")]
                return [left, opened]
        raise AssertionError(event)

    def merge(self, name: str, state: Case, into: str, poison: str, view: ToyView) -> Sequence[Any]:
        if into == name or not view.state(into).is_open:
            return [ToyDeclined(case=name, because="no other case")]
        return [
            ToyNoted(case=name, text="merged"),
            ToyJoined(
                case=into,
                issues=state.issues,
                starts=starts_of(state, state.issues),
                poison=poison,
            ),
            ToyLeft(case=name, issues=state.issues),
        ]

    def fire(self, timer: Timer, state: Case, time: Instant, view: ToyView) -> Sequence[Any]:
        fail_at("fire", state.poison if view.reference.level % 2 == 0 else "")
        if state.poison == "endless":
            return [ToyNoted(case=timer.subject, text="endless")]
        is_last = timer.kind != DEADLINE or timer.run >= RUNS_MAX
        starts = () if is_last else ((ECHO, timer.due + 2, timer.origin),)
        ended = ToyTimerEnded(case=timer.subject, kind=timer.kind, run=timer.run, starts=starts)
        others = note_others(timer.subject, state, "echo", view) if timer.kind == ECHO else []
        return [ended, *others]

    def meet(self, name: str, state: Case, answers: Sequence[Any], view: ToyView) -> Sequence[Any]:
        level = view.reference.level
        if not state.is_open:
            return []
        if state.allergy == level:
            raise Poisoned(f"level {level}")
        (office,) = answers
        others = (
            note_others(name, state, f"level {level}", view) if view.reference.is_shared else []
        )
        return [ToyReassigned(case=name, office=office, level=level), *others]

    def aggregate(self, event: Any) -> str:
        return str(event.case)

    def evolve(self, state: Case, event: Any) -> Case:
        fail_at("evolve", getattr(event, "poison", ""))
        after = evolve_case(replace(state, folded=state.folded + 1), event)
        if isinstance(event, ToyNoted) and event.text == "well":
            return replace(after, poison="")
        poison = getattr(event, "poison", "")
        return replace(after, poison=poison) if poison else after

    def keys(self, state: Case) -> Sequence[Key]:
        fail_at("keys", state.poison)
        fail_at("amid", state.poison)
        keys = [Key(ISSUE, issue) for issue in state.issues]
        if state.is_open:
            keys += [Key(MATTER, state.matter), Key(PLACE, state.place), Key(PLACE, state.place)]
        if state.poison == "unhashable":
            keys.append(Key(MATTER, [state.matter]))  # type: ignore[arg-type]
        return keys

    def timers(self, state: Case) -> Sequence[Timer]:
        fail_at("timers", state.poison)
        return state.timers

    def retries(self, event: Any) -> bool:
        return isinstance(event, ToyRetryAsked)

    def decide_reference(self, event: ToyAdopted, view: ToyView) -> Sequence[Any]:
        if event.level == view.reference.level:
            return []
        in_force = ToyInForce(level=event.level, place=event.place, is_shared=event.is_shared)
        return [in_force, *([ToyVersionInForce(version=event.version)] if event.version else [])]

    def evolve_reference(self, reference: Reference, event: Any) -> Reference:
        if isinstance(event, ToyInForce):
            return Reference(event.level, event.place, event.is_shared)
        return reference

    def replaces(self, event: Any) -> str:
        return type(event).__name__

    def find_affected(self, event: ToyAdopted, view: ToyView) -> Collection[str]:
        places = view.values(PLACE) if event.place == "*" else [event.place, event.place]
        return [name for place in places for name in view.find(Key(PLACE, place))]

    def version(self, event: Any) -> str | None:
        return event.version if isinstance(event, ToyVersionInForce) else None


class NewToy(Toy):
    """The decider of version `new`: it knows the size of a case, and has no alarms."""

    name = NEW

    def keys(self, state: Case) -> Sequence[Key]:
        keys = super().keys(state)
        return [*keys, Key(SIZE, len(state.issues))] if state.issues else keys

    def timers(self, state: Case) -> Sequence[Timer]:
        return tuple(timer for timer in super().timers(state) if timer.kind != ALARM)

    def act(self, event: Any, name: str, state: Case, poison: str, view: ToyView) -> Sequence[Any]:
        equals = view.find(Key(SIZE, len(state.issues)))
        noted = ToyNoted(case=name, text=f"equals {' '.join(equals)}")
        return [*super().act(event, name, state, poison, view), noted]


def toy_versions() -> dict[str, Toy]:
    """Return the deciders by version."""
    return {OLD: Toy(), NEW: NewToy()}


def look_up(reference: Reference, requests: Sequence[str]) -> Sequence[str]:
    """Return the office of each place at the level in force."""
    return [f"{place} at {reference.level}" for place in requests]


def note_others(name: str, state: Case, text: str, view: ToyView) -> list[Any]:
    """Return notes to the other cases of the same matter."""
    return [
        ToyNoted(case=other, text=text)
        for other in view.find(Key(MATTER, state.matter))
        if other != name
    ]


def take_early(case: str, stored: StoredInput) -> ToyNoted:
    return ToyNoted(case=case, text=f"early {type(event_of(stored)).__name__}")


def poison_of(event: Any, view: ToyView) -> str:
    """Return the poison of an input, nothing once the level in force cures it."""
    return event.poison if view.reference.level < event.cure else ""


def case_of(issue: str, view: ToyView) -> str:
    """Return the case that has an issue; the one that it would open if there is none."""
    return next(iter(view.find(Key(ISSUE, issue))), home(issue))


def home(issue: str) -> str:
    return f"c{issue}"
