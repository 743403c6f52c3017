"""Items: events as the acceptor takes them, with identity and a digest of their content."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from eventlog.codec import sorted_encoder
from events.catalogue import Action, IssueReported, RetryAsked
from events.registry import TYPE_OF


class Item(NamedTuple):
    """An event to be accepted: its identity, its type, its fields in JSON, and their digest.

    The same content is the same BLAKE2b digest of type, NUL and JSON. The type belongs to it,
    because a visit and a wish to close have the same fields.
    """

    id: str
    type: str
    data: bytes
    content: bytes


def item_of(event: IssueReported | Action | RetryAsked) -> Item:
    """Return an event as the acceptor takes it."""
    name = event.issue if isinstance(event, IssueReported) else event.action
    type_name = TYPE_OF[type(event)].name
    data = sorted_encoder.encode(event)
    digest = blake2b(b"%b\0%b" % (type_name.encode(), data), digest_size=16).digest()
    return Item(name, type_name, data, digest)
