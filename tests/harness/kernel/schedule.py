"""A shard of the toy domain beside its model: owners that work, die and are taken over.

Every step compares the rows of an owner with the model's, byte for byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

from eventlog.codec import envelope, read_envelope
from eventlog.core.decider import REFERENCE, Key
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from tests.harness.kernel.events import INPUTS, ToyAdopted
from tests.harness.kernel.inputs import draw_input
from tests.harness.kernel.naive import NaiveStage
from tests.harness.kernel.toy import OLD, look_up, toy_versions

SHARD = "toytown"
OWNERS_MAX = 3


def toy_stage() -> Stage[Any, Any]:
    versions = toy_versions()
    return Stage(versions[OLD], SHARD, look_up, versions)


def toy_model() -> NaiveStage:
    versions = toy_versions()
    return NaiveStage(versions[OLD], SHARD, look_up, versions)


class Owner:
    """A stage that has replayed `start` committed rows, and what it decided since."""

    def __init__(self, stage: Stage[Any, Any], start: int) -> None:
        self.stage = stage
        self.start = start
        self.watermark = 0  # The one that it believed last.
        self.decided: list[Row] = []


class Difference(AssertionError):
    """The kernel and its model disagree."""


class Schedule:
    """One schedule: inputs, watermarks, batches, commits, crashes and take-overs in some order."""

    def __init__(self) -> None:
        self.inputs: list[Row] = []
        self.watermark = 0
        self.log: list[bytes] = []  # What is committed, as its readers get it.
        self.model = toy_model()
        self.owners = [Owner(toy_stage(), 0)]
        self.counts: Counter[str] = Counter()
        self._references = 0

    # ── Steps ─────────────────────────────────────────────────────────────────────────────────────

    def feed(self, delay: int, *events: Any) -> None:
        """Accept the rows of a decision `delay` after the last one or the watermark."""
        self.watermark += delay
        for step, event in enumerate(events, 1):
            position, subject, sequence = len(self.inputs) + 1, f"i{len(self.inputs) + 1}", 1
            if isinstance(event, ToyAdopted):
                self._references += 1
                subject, sequence = REFERENCE, self._references
            time = self.watermark
            row = Row(INPUTS, SHARD, position, time, 0, step, subject, sequence, "", event)
            self.inputs.append(read_envelope(envelope(row)))
            self.model.apply(row)
        self.counts["inputs"] += len(events)

    def work(self, owner: Owner, limit: int) -> None:
        """Let an owner apply a batch."""
        stage = owner.stage
        owner.decided += stage.apply(self.inputs[stage.input : stage.input + limit])
        self.compare_rows(owner)

    def announce(self, delay: int) -> None:
        """Announce a watermark."""
        self.watermark += delay
        self.counts["watermarks"] += 1

    def advance(self, owner: Owner) -> None:
        """Let an owner believe the watermark, if it has read all inputs."""
        if owner.stage.input == len(self.inputs):
            owner.watermark = self.watermark
            owner.decided += owner.stage.advance_time(self.watermark)
            self.compare_rows(owner)

    def commit(self, owner: Owner, replay_batches: Random) -> None:
        """Commit what an owner decided. It is refused, and ends, if another one was first."""
        if owner.start != len(self.log):
            self.counts["refused commits"] += bool(owner.decided)
            self.end(owner, replay_batches)
            return
        self.log += [envelope(row) for row in owner.decided]
        owner.start, owner.decided = len(self.log), []
        self.counts["commits"] += 1

    def crash(self, owner: Owner, replay_batches: Random) -> None:
        """Let an owner die with what it did not commit; a new one replays the log."""
        self.counts["crashes"] += 1
        self.end(owner, replay_batches)

    def end(self, owner: Owner, replay_batches: Random) -> None:
        self.owners.remove(owner)
        if not self.owners:
            self.replay(replay_batches)

    def take_over(self, replay_batches: Random) -> None:
        """Let another owner begin while the old ones still work: they are zombies."""
        if len(self.owners) < OWNERS_MAX:
            self.counts["take-overs"] += 1
            self.replay(replay_batches)

    def replay(self, batches: Random) -> None:
        """Begin with a new owner, which replays the log in random batches."""
        owner, rows = Owner(toy_stage(), len(self.log)), [read_envelope(each) for each in self.log]
        while rows:
            count = batches.randint(1, 9)
            owner.stage.replay(rows[:count])
            del rows[:count]
        self.counts["replays"] += 1
        for other in self.owners:
            if other.start == owner.start and not other.decided:
                compare("a replayed stage", snapshot(owner.stage), snapshot(other.stage))
        self.owners.append(owner)

    # ── Comparisons ───────────────────────────────────────────────────────────────────────────────

    def compare_rows(self, owner: Owner) -> None:
        """Compare all that an owner knows with the model."""
        model = self.model
        if owner.stage.input == len(self.inputs):
            model = model.fork()
            model.advance_time(owner.watermark)
        rows = [envelope(row) for row in owner.decided]
        expected = [envelope(row) for row in model.rows[owner.start : owner.start + len(rows)]]
        compare_lists("the rows", rows, expected)
        self.counts["comparisons"] += 1
        if owner.start + len(rows) == len(model.rows) and owner.stage.input == len(self.inputs):
            self.compare_state(owner.stage, model)

    def compare_state(self, stage: Stage[Any, Any], model: NaiveStage) -> None:
        """Compare the states, the index and the parked aggregates with the model's."""
        world, aggregates = model.world, stage.aggregates
        for name in {*world.states, *aggregates.by_name}:
            compare(f"the state of {name}", aggregates.state(name), world.state(name))
        compare("what is parked", behind(stage), world.behind)
        compare("the index", index_of(stage), world.index())
        compare("the reference data", stage.reference, world.reference)
        compare("the decider", stage.decider.name, world.decider.name)  # type: ignore[attr-defined]
        self.counts["comparisons of states"] += 1

    def finish(self, chance: Random) -> None:
        """Let the last owner do all that is left, and expect all rows of the model."""
        self.announce(20)
        while self.owners[1:]:
            self.end(self.owners[0], chance)
        while owner := self.owners[0]:
            self.work(owner, len(self.inputs))
            self.advance(owner)
            self.commit(owner, chance)
            if self.owners[0] is owner:
                break
        self.model.advance_time(self.watermark)
        compare_lists("the log", self.log, [envelope(row) for row in self.model.rows])
        self.replay(chance)
        for row in self.model.rows:
            self.counts[type(row.event).__name__] += 1
        self.counts["rows"] += len(self.log)


