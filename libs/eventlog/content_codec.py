"""Reference data as bytes under their digest: written at the door, read again by whoever needs the
content.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TypeVar

import msgspec

from events.errors import Halted

C = TypeVar("C")
encoder = msgspec.json.Encoder(order="sorted")


def encoded(content: object) -> tuple[str, bytes]:
    """The digest (hex SHA-256) and the bytes of a content; equal contents have equal bytes."""
    body = encoder.encode(content)
    return sha256(body).hexdigest(), body


def decoded(contents: Mapping[str, bytes], digest: str, kind: type[C]) -> C:
    """The content of a digest. Raises Halted where it is missing: its adoption cannot be followed
    without it.
    """
    if digest not in contents:
        raise Halted(
            f"the content {digest} of an adopted {kind.__name__} is not here; load it again"
        )
    return msgspec.json.decode(contents[digest], type=kind)
