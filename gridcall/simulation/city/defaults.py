"""The reference data that simulate adopts before the first issue."""

from __future__ import annotations

from datetime import timedelta

from events.catalogue import OnCall
from events.reference_data import GridMap, Policies, Roster
from gridcall.simulation.city.profile import Profile


def one_worker_per_grid(grids: GridMap) -> Roster:
    """Return a roster for data without one.

    Each grid gets a worker of its name, and each street and the district receive their calls.
    """
    workers = {grid.code: f"w:{grid.code}" for grid in grids.grids}
    units = [*sorted({grid.street for grid in grids.grids}), grids.district]
    return Roster(workers, tuple(OnCall(unit, None, None) for unit in units))


def policies_of(profile: Profile) -> Policies:
    """Return the policies. Deadlines come with the issues, the time to answer from the profile."""
    within = profile.calls.answer_within
    return Policies(
        profile.zone, None if within == "never" else within // timedelta(microseconds=1), ()
    )
