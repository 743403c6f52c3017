"""A record of a Kafka topic, as it came."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple


class Record(NamedTuple):
    """A record as it is on the topic: key, value and headers."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]

    @property
    def digest(self) -> bytes:
        """The digest by which a record is recognised, wherever it is."""
        digest = sha256()
        headers = (part for name, value in self.headers for part in (name.encode(), value))
        for part in (self.key, self.value, *headers):
            digest.update(b"-" if part is None else b"%d:" % len(part) + part)
        return digest.digest()
