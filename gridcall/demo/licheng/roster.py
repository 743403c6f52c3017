"""The roster: a gridworker for each grid, officers for each street and the district."""

from __future__ import annotations

from events.catalogue import OnCall
from events.reference_data import Roster
from gridcall.demo.licheng.grid_map import grid_boxes
from gridcall.demo.licheng.units import CODE, streets


def roster() -> Roster:
    """Return the roster. Its codes are roles, not people."""
    receivers = (
        OnCall(unit, f"{unit}-officer", f"{unit}-deputy")
        for unit in (CODE, *(street.code for street in streets()))
    )
    return Roster({code: f"w-{code}" for code in sorted(grid_boxes())}, tuple(receivers))
