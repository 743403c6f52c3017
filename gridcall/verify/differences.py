"""Differences: the first place at which the stored record is not what it must be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place at which a log differs from the fold: envelopes, None where a row is missing.

    Of facts, `position` is the place of the fact's key in the order of keys.
    """

    log: str
    position: int
    folded: bytes | None
    stored: bytes | None
    cause: str

    def __str__(self) -> str:
        sides = (("the fold has", self.folded), ("stored is", self.stored))
        lines = (f"  {name:13} {as_text(body)}" for name, body in sides)
        return "\n".join(
            (
                f"{self.log} differs at position {self.position}",
                *lines,
                f"  caused by     {self.cause}",
            )
        )

    def as_json(self) -> dict[str, Any]:
        """Return the fields for `gridcall verify --json`."""
        sides = {"folded": self.folded, "stored": self.stored}
        return {"log": self.log, "position": self.position, "cause": self.cause} | {
            name: as_value(body) for name, body in sides.items()
        }


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The first stored value that contradicts another one. `log` names a log or a table.

    `position` is the one in that log; 0 if the value belongs to no row.
    """

    log: str
    position: int
    because: str

    def __str__(self) -> str:
        place = f" at position {self.position}" if self.position else ""
        return f"{self.log} is contradicted{place}: {self.because}"

    def as_json(self) -> dict[str, Any]:
        """Return the fields for `gridcall verify --json`."""
        place = {"log": self.log, "position": self.position, "cause": self.because}
        return place | {"folded": None, "stored": None}


Finding: TypeAlias = Difference | Contradiction


def as_text(body: bytes | None) -> str:
    """Return a side of a difference as text. A changed row may be anything."""
    return "nothing" if body is None else body.decode(errors="replace")


def as_value(body: bytes | None) -> Any:
    """Return a side of a difference as a value of JSON. A changed row may be anything."""
    try:
        return None if body is None else json.loads(body)
    except ValueError:
        return as_text(body)
