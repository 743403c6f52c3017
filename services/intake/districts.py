"""Districts: an operator adds each one by name, and it remains. Nothing else makes one."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from events.errors import GridcallError
from intake.store import IntakeStore


class UnknownDistrict(GridcallError):
    """There is no such district. `known` are those that an operator may see."""

    def __init__(self, district: str, known: Sequence[str] = ()) -> None:
        self.district = district
        near = get_close_matches(district, known, n=1)
        exists = f"there are {', '.join(known)}" if known else "there is none yet"
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(
            f"no district {district!r}: {hint}{exists}; "
            f"to make it: gridcall district add {district}"
        )


async def require_district(store: IntakeStore, district: str) -> None:
    """Raise UnknownDistrict, with the known ones, unless a district was added."""
    known = await store.district_codes()
    if district not in known:
        raise UnknownDistrict(district, known)
