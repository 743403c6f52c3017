"""Checkpoints: the aggregates of a stage as state rows, written behind its commits.

A new owner loads the live ones and folds only what follows the last checkpoint. Settled ones leave
memory, and are loaded again when an input needs them. State rows are a cache of the log: dropped,
they are folded again. Decision 23 has the invariants.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from eventlog.codec import NO_EVENT
from eventlog.core.aggregates import Aggregate, NotLoaded
from eventlog.core.decider import REFERENCE
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from eventlog.shared_values import SharedValues
from eventlog.state_codec import (
    StateCodec,
    StateRow,
    Taken,
    decode_adoptions_of,
    take,
)
from events.errors import Conflict
from events.instants import BEGINNING
from events.registry import UnknownEvent, latest_of

PAGE = 10_000  # State rows that are read at once.

Fetch = Callable[[Sequence[Row]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Cadence:
    """A checkpoint begins after so many rows of the log, or so many seconds if anything changed.

    It is written, and dropped, in parts of so many state rows.
    """

    rows: int = 50_000
    seconds: float = 10.0
    part: int = 1_000


CADENCE = Cadence()


class StateStore(Protocol):
    """The state rows of the stages of a service. Only the owner of a shard writes them."""

    cadence: Cadence

    async def claim(self, shard: str, version: str) -> int:
        """Begin as the owner, and return the recovery position. Raises Conflict for an earlier one.

        It is 0 if there are no state rows of this version. It is 0, too, if the log lacks rows that
        are in them, because it was cut or made again.
        """

    async def drop(self, shard: str) -> None:
        """Drop all state rows of a shard. Raises Conflict if it has another owner."""

    async def live(self, shard: str) -> Sequence[StateRow]:
        """Return the live state rows, with that of reference data."""

    async def load(self, shard: str, subjects: Collection[str]) -> Sequence[StateRow]:
        """Return the state rows of some subjects."""

    async def page(self, shard: str, after: str, limit: int) -> Sequence[StateRow]:
        """Return state rows in the order of their subjects."""

    async def write(
        self, shard: str, rows: Sequence[StateRow], reach: int, position: int = 0
    ) -> None:
        """Write state rows. None of them has a row of the log after `reach`.

        The last ones of a checkpoint move the recovery position up to `position`. Raises Conflict
        if the shard has another owner, or if the log does not reach that far.
        """


class Checkpoints:
    """The checkpoints of one stage. The stage stops before what is out of memory."""

    def __init__(self, stage: Stage[Any, Any], states: StateStore) -> None:
        self.stage = stage
        self.states = states
        self._codec = StateCodec(stage.decider.states)
        self._changed: set[str] = set()
        self._waiting: list[str] = []  # What is to be taken, and then written.
        self._reference: Taken | None = None  # As it was when the checkpoint began.
        self._part: list[Taken] = []  # What is written next.
        self._reach = 0  # The last position of the log when that was taken.
        self.stored = 0  # The recovery position.
        self._position = 0  # The last position of the log when the last checkpoint began.
        self._begun_at = monotonic()
        self._settled: set[str] = set()  # They are stored, and may leave memory.
        stage.observe = self._changed.update

    # ── Recovery ──────────────────────────────────────────────────────────────────────────────────

    async def open(self, fetch: Fetch) -> None:
        """Take up what is stored, so that the log goes on after the recovery position.

        Without state rows all of it is to be folded.
        """
        stage = self.stage
        position = await self.states.claim(stage.shard, self._codec.version(stage))
        rows = {row.subject: row for row in await self.states.live(stage.shard)}
        if not position or REFERENCE not in rows:
            await self.states.drop(stage.shard)
            return
        try:
            await self._take_up_reference(rows.pop(REFERENCE), fetch)
        except NO_EVENT as fault:
            raise await self._drop_because(fault) from fault
        stage.aggregates.absent = set()  # What is settled is out of memory.
        await self._take_up_live(rows.values())
        self.stored = position
        stage.position = self._position = position - 1  # The row there has the time and the input.

    async def _take_up_reference(self, row: StateRow, fetch: Fetch) -> None:
        stage, events = self.stage, decode_adoptions_of(row)
        await fetch(
            [
                Row(stage.decider.log, stage.shard, 0, BEGINNING, 0, 1, REFERENCE, 0, "", event)
                for event in events
            ]
        )
        stage.take_up_reference(row.sequence, events)

    async def _take_up_live(self, rows: Iterable[StateRow]) -> None:
        values = SharedValues()
        for row in rows:
            aggregate = await self._decode(row)
            values.share_value(aggregate.state)
            self.stage.take_up(row.subject, aggregate)

    async def _decode(self, row: StateRow) -> Aggregate[Any]:
        """Return a stored aggregate. Raises Conflict if it cannot be read."""
        try:
            return self._codec.decode(row)
        except NO_EVENT as fault:
            raise await self._drop_because(fault) from fault

    async def _drop_because(self, fault: Exception) -> Conflict:
        """Drop all state rows, and return the fault of a stage that must begin again."""
        await self.drop()
        return Conflict(f"a stored state cannot be read; all are dropped: {fault}")

    async def drop(self) -> None:
        """Drop the state rows: all of the log is folded again."""
        await self.states.drop(self.stage.shard)

    # ── What is out of memory ─────────────────────────────────────────────────────────────────────

    async def prepare(self, rows: Sequence[Row]) -> None:
        """Load what input rows name, before the stage applies them."""
        names_of, names = self.stage.decider.names, set[str]()
        for event in latest_of([row.event for row in rows]):
            if type(event) is not UnknownEvent:
                names.update(names_of(event))
        await self.load(names)

    async def load(self, names: Iterable[str]) -> None:
        """Load aggregates that are out of memory. Others are known to be absent then."""
        aggregates = self.stage.aggregates
        if aggregates.absent is None:  # Nothing has left memory yet.
            return
        aggregates.absent = absent = set(names).difference(aggregates.by_name)
        for row in await self.states.load(self.stage.shard, absent) if absent else ():
            await self._take_up(row)

    async def resolve(self, missing: NotLoaded) -> None:
        """Load what the stage needs before it goes on."""
        aggregates, shard = self.stage.aggregates, self.stage.shard
        if missing.name is None:
            await self._revive(missing.decider)
            return
        assert aggregates.absent is not None, "what is missing has a store"
        aggregates.absent.add(missing.name)
        for row in await self.states.load(shard, [missing.name]):
            await self._take_up(row)

    async def _revive(self, decider: Any) -> None:
        """Load the settled aggregates to which a decider gives keys or timers."""
        after, by_name = "", self.stage.aggregates.by_name
        while rows := await self.states.page(self.stage.shard, after, PAGE):
            after = rows[-1].subject
            for row in rows:
                if row.subject != REFERENCE and row.subject not in by_name:
                    state = (await self._decode(row)).state
                    if decider.keys(state) or decider.timers(state):
                        await self._take_up(row)
        self.stage.has_revived(decider)

    async def _take_up(self, row: StateRow) -> None:
        aggregates = self.stage.aggregates
        self.stage.take_up(row.subject, await self._decode(row))
        assert aggregates.absent is not None, "what is stored has a store"
        aggregates.absent.discard(row.subject)
        self._settled.add(row.subject)

    # ── Writing ───────────────────────────────────────────────────────────────────────────────────

    @property
    def is_writing(self) -> bool:
        """True while a checkpoint that has begun is not written."""
        return self._reference is not None

    @property
    def is_due(self) -> bool:
        """True if the next checkpoint is to begin."""
        if self.is_writing or not self._changed:
            return False
        rows, cadence = self.stage.position - self._position, self.states.cadence
        return rows >= cadence.rows or monotonic() - self._begun_at >= cadence.seconds

    def begin(self) -> None:
        """Begin to take what has changed. All that the stage has decided must be committed.

        The recovery position will be the present one. To take all at once would hold up everybody.
        """
        self._waiting = sorted(self._changed - {REFERENCE})
        self._reference = take(self.stage, REFERENCE)
        self._changed.clear()
        self._position = self.stage.position
        self._begun_at = monotonic()

    def take_part(self) -> None:
        """Take the next states. All that the stage has decided is committed before `write_part`.

        They may have more than there was when the checkpoint began, and need not be written again
        for that. The reference data come last.
        """
        if self._reference is None:
            return
        size = self.states.cadence.part
        names, self._waiting = self._waiting[:size], self._waiting[size:]
        self._changed.difference_update(names)
        by_name = self.stage.aggregates.by_name
        self._part = [take(self.stage, name) for name in names if by_name[name].sequence]
        if not self._waiting:
            self._part.append(self._reference)
        self._reach = self.stage.position

    async def write_part(self) -> None:
        """Write what was taken. The last part moves the recovery position."""
        if not self._part:
            return
        is_last = not self._waiting
        rows, self._part = [self._codec.encode(each) for each in self._part], []
        position = self._position if is_last else 0
        await self.states.write(self.stage.shard, rows, self._reach, position)
        self._settled |= {row.subject for row in rows if not row.live}
        if is_last:
            self._reference, self.stored = None, self._position

    def forget(self) -> None:
        """Let what is settled leave memory, once a checkpoint is written. No input may be amid."""
        if self.is_writing or not self._settled:
            return
        by_name, stored = self.stage.aggregates.by_name, self._settled - self._changed
        self._settled.clear()
        self.stage.forget([name for name in stored if not by_name[name].is_live])
