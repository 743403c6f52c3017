"""`gridcall names`, `roster`, `admission` and `policies`: reference data are adopted from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec

from eventlog.content_codec import encode_content
from events.catalogue import ReferenceAdopted, ReferenceKind
from events.reference_data import AdmissionList, Content, Names, Policies, Roster
from gridcall.cli.options import SeenText, district_option
from gridcall.cli.queries import change_database
from gridcall.cli.terminal import NOTHING_RAN, fail, say
from gridcall.operator import operator_sender
from intake.adoption import adopt_reference_data

KINDS: dict[ReferenceKind, type[Content]] = {
    "names": Names,
    "roster": Roster,
    "admission": AdmissionList,
    "policies": Policies,
}


def load_command(kind: ReferenceKind) -> click.Command:
    """Return the command `gridcall KIND load FILE`."""

    @click.command("load")
    @click.argument(
        "path", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False)
    )
    @district_option
    @click.option("--name", type=SeenText(), help="The version's name. Without it: the file's.")
    def load(path: Path, district: str, name: str | None) -> None:
        event, body = read_content(kind, path, name or path.stem)
        adopt_and_report(district, [event], {event.digest: body})

    example = f"\b\nExample:     gridcall {kind} load {kind}.json --district licheng"
    load.help = f"Adopt a {kind} from a JSON file.\n\n{example}"
    return load


def read_content(kind: ReferenceKind, path: Path, name: str) -> tuple[ReferenceAdopted, bytes]:
    """Return the event that adopts a file, and the file's content, or end the program."""
    try:
        content = msgspec.json.decode(path.read_bytes(), type=KINDS[kind], strict=True)
    except msgspec.DecodeError as error:
        fail(NOTHING_RAN, f"{path}: {error}; docs/reference-data.md shows a {kind}")
    digest, body = encode_content(content)
    return ReferenceAdopted(kind=kind, name=name, digest=digest), body


def adopt_and_report(
    district: str, events: Sequence[ReferenceAdopted], contents: Mapping[str, bytes]
) -> None:
    """Adopt reference data that are not in force yet, and print which."""
    adoptions = change_database(
        lambda database: adopt_reference_data(
            database, district, events, contents, operator_sender()
        )
    )
    names = ", ".join(f"{event.kind} {event.name} adopted" for event in adoptions)
    say(f"{district}: {names or 'nothing new: all of this is in force already'}")


COMMANDS = {
    kind: click.Group(kind, [load_command(kind)], help=f"Adopt the {kind} of a district.")
    for kind in KINDS
}
