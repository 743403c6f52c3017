"""The lists of cases behind the numbers of the page."""

from __future__ import annotations

from typing import NamedTuple

from events.instants import BEGINNING, LATEST, Instant
from screen.core.case_file import CaseKeys

# By what a list is of: the whole district, a line, or a grid. Each has an index in its order.
LISTS: dict[str, tuple[str, ...]] = {
    "district": ("open", "running", "overdue", "calling", "queued", "parked", "ended"),
    "line": ("open", "overdue", "accepted"),
    "grid": ("open", "overdue", "calling"),
}
NEWEST_FIRST = ("accepted", "ended")  # The others have the soonest deadline first.


class CaseList(NamedTuple):
    """A list of cases: its name, and the line or grid that it is of, if it is not the district."""

    name: str
    of: str = "district"
    code: str = ""

    @property
    def is_known(self) -> bool:
        """True if there is such a list."""
        return self.name in LISTS.get(self.of, ())

    @property
    def key(self) -> str:
        """The key by which the list is sorted."""
        return self.name if self.name in NEWEST_FIRST else "due"

    @property
    def start(self) -> Place:
        """The place before the first case."""
        return Place(LATEST if self.name in NEWEST_FIRST else BEGINNING, "")

    def place_of(self, id_: str, keys: CaseKeys) -> Place:
        """Return the place of a case in this list."""
        return Place(getattr(keys, self.key), id_)


class Place(NamedTuple):
    """A place in a list, after which the next page begins: the key of its order, and an id."""

    key: Instant | int
    id: str

    def __str__(self) -> str:
        return f"{self.key},{self.id}"


def parse_place(text: str) -> Place:
    """Return the place of a text. Raises ValueError if it is none."""
    key, comma, id_ = text.partition(",")
    if not comma or len(key) > len(str(BEGINNING)):
        raise ValueError(f"{text!r} is no place in a list")
    return Place(int(key), id_)
