"""`gridcall decider`: the version of the code by which a district's cases are decided."""

from __future__ import annotations

from typing import Any

import click

from eventlog.postgres.pool import Database
from events.catalogue import ReferenceAdopted
from events.instants import rfc3339
from events.topology import DECIDER_VERSION, DECIDER_VERSIONS
from gridcall.cli.options import district_option, json_option, only_district_option
from gridcall.cli.queries import run_on_database
from gridcall.cli.reference_data import adopt_and_report
from gridcall.cli.reference_versions import Versions, history_command, versions_of
from gridcall.cli.terminal import print_rows


@click.group("decider")
def decider_group() -> None:
    """Adopt a version of the deciders of a district, and look at its versions."""


@decider_group.command("adopt")
@click.argument("version", metavar="[VERSION]", default=DECIDER_VERSION)
@district_option
def decider_adopt(version: str, district: str) -> None:
    """Decide by another version from here on: the newest of this build, or the one that is named.

    What was decided before stays, and is replayed under the version of its time. Upgrade all
    services first: a stage whose build lacks the version halts before it.

    \b
    Exit status: 0 adopted, or in force already · 2 refused
    Example:     gridcall decider adopt --district licheng
    """
    event = ReferenceAdopted(kind="decider", name=version, digest="")
    adopt_and_report(district, event, {}, json_output=False)


@decider_group.command("show")
@only_district_option
@json_option
def decider_show(district: str | None, json_output: bool) -> None:
    """List the versions that this build has, or that the district has adopted.

    \b
    Example:     gridcall decider show
    """

    async def query(database: Database) -> Versions:
        return await versions_of(database, district, "decider")

    print_rows(version_rows(run_on_database(query)), json_output, "no version")


def version_rows(versions: Versions) -> list[dict[str, Any]]:
    """Return a row for each version, in the order of the build, and then of the adoptions."""
    adopted_at = {each.event.name: rfc3339(each.time) for each in versions.adoptions}
    in_force = versions.adoptions[-1].event.name if versions.adoptions else DECIDER_VERSIONS[0]
    return [
        {
            "decider": name,
            "in_force": "yes" if name == in_force else "no",
            "in_this_build": "yes" if name in DECIDER_VERSIONS else "no",
            "adopted": adopted_at.get(name, ""),
        }
        for name in dict.fromkeys((*DECIDER_VERSIONS, *adopted_at))
    ]


decider_group.add_command(history_command("decider"))
COMMANDS = {"decider": decider_group}
