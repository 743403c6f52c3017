"""The files of a city that several commands read: its profile and its map."""

from __future__ import annotations

from pathlib import Path

from events.reference_data import GridMap
from gridcall.cli.terminal import NOTHING_RAN, fail, say
from gridcall.simulation.city.map_findings import CheckedMap
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.city.profile_loader import ProfileError, SourceLines, load_profile


def read_profile(path: Path) -> tuple[Profile, SourceLines]:
    """Return a profile and the lines of its keys, or end the program."""
    try:
        return load_profile(path)
    except ProfileError as error:
        fail(NOTHING_RAN, f"the profile cannot be used\n{error}")


def read_map(folder: Path, profile: Profile) -> GridMap:
    """Return the map of a folder, or end the program with the findings that refuse it."""
    checked = check_map(folder, profile.map)
    if checked.grids is None:
        reasons = "\n".join(str(finding) for finding in checked.refusals)
        fail(
            NOTHING_RAN,
            f"the map is refused\n{reasons}\nall findings: gridcall map check {folder} --profile …",
        )
    if checked.findings:
        say(f"{folder}: {counts_of_findings(checked)}; gridcall map check names each", err=True)
    return checked.grids


def counts_of_findings(checked: CheckedMap) -> str:
    """Return the number of grids and of findings by kind, as text."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in checked.kinds().items()) or "nothing"
    size = f"{len(checked.grids.grids)} grids" if checked.grids else "refused"
    return f"{size}; found: {kinds}"
