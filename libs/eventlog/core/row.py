"""A row of a log, and what its writer and its readers hand to each other."""

from __future__ import annotations

from typing import NamedTuple

from events.catalogue import Event, Instant


class Row(NamedTuple):
    """One event in the order of its district.

    `log`, `shard` and `pos` (1, 2, 3 …) name it. `input` is the last position of the input log that was applied when it was
    made (0 in a log without one), `n` its number within its decision, `seq` its number within its `subject`, and `cause` the
    id of what it follows from: an input row, or a clock that ran out ("" where something outside caused it).
    """

    log: str
    shard: str
    pos: int
    ts: Instant
    input: int
    n: int
    subject: str
    seq: int
    cause: str
    event: Event

    @property
    def id(self) -> str:
        """log/shard/pos: unique for ever."""
        return f"{self.log}/{self.shard}/{self.pos}"


class Draft(NamedTuple):
    """What the door wants to append: the log gives it its position, and the time `at` unless time is further already.

    An accepted input is a subject of its own, so its sequence is 1; only reference data follow each other within one subject.
    """

    at: Instant
    subject: str
    event: Event


class Passed(NamedTuple):
    """How far a stage is: the last position of its input that it applied, and how far time has passed for it."""

    input: int
    time: Instant


class Watermark(NamedTuple):
    """Up to `pos`, nothing more came before `w`. It is no event; a reader believes it only when it has read `pos`."""

    pos: int
    w: Instant


class Generation(NamedTuple):
    """Which database a log is from: a number that grows with each that takes another one's place.

    Up to position `start`, it has the same rows as the one `before` (0: there was none). 0 where it is not known yet.
    """

    number: int
    before: int = 0
    start: int = 0
