"""Reference data as bytes under their digest: intake writes them, stages and readers
decode them.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from events.errors import Halted

C = TypeVar("C")
encoder = msgspec.json.Encoder(order="sorted")


def encode_content(content: object) -> tuple[str, bytes]:
    """Return the digest (hex SHA-256) and the bytes of a content; equal contents, equal bytes."""
    body = encoder.encode(content)
    return sha256(body).hexdigest(), body


def decode_content(contents: Mapping[str, bytes], digest: str, kind: type[C]) -> C:
    """Return the content of a digest. Raises Halted if it is missing: nothing can
    follow it then.
    """
    if digest not in contents:
        raise Halted(
            f"the content {digest} of an adopted {kind.__name__} is missing; load it again"
        )
    return msgspec.json.decode(contents[digest], type=kind)


def content_from(plain: Any, kind: type[C]) -> C:
    """Return the content that plain data are.

    Raises ValueError with the place and the reason of the first fault.
    """
    try:
        return msgspec.convert(plain, type=kind, strict=True)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
