"""What routing knows when it decides: grids, workers and the admission list in force, under the names of their versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from events.catalogue import Level, OnCall, Versions
from events.reference_data import AdmissionList, Policies


@dataclass(frozen=True, slots=True)
class GridEntry:
    """What a code stands for."""

    street: str
    dedicated: bool


@dataclass(frozen=True, slots=True)
class Grids:
    """The codes of a map; where they lie is known to locate.py alone."""

    entries: Mapping[str, GridEntry]
    streets: frozenset[str]


NO_GRIDS = Grids({}, frozenset())
NO_VERSIONS = Versions(None, None, None)


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference data in force. `map_digest` tells locate.py which polygons to ask."""

    map_digest: str = ""
    grids: Grids = NO_GRIDS
    workers: Mapping[str, str] = field(default_factory=dict)
    admission: Mapping[str, tuple[Level, str]] | None = None
    used: Versions = NO_VERSIONS


class Library(Protocol):
    """Contents by digest, compiled. Raises Halted for one that is not here."""

    def grids(self, digest: str) -> Grids:
        """The codes of a map."""

    def workers(self, digest: str) -> Mapping[str, str]:
        """Grid → gridworker, of a roster."""

    def receivers(self, digest: str) -> tuple[OnCall, ...]:
        """Who takes calls, of a roster."""

    def admission(self, digest: str) -> AdmissionList:
        """An admission list."""

    def policies(self, digest: str) -> Policies:
        """Deadline policies."""