def behind(stage: Stage[Any, Any]) -> dict[str, Sequence[Any]]:
    """Return the inputs behind each parked aggregate."""
    return {name: stage.aggregates.get(name).deferred or [] for name in stage.parked}


def index_of(stage: Stage[Any, Any]) -> dict[Key, set[str]]:
    """Return the index by key."""
    aggregates = stage.aggregates
    kinds = {key.kind for each in aggregates.by_name.values() for key in each.keys}
    kinds |= set(aggregates._values)
    keys = [Key(kind, value) for kind in kinds for value in aggregates.values(kind)]
    return {key: set(aggregates.find(key)) for key in keys}


def snapshot(stage: Stage[Any, Any]) -> dict[str, Any]:
    """Return all that a stage knows and that depends on its log alone."""
    known = {
        name: (each.state, sorted(each.timers), each.sequence, each.deferred)
        for name, each in stage.aggregates.by_name.items()
        if each.sequence
    }
    waiting = {
        timer
        for name, each in stage.aggregates.by_name.items()
        if name not in stage.parked
        for timer in each.timers
    }
    compare("forgotten timers", waiting - set(stage._timers), set())
    return {
        "aggregates": known,
        "index": index_of(stage),
        "parked": stage.parked,
        "reference": stage.reference,
        "decider": stage.decider.name,  # type: ignore[attr-defined]
        "at": (stage.position, stage.time),
    }


def compare(what: str, real: Any, expected: Any) -> None:
    if real != expected:
        raise Difference(f"{what} differ\nreal:     {real}\nexpected: {expected}")


def compare_lists(what: str, real: Sequence[Any], expected: Sequence[Any]) -> None:
    for number, (one, other) in enumerate(zip(real, expected, strict=False)):
        compare(f"{what} at {number}", one, other)
    compare(f"the number of {what}", len(real), len(expected))


def run_schedule(chance: Random, steps: int) -> Schedule:
    """Run one schedule of random steps to its end."""
    schedule = Schedule()
    for _ in range(steps):
        owner = chance.choice(schedule.owners)
        match chance.choices(range(7), weights=(40, 20, 5, 8, 12, 5, 3))[0]:
            case 0:
                parked = sorted(schedule.model.world.behind)
                count = chance.choice((1, 1, 1, 2, 3))
                events = [draw_input(chance, parked) for _ in range(count)]
                schedule.feed(chance.choice((0, 0, 1, 2, 5)), *events)
            case 1:
                schedule.work(owner, chance.randint(1, 12))
            case 2:
                schedule.announce(chance.randint(1, 4))
            case 3:
                schedule.advance(owner)
            case 4:
                schedule.commit(owner, chance)
            case 5:
                schedule.crash(owner, chance)
            case _:
                schedule.take_over(chance)
    schedule.finish(chance)
    return schedule
