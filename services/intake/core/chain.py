"""The chain of hashes of a district: each input, in its order, and each generation.

A hash covers the link and the hash before it, and so all links before. A changed, removed, inserted
or swapped input changes every later hash. The database computes the same (migration intake_0002),
under the district's lock and in the statement that accepts.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from events.instants import Instant

BEGINNING = b""  # Before the first link, which is the first generation of the district.


class InputLink(NamedTuple):
    """An accepted input as a link.

    `content` is the digest of its content as its identity has it, empty without an identity.
    """

    district: str
    position: int
    time: Instant
    subject: str
    sequence: int
    type: str
    content: str
    credential: str
    source: str
    data: bytes


class GenerationLink(NamedTuple):
    """A generation as a link: it begins after position `start`.

    `district_number` is the partition of the district. `tracking_key` is the digest of the key of
    its tracking codes, in hex.
    """

    district: str
    start: int
    number: int
    before: int
    district_number: int
    tracking_key: str


def hash_input(before: bytes, link: InputLink) -> bytes:
    """Return the hash of an input. `before` is the hash before it."""
    return next_hash(before, link.data, "row", *map(str, link[:-1]))


def hash_generation(before: bytes, link: GenerationLink) -> bytes:
    """Return the hash of a generation. `before` is the hash before it."""
    return next_hash(before, b"", "generation", *map(str, link))


def next_hash(before: bytes, data: bytes, *fields: str) -> bytes:
    """Return the hash of the next link.

    Only the last field may have a line feed in it, so that no field can be moved into another.
    """
    text = "\n".join(fields)
    return sha256(before + sha256(data).digest() + text.encode()).digest()
