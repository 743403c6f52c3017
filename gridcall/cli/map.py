"""`gridcall map`: a map of grids is checked and adopted."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from events.catalogue import ReferenceAdopted
from events.reference_data import GridMap
from gridcall.cli.options import json_option, profile_option
from gridcall.cli.reference_data import adopt_and_report
from gridcall.cli.terminal import NOTHING_RAN, emit, fail
from gridcall.simulation.city.map_validation import CheckedMap, check_map
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.city.profile_loader import ProfileError, SourceLines, load_profile
from gridcall.simulation.driver import first_adoptions
from gridcall.simulation.reports.files import as_json

folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))


@click.group("map")
def map_group() -> None:
    """Check and adopt the map of the grids."""


@map_group.command("check")
@folder_argument
@profile_option
@json_option
def map_check(folder: Path, profile_path: Path, json_output: bool) -> None:
    """Check a map, and print every finding with its feature, place and measure.

    \b
    Exit status: 0 usable, 2 refused.
    Example:     gridcall map check maps/ --profile profiles/exampleville.yaml
    """
    profile, _ = read_profile(profile_path)
    checked = check_map(folder, profile.map)
    if json_output:
        emit(as_json([finding.as_json() for finding in checked.findings]))
    else:
        emit("".join(f"{finding}\n" for finding in checked.findings).encode())
    click.echo(f"{folder}: {counts_of_findings(checked)}", err=True)
    sys.exit(NOTHING_RAN if checked.refusals else 0)


@map_group.command("load")
@folder_argument
@profile_option
def map_load(folder: Path, profile_path: Path) -> None:
    """Adopt a map, and the roster and policies of its profile. A new district is made with them.

    \b
    Example:     gridcall map load maps/ --profile profiles/exampleville.yaml
    """
    profile, _ = read_profile(profile_path)
    drafts, contents = first_adoptions(profile, read_map(folder, profile), 0)
    events = [draft.event for draft in drafts if isinstance(draft.event, ReferenceAdopted)]
    adopt_and_report(profile.map.district.code, events, contents)


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
        click.echo(
            f"{folder}: {counts_of_findings(checked)}; gridcall map check names each", err=True
        )
    return checked.grids


def counts_of_findings(checked: CheckedMap) -> str:
    """Return the number of grids and of findings by kind, as text."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in checked.kinds().items()) or "nothing"
    size = f"{len(checked.grids.grids)} grids" if checked.grids else "refused"
    return f"{size}; found: {kinds}"


COMMANDS = {"map": map_group}
