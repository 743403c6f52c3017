"""`keys.json`: the secrets of the demo's platforms, people and readers."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

PEOPLE = "people"  # The source of people's actions.
FILE = "keys.json"


class DemoKeys(msgspec.Struct, frozen=True):
    """A secret for each platform, one for people's actions, one for reading logs."""

    platforms: dict[str, str]
    people: str
    reader: str

    def secret_of(self, source: str) -> str:
        """Return the secret with which a source posts."""
        return self.people if source == PEOPLE else self.platforms[source]


def load_keys(folder: Path) -> DemoKeys:
    """Return the keys in a folder."""
    return msgspec.json.decode((folder / FILE).read_bytes(), type=DemoKeys)


def store_keys(folder: Path, keys: DemoKeys) -> None:
    """Store keys in a file that only its owner can read."""
    folder.mkdir(parents=True, exist_ok=True)
    content = msgspec.json.format(msgspec.json.encode(keys), indent=1)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(folder / FILE, flags, 0o600), "wb") as file:
        file.write(content)
