"""Compares the heads of logs with what a model has read of them."""

from __future__ import annotations

from collections.abc import Mapping

from eventlog.core.row import Head
from events.errors import Halted
from events.instants import BEGINNING
from screen.store import ReadLog


def known_ends(heads: Mapping[str, Head]) -> dict[str, int]:
    """Return the positions of heads up to which time has passed: no row is on its way to them."""
    return {
        name: head.mark.position for name, head in heads.items() if head.mark.watermark > BEGINNING
    }


def check_generation(name: str, read: ReadLog, head: Head) -> None:
    """Raise Halted for a head that lags behind the model, which others have brought further."""
    if head.generation.number < read.generation:
        raise Halted(
            f"{name} is known in generation {head.generation.number}, but {read.generation} was "
            "read: once its head is read from its service again, this goes on by itself"
        )


def is_other(read: ReadLog, head: Head) -> bool:
    """Return True for a log of another generation that has not all rows that were read."""
    generation = head.generation
    if generation.number == read.generation:
        return False
    return generation.previous != read.generation or generation.forked_at < read.position


def check_length(name: str, read: ReadLog, head: Head) -> None:
    """Raise Halted for a log that is shorter than what was read of it."""
    if head.mark.position < read.position:
        raise Halted(
            f"{name} ends at {head.mark.position}, but {read.position} was read: "
            "if its service folds it again, this goes on by itself"
        )
