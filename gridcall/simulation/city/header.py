"""The header of a city's file: the positions of the columns that the profile names."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from gridcall.simulation.city.profile import Profile
from gridcall.simulation.city.text import is_text, to_nfc

DELIMITERS = (";", "\t", "|", ",")


class Header:
    """A header, and the positions of the profile's columns in it.

    `missing` has each column that is not there, with the key that names it. In format 2 names are
    compared without regard to case if no exact one exists.
    """

    def __init__(self, profile: Profile, cells: Sequence[str]) -> None:
        self.names = [to_nfc(cell.strip()) for cell in cells]
        self._folded = [name.casefold() for name in self.names]
        self._exact = profile.format == "1"
        self.positions: dict[str, int] = {}
        self.missing: dict[str, str] = {}
        self.repeated: list[str] = []
        for column, key in profile.columns().items():
            at = self._positions_of(column)
            if at:
                self.positions[column] = at[0]
            else:
                self.missing[column] = key
            if len(at) > 1:
                self.repeated.append(column)

    def _positions_of(self, column: str) -> list[int]:
        exact = [at for at, name in enumerate(self.names) if name == column]
        if exact or self._exact:
            return exact
        folded = column.casefold()
        return [at for at, name in enumerate(self._folded) if name == folded]

    def nearest(self, column: str) -> str | None:
        """Return the name that is most like a missing column; None if the header has no names."""
        near = get_close_matches(column.casefold(), self._folded, n=1, cutoff=0.0)
        return self.names[self._folded.index(near[0])] if near else None

    def likely_fault(self, delimiter: str) -> str | None:
        """Return the likely reason why the header makes no sense, and what to write; or None."""
        if not all(is_text(name) for name in self.names):
            return "the header is not text; name the file's encoding in csv.encoding"
        if len(self.names) == 1:
            others = [each for each in DELIMITERS if each != delimiter and each in self.names[0]]
            if others:
                return f"the header is one cell; is csv.delimiter {others[0]!r}?"
        return None
