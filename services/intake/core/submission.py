"""What the door accepts: an event with its identity, already written, and what "the same content" means."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from eventlog.codec import sorted_encoder
from events.catalogue import Action, IssueReported, RetryAsked
from events.registry import TYPE_OF


class Item(NamedTuple):
    """What is to be accepted: its identity, the type of its event, the event's fields in JSON, and the digest of both."""

    id: str
    type: str
    data: bytes
    content: bytes


def item_of(event: IssueReported | Action | RetryAsked) -> Item:
    """An event as the door takes it."""
    name = event.issue if isinstance(event, IssueReported) else event.action
    return written(name, TYPE_OF[type(event)].name, sorted_encoder.encode(event))


def written(name: str, type_name: str, data: bytes) -> Item:
    """The same of an event whose deterministic JSON is `data`.

    The same content is the same BLAKE2b digest of type, NUL and JSON: a visit and a wish to close have the same fields.
    """
    return Item(
        name,
        type_name,
        data,
        blake2b(b"%b\0%b" % (type_name.encode(), data), digest_size=16).digest(),
    )
