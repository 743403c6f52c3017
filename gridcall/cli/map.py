"""The map of the grids: checked, and adopted."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from events.catalogue import ReferenceAdopted
from events.reference_data import GridMap
from gridcall.cli.reference_data import adopt_now
from gridcall.cli.terminal import NOTHING_RAN, emit, fail
from gridcall.simulation.city.map_validation import Checked, check_map
from gridcall.simulation.city.profile import Lines, Profile, ProfileError, load_profile
from gridcall.simulation.driver import adoptions
from gridcall.simulation.reports.files import as_json


@click.group("map")
def map_group() -> None:
    """The map of the grids."""


@map_group.command("check")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--profile",
    "profile_path",
    required=True,
    type=click.Path(path_type=Path),
    help="The city's profile.",
)
@click.option("--json", "as_json_", is_flag=True, help="Findings as JSON.")
def map_check(folder: Path, profile_path: Path, as_json_: bool) -> None:
    """Check a map: every finding by feature, place and measure.

    \b
    Exit status: 0 usable, 2 refused.
    Example:     gridcall map check maps/ --profile profiles/exampleville.yaml
    """
    profile, _ = the_profile(profile_path)
    checked = check_map(folder, profile.map)
    if as_json_:
        emit(as_json([finding.as_json() for finding in checked.findings]))
    else:
        emit("".join(f"{finding}\n" for finding in checked.findings).encode())
    click.echo(f"{folder}: {found_in(checked)}", err=True)
    sys.exit(NOTHING_RAN if checked.refused else 0)


@map_group.command("load")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--profile",
    "profile_path",
    required=True,
    type=click.Path(path_type=Path),
    help="The city's profile.",
)
def map_load(folder: Path, profile_path: Path) -> None:
    """Adopt a map in the running system, with the roster and the policies of its profile; the district is made with it.

    \b
    Example:     gridcall map load maps/ --profile profiles/exampleville.yaml
    """
    profile, _ = the_profile(profile_path)
    drafts, contents = adoptions(profile, the_map(folder, profile), 0)
    events = [draft.event for draft in drafts if isinstance(draft.event, ReferenceAdopted)]
    adopt_now(profile.map.district.code, events, contents)


def the_profile(path: Path) -> tuple[Profile, Lines]:
    """The profile, or the end of the program."""
    try:
        return load_profile(path)
    except ProfileError as error:
        fail(NOTHING_RAN, f"the profile cannot be used\n{error}")


def the_map(folder: Path, profile: Profile) -> GridMap:
    """The map, or the end of the program with what refuses it."""
    checked: Checked = check_map(folder, profile.map)
    if checked.grids is None:
        found = "\n".join(str(finding) for finding in checked.refused)
        fail(
            NOTHING_RAN,
            f"the map is refused\n{found}\nall findings: gridcall map check {folder} --profile …",
        )
    if checked.findings:
        click.echo(f"{folder}: {found_in(checked)}; gridcall map check names each", err=True)
    return checked.grids


def found_in(checked: Checked) -> str:
    """What was found in a map, in one line."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in checked.kinds().items()) or "nothing"
    return (
        f"{len(checked.grids.grids)} grids; found: {kinds}"
        if checked.grids
        else f"refused; found: {kinds}"
    )


COMMANDS = {"map": map_group}
