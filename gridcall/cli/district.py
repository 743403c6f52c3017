"""`gridcall district`: the districts of this database. Nothing else makes one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from eventlog.postgres.pool import Database
from events.catalogue import ReferenceAdopted, ReferenceKind
from events.instants import BEGINNING, rfc3339
from events.topology import DECIDER_VERSION
from gridcall.cli.city_files import read_map, read_profile
from gridcall.cli.options import DistrictCode, json_option
from gridcall.cli.queries import change_database, run_on_database
from gridcall.cli.reference_data import print_adoption
from gridcall.cli.terminal import NOTHING_RAN, fail, print_rows, say
from gridcall.operator import operator_sender
from gridcall.simulation.driver import first_adoptions
from intake.adoption import Adoption, adopt_reference_data, check_contents, refuse_misfits
from intake.core.reference_checks import InForce
from intake.store import IntakeStore

KINDS: tuple[ReferenceKind, ...] = ("map", "roster", "admission", "policies", "names")

First = tuple[Sequence[ReferenceAdopted], dict[str, bytes]]


@click.group("district")
def district_group() -> None:
    """Add and list the districts. Each has a log, a map, people and policies of its own."""


@district_group.command("add")
@click.argument("code", type=DistrictCode())
@click.option(
    "--map",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Adopt this map, and roster and policies as the profile has them.",
)
@click.option("--profile", "profile_path", type=click.Path(path_type=Path), help="With --map.")
def district_add(code: str, folder: Path | None, profile_path: Path | None) -> None:
    """Add a district, which is for ever: its code is in every row of its logs.

    With --map and --profile it begins as a simulation of that city does. It has the map, one worker
    per grid, and the profile's time to answer. A district that has reference data already does not
    change.

    \b
    Exit status: 0 added, or there already · 2 refused
    Example:     gridcall district add licheng
    """
    if (folder is None) != (profile_path is None):
        fail(NOTHING_RAN, "--map and --profile belong together: name both, or none")
    decider = ReferenceAdopted(kind="decider", name=DECIDER_VERSION, digest="")
    first: First = ([decider], {})
    if folder is not None and profile_path is not None:
        first = first_of_profile(code, folder, profile_path)
    adoption = change_database(lambda database: add_district(database, code, first))
    if adoption is None:
        say(f"{code} is there already; nothing changes: gridcall district list")
        return
    say(f"{code} added")
    print_adoption(code, adoption)


def first_of_profile(code: str, folder: Path, profile_path: Path) -> First:
    """Return the first reference data of a profile's city, or end the program."""
    profile, _ = read_profile(profile_path)
    named = profile.map.district.code
    if named != code:
        fail(NOTHING_RAN, f"{profile_path} is the profile of {named!r}, not of {code!r}")
    drafts, contents = first_adoptions(profile, read_map(folder, profile), 0)
    return [each.event for each in drafts if isinstance(each.event, ReferenceAdopted)], contents


async def add_district(database: Database, code: str, first: First) -> Adoption | None:
    """Add a district with its first reference data. Return None if it is there already.

    One without any reference data is completed, because a fault may come between the two steps.
    Raises ReferenceRefused before anything is added.
    """
    refuse_misfits(code, check_contents(*first, code, InForce()))
    store = IntakeStore(database)
    if not await store.add_district(code) and await store.references_in_force(code):
        return None
    return await adopt_reference_data(database, code, *first, operator_sender())


@district_group.command("list")
@json_option
def district_list(json_output: bool) -> None:
    """List the districts, with the name of each kind of reference data in force.

    \b
    Example:     gridcall district list --json
    """
    rows = run_on_database(district_rows)
    print_rows(rows, json_output, "no district yet: gridcall district add CODE")


async def district_rows(database: Database) -> list[dict[str, Any]]:
    """Return a row for each district, in the order of their numbers."""
    store = IntakeStore(database)
    numbers, times = await store.shards(), await store.district_times()
    rows = []
    for code, number in numbers.items():
        in_force = await store.references_in_force(code)
        time = times.get(code, BEGINNING)
        names = {kind: event.name for kind, event in in_force.items()}
        rows.append(
            {
                "district": code,
                "number": number,
                "time": "" if time == BEGINNING else rfc3339(time),
            }
            | {str(kind): names.get(kind, "") for kind in KINDS}
        )
    return rows


COMMANDS = {"district": district_group}
