"""The rules of a stage, as plainly as they can be said: the executable model of the kernel.

Everything is computed again from the states of all aggregates: the index, the running timers, the
parked ones. The world is copied before each decision, and a decision that fails is forgotten with
its copy. There is no store, no batch and no replay: a model gets its inputs once, one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from eventlog.core.decider import (
    ON_ITS_TURN,
    REFERENCE,
    Decider,
    Following,
    Input,
    Key,
    ReferenceChanged,
    Timer,
    TimerFired,
)
from eventlog.core.row import Row
from events.errors import SHARD_FAULTS
from events.instants import BEGINNING
from events.stored_inputs import StoredInput, event_of

Events = list[tuple[str, str, Any]]  # Aggregate, cause, event.


class Waits(Exception):
    """A decision would change a parked aggregate. Its name is in rows, as that of the kernel is."""

    def __init__(self, name: str) -> None:
        super().__init__(f"it would change {name}, which is parked")
        self.name = name


class World:
    """All that a decider may view: states by name, reference data, and what is parked."""

    def __init__(self, decider: Decider[Any, Any]) -> None:
        self.decider = decider
        self.reference = decider.initial_reference
        self.states: dict[str, Any] = {}
        self.behind: dict[str, list[StoredInput]] = {}  # The inputs behind each parked aggregate.
        self.parked_at: dict[str, int] = {}  # The times of the inputs that parked them.

    def copy(self) -> World:
        other = World(self.decider)
        other.reference = self.reference
        other.states = dict(self.states)
        other.behind = {name: list(inputs) for name, inputs in self.behind.items()}
        other.parked_at = dict(self.parked_at)
        return other

    def state(self, name: str) -> Any:
        return self.states.get(name, self.decider.initial_state)

    def list_keys(self) -> list[tuple[Key, str]]:
        return [(key, name) for name in self.states for key in self.decider.keys(self.states[name])]

    def index(self) -> dict[Key, set[str]]:
        return {key: set(self.find(key)) for key, _ in self.list_keys()}

    def find(self, key: Key) -> Sequence[str]:
        return sorted({name for other, name in self.list_keys() if other == key})

    def values(self, kind: str) -> Collection[Any]:
        return {key.value for key, _ in self.list_keys() if key.kind == kind}

    def due(self, time: int) -> list[Timer]:
        """Return the timers that are due before a time, the next one first."""
        return sorted(
            timer
            for name, state in self.states.items()
            for timer in self.decider.timers(state)
            if name not in self.behind and timer.due < time
        )

    def put_behind(self, name: str, stored: StoredInput | None) -> None:
        if name not in self.behind:
            self.parked_at[name] = stored.time if stored else BEGINNING
        self.behind.setdefault(name, []).extend([stored] if stored else [])


class NaiveStage:
    """A model of a stage. `rows` are all rows that it made so far."""

    def __init__(
        self,
        decider: Decider[Any, Any],
        shard: str,
        lookup: Callable[[Any, Sequence[Any]], Sequence[Any]],
        versions: Mapping[str, Decider[Any, Any]],
    ) -> None:
        self.world = World(decider)
        self.shard = shard
        self.lookup = lookup
        self.versions = versions
        self.rows: list[Row] = []
        self.input = 0

    def fork(self) -> NaiveStage:
        """Return a model that goes on from here by itself."""
        other = NaiveStage(self.world.decider, self.shard, self.lookup, self.versions)
        other.world, other.rows, other.input = self.world.copy(), list(self.rows), self.input
        return other

    @property
    def time(self) -> int:
        return self.rows[-1].time if self.rows else 0

    # ── The three ways in which something happens ─────────────────────────────────────────────────

    def apply(self, row: Row) -> None:
        """Fire what is due before an input, then decide it."""
        if row.step == 1:
            self.advance_time(row.time)
        self.input = row.position
        id_ = f"{row.log}/{row.shard}/{row.position}"
        if row.subject == REFERENCE:
            self.write(row.time, self.decide_reference(row, id_))
            return
        input_ = Input(row.event, row.time, row.subject, id_)
        self.write(row.time, self.name_and_take(input_))

    def advance_time(self, time: int) -> None:
        while due := self.world.due(time):
            at = max(due[0].due, self.time)
            input_ = Input(TimerFired(due[0]), at, due[0].subject, due[0].id)
            self.write(at, self.decide_or_park(input_))

    def decide_reference(self, row: Row, id_: str) -> Events:
        """Put reference data in force, then let each affected aggregate meet them, by id."""
        events: Events = []
        for event in self.world.decider.decide_reference(row.event, self.world):
            self.world.reference = self.world.decider.evolve_reference(self.world.reference, event)
            version = self.world.decider.version(event)
            if version is not None:
                self.world.decider = self.versions[version]
            events.append((REFERENCE, id_, event))
        if not events:
            return []
        affected = sorted(set(self.world.decider.find_affected(row.event, self.world)))
        meetings = [Input(ReferenceChanged(name), row.time, name, id_) for name in affected]
        requested = [
            self.look_up(each, self.world) for each in meetings
        ]  # All requests come first.
        for meeting, answers in zip(meetings, requested, strict=True):
            if meeting.subject not in self.world.behind:
                events += self.decide_or_park(meeting, answers)
        return events

    # ── Decisions ─────────────────────────────────────────────────────────────────────────────────

    def name_and_take(self, input_: Input) -> Events:
        try:
            name = self.world.decider.subject(input_, self.world)
        except Exception as fault:
            return self.park(input_, fault, input_.as_stored)
        return [] if name is None else self.take(input_._replace(subject=name))

    def take(self, input_: Input) -> Events:
        name, event = input_.subject, input_.event
        if name in self.world.behind:
            if self.world.decider.retries(event):
                return self.retry(input_)
            return self.defer(name, input_)
        try:
            world, events = self.decide(input_, self.world, self.look_up(input_, self.world))
        except Waits as wait:
            return self.defer(wait.name, input_)
        except SHARD_FAULTS:
            raise
        except Exception as fault:
            return self.park(input_, fault, input_.as_stored)
        self.world = world
        return events

    def decide_or_park(self, input_: Input, answers: Any = ()) -> Events:
        """Decide what cannot wait: a timer, or reference data in force."""
        try:
            world, events = self.decide(input_, self.world, answers)
        except SHARD_FAULTS:
            raise
        except Exception as fault:
            return self.park(input_, fault, None)
        self.world = world
        return events

    def look_up(self, input_: Input, world: World) -> Any:
        """Return the answers to the requests for an input, or the fault of naming them."""
        try:
            requests = world.decider.requests(input_.event, world)
        except Exception as fault:
            return fault
        return (
            requests if requests is ON_ITS_TURN else tuple(self.lookup(world.reference, requests))
        )

    def decide(self, input_: Input, before: World, answers: Any) -> tuple[World, Events]:
        """Return the world after a decision, and its events. The world before stays as it is."""
        if answers is ON_ITS_TURN:
            meeting = ReferenceChanged(input_.subject)
            answers = self.look_up(input_._replace(event=meeting), before)
        if isinstance(answers, Exception):
            raise answers
        decider, world, events = before.decider, before.copy(), []
        for event in decider.decide(input_._replace(answers=answers), before):
            cause, event = event if isinstance(event, Following) else (input_.id, event)
            events.append((decider.aggregate(event), cause, event))
        for name, _, _ in events:
            if name in before.behind:
                raise Waits(name)
        for name, _, event in events:
            world.states[name] = decider.evolve(world.state(name), event)
            for key in decider.keys(world.states[name]):
                hash(key)
            decider.timers(world.states[name])
        if isinstance(input_.event, TimerFired):
            timer = input_.event.timer
            if timer in decider.timers(world.state(timer.subject)):
                raise RuntimeError(f"{timer.id} still runs after it fired")
        return world, events

    # ── Parking ───────────────────────────────────────────────────────────────────────────────────

    def park(self, input_: Input, fault: Exception, stored: StoredInput | None) -> Events:
        self.world.put_behind(input_.subject, stored)
        sentence = f"{type(fault).__name__}: {fault}"
        parked = self.world.decider.parking.park(input_.subject, sentence, stored)
        return [(input_.subject, input_.id, parked)]

    def defer(self, name: str, input_: Input) -> Events:
        stored = input_.as_stored
        self.world.put_behind(name, stored)
        return [(name, input_.id, self.world.decider.parking.defer(name, stored))]

    def retry(self, retry: Input) -> Events:
        """Decide what a parked aggregate missed in a copy of the world; forget it if one fails."""
        name, parking = retry.subject, self.world.decider.parking
        world = self.world.copy()
        meeting = retry._replace(event=ReferenceChanged(name))
        waiting = [Input(event_of(each), each.time, name, each.id) for each in world.behind[name]]
        del world.behind[name]
        requested = [self.look_up(each, world) for each in (meeting, *waiting)]
        events: Events = [(name, retry.id, parking.retry(name))]
        behind: list[tuple[str, StoredInput]] = []
        latest = world.parked_at[name]
        try:
            world, met = self.decide(meeting, world, requested[0])
            events += met
            for input_, answers in zip(waiting, requested[1:], strict=True):
                if input_.time > latest:
                    latest = input_.time
                    world, fired = self.fire_missed(retry, world, latest)
                    events += fired
                subject = world.decider.subject(input_, world) or name
                try:
                    if subject in world.behind:
                        raise Waits(subject)
                    again = input_._replace(subject=subject)
                    world, decided = self.decide(again, world, answers)
                    events += decided
                except Waits as wait:
                    stored = input_.as_stored
                    behind.append((wait.name, stored))
                    events.append((wait.name, input_.id, parking.defer(wait.name, stored)))
            world, fired = self.fire_missed(retry, world, retry.time)
            events += fired
        except SHARD_FAULTS:
            raise
        except Exception as fault:
            return self.park(retry, fault, None)
        for other, stored in behind:
            world.put_behind(other, stored)
        self.world = world
        return events

    def fire_missed(self, retry: Input, world: World, time: int) -> tuple[World, Events]:
        """Fire the timers of a retried aggregate that were due before a time."""
        events: Events = []
        while mine := [timer for timer in world.due(time) if timer.subject == retry.subject]:
            fired = Input(TimerFired(mine[0]), retry.time, retry.subject, mine[0].id)
            world, decided = self.decide(fired, world, ())
            events += decided
        return world, events

    # ── Rows ──────────────────────────────────────────────────────────────────────────────────────

    def write(self, time: int, events: Events) -> None:
        for step, (name, cause, event) in enumerate(events, 1):
            sequence = 1 + sum(row.subject == name for row in self.rows)
            self.rows.append(
                Row(
                    self.world.decider.log,
                    self.shard,
                    len(self.rows) + 1,
                    time,
                    self.input,
                    step,
                    name,
                    sequence,
                    cause,
                    event,
                )
            )
