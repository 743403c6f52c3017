"""Rows and deciders of other builds: what is folded in its newest version, and what is not folded.

A log keeps each event as it was written, so that older versions are read forever. A type that this
build does not know was written by a newer one. A reader that keeps nothing passes it. A fold that
is stored stops before it, because the newer build would fold it; so does a stage, because every
input has one outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from eventlog.core.row import Row
from events.errors import Outdated
from events.registry import UnknownEvent, latest
from events.stored_inputs import INSTALL_NEWER

D = TypeVar("D")


def newest(row: Row) -> Row:
    """Return a row with its event in the newest version."""
    event = latest(row.event)
    return row if event is row.event else row._replace(event=event)


def readable(rows: Iterable[Row]) -> list[Row]:
    """Return rows as a reader folds them: in the newest version, and none of an unknown type.

    The positions of those that are left out count as read.
    """
    return [newest(row) for row in rows if type(row.event) is not UnknownEvent]


def foldable(rows: Iterable[Row]) -> list[Row]:
    """Return the rows before the first of an unknown type, in the newest version.

    This is for a fold that is stored. Raises Outdated if the first row is of an unknown type.
    """
    known: list[Row] = []
    for row in rows:
        if known and type(row.event) is UnknownEvent:
            break
        known.append(newest(require_known(row)))
    return known


def require_known(row: Row) -> Row:
    """Return a row. Raises Outdated if its type is unknown."""
    if type(row.event) is UnknownEvent:
        raise Outdated(f"{row.id} is a {row.event.type}, {INSTALL_NEWER}")
    return row


def choose_decider(versions: Mapping[str, D], version: str) -> D:
    """Return the decider of an adopted version. Raises Outdated if this build lacks it."""
    if version not in versions:
        known = ", ".join(versions) or "none"
        raise Outdated(
            f"decider {version!r} was adopted; this build has {known}: install one that has it"
        )
    return versions[version]
