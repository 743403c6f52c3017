"""The reference data of routing: grids, workers and admission list in force, and their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, assert_never

from events.catalogue import (
    Adopted,
    Level,
    OnCall,
    PoliciesAdopted,
    ReferenceAdopted,
    RosterAdopted,
    Versions,
)
from events.reference_data import AdmissionList, Policies


@dataclass(frozen=True, slots=True)
class GridEntry:
    """The street of a grid; a dedicated grid is one school, hospital, market or firm."""

    street: str
    dedicated: bool


@dataclass(frozen=True, slots=True)
class Grids:
    """The codes of a map. Its polygons are known to the look-up alone."""

    entries: Mapping[str, GridEntry]
    streets: frozenset[str]


class Admission(NamedTuple):
    """The lowest level that may have a category, and the row of the list that says so."""

    level: Level
    row: str


NO_GRIDS = Grids({}, frozenset())
NO_VERSIONS = Versions(None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The reference data in force in a district. `map_digest` names the polygons of the look-up."""

    district: str = ""
    map_digest: str = ""
    grids: Grids = NO_GRIDS
    workers: Mapping[str, str] = field(default_factory=dict)
    admission: Mapping[str, Admission] | None = None
    used: Versions = NO_VERSIONS


class Library(Protocol):
    """Contents by digest, compiled. Raises Halted for a content that is not stored."""

    def grids(self, digest: str) -> Grids:
        """Return the codes of a map."""

    def workers(self, digest: str) -> Mapping[str, str]:
        """Return the gridworker of each grid, of a roster."""

    def receivers(self, digest: str) -> tuple[OnCall, ...]:
        """Return the receivers of calls, of a roster."""

    def admission(self, digest: str) -> AdmissionList:
        """Return an admission list."""

    def policies(self, digest: str) -> Policies:
        """Return deadline policies."""


def decide_reference(event: ReferenceAdopted, library: Library) -> Sequence[Adopted]:
    """Pass reference data on, with the content that later stages need.

    They read nothing but `cases`.
    """
    name, digest = event.name, event.digest
    match event.kind:
        case "policies":
            policies = library.policies(digest)
            return [
                PoliciesAdopted(
                    name=name,
                    zone=policies.zone,
                    answer_within=policies.answer_within,
                    limits=policies.limits,
                )
            ]
        case "roster":
            receivers = library.receivers(digest)
            return [RosterAdopted(name=name, digest=digest, receivers=receivers)]
        case "map" | "names" | "admission" | "decider":
            return [event]
        case unreachable:
            assert_never(unreachable)


def evolve_reference(reference: Reference, event: Adopted, library: Library) -> Reference:
    """Return the reference data after an adoption."""
    match event:
        case RosterAdopted(name=name, digest=digest):
            used = replace(reference.used, roster=name)
            return replace(reference, workers=library.workers(digest), used=used)
        case PoliciesAdopted():
            return reference
        case ReferenceAdopted():
            return evolve_content(reference, event, library)
        case unreachable:
            assert_never(unreachable)


def evolve_content(reference: Reference, event: ReferenceAdopted, library: Library) -> Reference:
    """Return the reference data after the adoption of a content that only routing reads."""
    name, digest = event.name, event.digest
    match event.kind:
        case "map":
            used = replace(reference.used, map=name)
            grids = library.grids(digest)
            return replace(reference, map_digest=digest, grids=grids, used=used)
        case "admission":
            used = replace(reference.used, admission=name)
            rows = library.admission(digest).rows
            admission = {row.category: Admission(row.level, row.rule) for row in rows}
            return replace(reference, admission=admission, used=used)
        case "names" | "roster" | "policies" | "decider":
            return reference
        case unreachable:
            assert_never(unreachable)
