"""Items: events as the acceptor takes them, with identity and a digest of their content."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from eventlog.core.row import Sender


class Item(NamedTuple):
    """An event to be accepted: its identity, its type, its fields in JSON, and their digest.

    `trace` is the context of a sampled request. It is stored beside the event.
    """

    id: str
    type: str
    data: bytes
    content: bytes
    sender: Sender
    trace: str = ""


def make_item(name: str, type_name: str, data: bytes, sender: Sender) -> Item:
    """Return the item of an event whose deterministic JSON is `data`."""
    return Item(name, type_name, data, content_digest(type_name, data), sender)


def content_digest(type_name: str, data: bytes) -> bytes:
    """Return the digest by which the same content is recognised: BLAKE2b of type, NUL and JSON.

    The type belongs to it, because a visit and a wish to close have the same fields.
    """
    return blake2b(b"%b\0%b" % (type_name.encode(), data), digest_size=16).digest()
