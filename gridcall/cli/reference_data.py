"""`gridcall names`, `roster`, `admission` and `policies`: reference data, and their versions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from eventlog.content_codec import encode_content
from eventlog.postgres.pool import Database
from events.catalogue import ReferenceAdopted, ReferenceKind
from events.reference_data import Content
from gridcall.cli.options import SeenText, district_option, json_option
from gridcall.cli.queries import change_database
from gridcall.cli.reference_versions import version_commands
from gridcall.cli.terminal import NOTHING_RAN, emit, fail, say
from gridcall.host.adoption_effects import MOVING, Effects, sentence_of, wait_for_effects
from gridcall.operator import operator_sender
from gridcall.simulation.reports.files import as_json
from intake.adoption import CONTENT_TYPES, Adoption, adopt_reference_data
from intake.parsing.reference_file import InvalidFile, parse_reference_file

FILE_KINDS: tuple[ReferenceKind, ...] = ("names", "roster", "admission", "policies")


def load_command(kind: ReferenceKind) -> click.Command:
    """Return the command `gridcall KIND load FILE`."""

    @click.command("load")
    @click.argument(
        "path", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False)
    )
    @district_option
    @click.option("--name", type=SeenText(), help="The version's name. Without it: the file's.")
    @json_option
    def load(path: Path, district: str, name: str | None, json_output: bool) -> None:
        digest, body = encode_content(read_content(kind, path))
        event = ReferenceAdopted(kind=kind, name=name or path.stem, digest=digest)
        adopt_and_report(district, event, {digest: body}, json_output=json_output)

    load.help = (
        f"Adopt a {kind} from a JSON file, if it fits the other reference data in force.\n\n"
        "\b\nExit status: 0 adopted, or in force already · 2 refused\n"
        f"Example:     gridcall {kind} load {kind}.json --district licheng"
    )
    return load


def read_content(kind: ReferenceKind, path: Path) -> Content:
    """Return the content of a file, or end the program."""
    try:
        return parse_reference_file(path.read_bytes(), CONTENT_TYPES[kind])
    except InvalidFile as error:
        faults = "\n".join(f"{path}: {line}" for line in str(error).splitlines())
        fail(NOTHING_RAN, f"this is no {kind}\n{faults}\ndocs/reference-data.md shows one")


def adopt_and_report(
    district: str, event: ReferenceAdopted, contents: Mapping[str, bytes], *, json_output: bool
) -> None:
    """Adopt reference data unless they are in force, and print what became of open cases.

    Raises ReferenceRefused.
    """
    adoption, effects = change_database(
        lambda database: adopt_and_wait(database, district, event, contents)
    )
    if json_output:
        emit(as_json(adoption_fields(district, adoption, effects)))
        return
    print_adoption(district, adoption)
    if effects is not None:
        say(f"{district}: {sentence_of(effects)}")


async def adopt_and_wait(
    database: Database, district: str, event: ReferenceAdopted, contents: Mapping[str, bytes]
) -> tuple[Adoption, Effects | str | None]:
    """Return an adoption and its effects on open cases; None if it moves none."""
    sender = operator_sender()
    adoption = await adopt_reference_data(database, district, [event], contents, sender)
    if event.kind not in MOVING or not adoption.positions:
        return adoption, None
    return adoption, await wait_for_effects(database, district, adoption.positions[-1])


def adoption_fields(
    district: str, adoption: Adoption, effects: Effects | str | None
) -> dict[str, Any]:
    """Return an adoption for JSON. `cases` is null if none may move, or it is not decided yet."""
    return {
        "district": district,
        "adopted": [{"kind": event.kind, "name": event.name} for event in adoption.events],
        "reported": [str(finding) for finding in adoption.findings],
        "cases": effects._asdict() if isinstance(effects, Effects) else None,
        "note": effects if isinstance(effects, str) else "",
    }


def print_adoption(district: str, adoption: Adoption) -> None:
    """Print what was adopted, and on stderr what was reported."""
    for finding in adoption.findings:
        say(str(finding), err=True)
    names = ", ".join(f"{event.kind} {event.name} adopted" for event in adoption.events)
    say(f"{district}: {names or 'nothing new: all of this is in force already'}")


def group_of(kind: ReferenceKind) -> click.Group:
    """Return the commands of a kind that is loaded from a JSON file."""
    commands = [
        load_command(kind),
        *version_commands(kind, lambda path: read_content(kind, path)),
    ]
    text = f"Adopt the {kind} of a district, and look at its versions."
    return click.Group(kind, commands, help=text)


COMMANDS = {kind: group_of(kind) for kind in FILE_KINDS}
