"""Inputs that wait inside an event: their encoded bytes, and the type by which they are decoded."""

from __future__ import annotations

import json
from typing import Any

from events.errors import Outdated
from events.instants import Instant
from events.plain import from_plain, to_plain
from events.registry import CATALOGUE, TYPE_OF, latest, value

INSTALL_NEWER = "which this build does not know: install the build that wrote it"


@value
class StoredInput:
    """An input that waits: its id (log/shard/position) and time, its type, and its fields in
    JSON.
    """

    id: str
    time: Instant
    type: str
    data: str

    @property
    def position(self) -> int:
        """The position of the input in its log."""
        return int(self.id.rpartition("/")[2])


def store(id_: str, time: Instant, event: Any) -> StoredInput:
    """Return an input as it is stored. Equal inputs give equal texts."""
    data = json.dumps(to_plain(event), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return StoredInput(id_, time, TYPE_OF[type(event)].name, data)


def event_of(stored: StoredInput) -> Any:
    """Return the event of a stored input in its newest version."""
    return latest(original_of(stored))


def original_of(stored: StoredInput) -> Any:
    """Return the event of a stored input in the version that it was stored in.

    Raises Outdated for a type that this build does not know: a newer one stored it.
    """
    if stored.type not in CATALOGUE:
        raise Outdated(f"{stored.id} waits as a {stored.type}, {INSTALL_NEWER}")
    return from_plain(CATALOGUE[stored.type].cls, json.loads(stored.data))
