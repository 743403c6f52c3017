"""The contents of reference data by digest, compiled for the decider."""

from __future__ import annotations

from collections.abc import Mapping

from eventlog.content_codec import decode_content
from events.catalogue import OnCall
from events.reference_data import AdmissionList, GridMap, Policies, Roster
from routing.core.reference import GridEntry, Grids


class ContentLibrary:
    """The contents that were committed with reference data, by digest (hex SHA-256 → bytes)."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self.contents = contents

    def map(self, digest: str) -> GridMap:
        """Return a map with its polygons."""
        return decode_content(self.contents, digest, GridMap)

    def grids(self, digest: str) -> Grids:
        grids = self.map(digest).grids
        entries = {grid.code: GridEntry(grid.street, grid.dedicated) for grid in grids}
        return Grids(entries, frozenset(grid.street for grid in grids))

    def workers(self, digest: str) -> Mapping[str, str]:
        return decode_content(self.contents, digest, Roster).workers

    def receivers(self, digest: str) -> tuple[OnCall, ...]:
        return decode_content(self.contents, digest, Roster).receivers

    def admission(self, digest: str) -> AdmissionList:
        return decode_content(self.contents, digest, AdmissionList)

    def policies(self, digest: str) -> Policies:
        return decode_content(self.contents, digest, Policies)
