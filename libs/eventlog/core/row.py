"""A row of a log, and what its writer and its readers hand to each other."""

from __future__ import annotations

from typing import Any, NamedTuple

from events.instants import Instant


class Row(NamedTuple):
    """One event in the order of its district.

    `log`, `shard` and `position` (1, 2, 3 …) name it. `input` is the last position of the input log
    that was applied when it was made; 0 in a log without one. `step` is its number within its
    decision and `sequence` its number within its `subject`. `cause` is the id of the input row or
    the clock from which it follows; "" where something outside caused it.
    """

    log: str
    shard: str
    position: int
    time: Instant
    input: int
    step: int
    subject: str
    sequence: int
    cause: str
    event: Any

    @property
    def id(self) -> str:
        """log/shard/pos: unique for ever."""
        return f"{self.log}/{self.shard}/{self.position}"


class Draft(NamedTuple):
    """What the door wants to append: the log gives it its position, and the time `at` unless time
    is further already.

    An accepted input is a subject of its own, so its sequence is 1; only reference data follow each
    other within one subject.
    """

    at: Instant
    subject: str
    event: Any


class Progress(NamedTuple):
    """How far a stage is: the last position of its input that it applied, and how far time has
    passed for it.
    """

    input: int
    watermark: Instant


class Watermark(NamedTuple):
    """Up to `position`, nothing more came before `watermark`. A reader believes it only when it has
    read `position`.
    """

    position: int
    watermark: Instant


class Generation(NamedTuple):
    """Which database a log is from: a number that grows with each that takes another one's place.

    Up to position `forked_at`, it has the same rows as the one `previous` (0: there was none). 0
    where it is not known yet.
    """

    number: int
    previous: int = 0
    forked_at: int = 0
