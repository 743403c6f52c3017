"""A row of a log, and the values that its writer and its readers exchange."""

from __future__ import annotations

from typing import Any, NamedTuple

from events.instants import Instant

make = tuple.__new__  # A `Row`, and the like, in a third of the time of `Row(...)`.
CLOCK = "clock/"  # With it begins the cause of a row that follows from a timer.
EXPIRY = "expiry"  # The kind of a timer that ends the waiting of an input.


class Row(NamedTuple):
    """One event in the order of its shard. The event is as it was written, in any version.

    `log`, `shard` and `position` (1, 2, 3 …) name it. `input` is the last position of the input log
    that was applied when it was made; 0 in a log without one. `step` is its number within its
    decision and `sequence` its number within its `subject`. `cause` is the id of the input row or
    the timer from which it follows; "" if the cause is outside.
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
        """The unique name of the row: log/shard/position."""
        return f"{self.log}/{self.shard}/{self.position}"

    @property
    def is_late(self) -> bool:
        """True if an input that had waited was decided, or expired, by this row.

        Its cause is an earlier input than that of its decision, or the timer of that expiry. This
        is for the log of a stage that reads one log.
        """
        if self.cause.startswith(CLOCK):
            return f"/{EXPIRY}/" in self.cause
        return self.cause.partition("/")[2] != f"{self.shard}/{self.input}"


class Draft(NamedTuple):
    """An event to append. The log gives it a position, and the time `at` or a later one.

    An accepted input is a subject of its own, so that its sequence is 1. Only reference data follow
    each other within one subject.
    """

    at: Instant
    subject: str
    event: Any


class Sender(NamedTuple):
    """The sender of an input: the source that it speaks for, and the credential that permitted it.

    Both are stored beside the row. They are no part of it, and no reader gets them.
    """

    source: str
    credential: str


class Progress(NamedTuple):
    """The progress of a stage: the last input that it applied, and how far time has
    passed for it.
    """

    input: int
    watermark: Instant


class Watermark(NamedTuple):
    """No more rows came before `watermark`, up to `position`.

    A reader believes a watermark only when it has read `position`.
    """

    position: int
    watermark: Instant


class Head(NamedTuple):
    """The end of a log: its watermark, its generation, and the hash that covers all of its rows.

    The hash is empty for a log that follows from another one.
    """

    mark: Watermark
    generation: Generation
    hash: bytes


class Generation(NamedTuple):
    """The database that a log is from: a number that grows with each one that replaces another.

    Up to position `forked_at` it has the same rows as `previous` (0: there was none). The number is
    0 while it is not known.
    """

    number: int
    previous: int = 0
    forked_at: int = 0
