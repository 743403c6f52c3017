"""`gridcall names`, `roster`, `admission` and `policies`: reference data, and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from eventlog.content_codec import encode_content
from events.catalogue import ReferenceAdopted, ReferenceKind
from events.reference_data import Content
from gridcall.cli.options import SeenText, district_option
from gridcall.cli.queries import change_database
from gridcall.cli.reference_versions import version_commands
from gridcall.cli.terminal import NOTHING_RAN, fail, say
from gridcall.operator import operator_sender
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
    def load(path: Path, district: str, name: str | None) -> None:
        digest, body = encode_content(read_content(kind, path))
        event = ReferenceAdopted(kind=kind, name=name or path.stem, digest=digest)
        adopt_and_report(district, [event], {digest: body})

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
    district: str, events: Sequence[ReferenceAdopted], contents: Mapping[str, bytes]
) -> None:
    """Adopt reference data that are not in force yet, and print which. Raises ReferenceRefused."""
    adoption = change_database(
        lambda database: adopt_reference_data(
            database, district, events, contents, operator_sender()
        )
    )
    print_adoption(district, adoption)


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
