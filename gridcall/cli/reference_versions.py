"""`show`, `diff` and `history` of each kind of reference data: its versions, from intake's log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import click

from eventlog.content_codec import decode_content
from eventlog.postgres.pool import Database
from events.catalogue import ReferenceKind
from events.instants import rfc3339
from events.reference_data import Content
from gridcall.cli.options import json_option, only_district_option
from gridcall.cli.queries import existing_district, run_on_database
from gridcall.cli.reference_parts import DIGITS, differences, loadable, parts_of
from gridcall.cli.terminal import NOTHING_RAN, emit, fail, print_rows
from gridcall.simulation.reports.files import as_json
from intake.adoption import CONTENT_TYPES
from intake.store import IntakeStore, StoredAdoption

ReadFile = Callable[[Path], Content]


class Versions(NamedTuple):
    """The adoptions of one kind in a district, the oldest first."""

    district: str
    kind: ReferenceKind
    adoptions: Sequence[StoredAdoption]

    def find(self, version: str) -> StoredAdoption:
        """Return the version of a number, or the newest of a name, or end the program."""
        if version.isdecimal() and 1 <= int(version) <= len(self.adoptions):
            return self.adoptions[int(version) - 1]
        named = [each for each in self.adoptions if each.event.name == version]
        if not named:
            self.refuse(f"{self.district} has no version {version!r} of its {self.kind}")
        return named[-1]

    def newest(self) -> StoredAdoption:
        """Return the version in force, or end the program."""
        if not self.adoptions:
            self.refuse(f"{self.district} has no {self.kind} yet: {adopting_command(self.kind)}")
        return self.adoptions[-1]

    def refuse(self, reason: str) -> NoReturn:
        """End the program, and name the versions that there are."""
        known = ", ".join(f"{n} ({each.event.name})" for n, each in enumerate(self.adoptions, 1))
        fail(NOTHING_RAN, f"{reason}; versions: {known or 'none'}")


def adopting_command(kind: ReferenceKind) -> str:
    """Return the command that adopts a version. A decider is not loaded, because it is code."""
    return f"gridcall {kind} {'adopt' if kind == 'decider' else 'load'}"


async def versions_of(database: Database, district: str | None, kind: ReferenceKind) -> Versions:
    """Return the versions of a kind in a district, or in the only one."""
    code = await existing_district(database, district)
    adoptions = await IntakeStore(database).adoptions(code)
    return Versions(code, kind, [each for each in adoptions if each.event.kind == kind])


async def content_of(database: Database, adoption: StoredAdoption) -> Content:
    """Return the content of a version."""
    event = adoption.event
    contents = await IntakeStore(database).contents([event.digest])
    return decode_content(contents, event.digest, CONTENT_TYPES[event.kind])


# ── show ─────────────────────────────────────────────────────────────────────────────────────────


def show_command(kind: ReferenceKind) -> click.Command:
    """Return the command `gridcall KIND show`."""

    @click.command("show")
    @click.argument("version", metavar="[VERSION]", required=False)
    @only_district_option
    @json_option
    def show(version: str | None, district: str | None, json_output: bool) -> None:
        async def query(database: Database) -> Content:
            versions = await versions_of(database, district, kind)
            chosen = versions.find(version) if version else versions.newest()
            return await content_of(database, chosen)

        content = run_on_database(query)
        if json_output:
            emit(as_json(loadable(content)))
        else:
            rows = [{"part": part, "value": value} for part, value in parts_of(content).items()]
            print_rows(rows, False, "it is empty")

    form = "GeoJSON" if kind == "map" else "the JSON that can be loaded again"
    show.help = (
        f"Print the {kind} in force, or another version by its number or name. With --json: "
        f"{form}.\n\n\b\nExample:     gridcall {kind} show --json"
    )
    return show


# ── history ──────────────────────────────────────────────────────────────────────────────────────


def history_command(kind: ReferenceKind) -> click.Command:
    """Return the command `gridcall KIND history`."""

    @click.command("history")
    @only_district_option
    @json_option
    def history(district: str | None, json_output: bool) -> None:
        versions = run_on_database(lambda database: versions_of(database, district, kind))
        empty = f"nothing was adopted yet: {adopting_command(kind)}"
        print_rows(
            history_rows(versions, digits=None if json_output else DIGITS), json_output, empty
        )

    history.help = (
        f"List the versions of the {kind}, the oldest first; the last one is in force.\n\n"
        f"\b\nExample:     gridcall {kind} history"
    )
    return history


def history_rows(versions: Versions, digits: int | None) -> list[dict[str, Any]]:
    """Return a row for each version; `digits` of its digest."""
    return [
        {
            "version": number,
            "name": each.event.name,
            "adopted": rfc3339(each.time),
            "position": each.position,
            "digest": each.event.digest[:digits],
            "in_force": "yes" if number == len(versions.adoptions) else "no",
        }
        for number, each in enumerate(versions.adoptions, 1)
    ]


# ── diff ─────────────────────────────────────────────────────────────────────────────────────────


def diff_command(kind: ReferenceKind, read_file: ReadFile | None = None) -> click.Command:
    """Return the command `gridcall KIND diff`. `read_file` reads a file of this kind."""

    @click.command("diff")
    @click.argument("before", metavar="[FROM]", required=False)
    @click.argument("after", metavar="[TO]", required=False)
    @only_district_option
    @json_option
    def diff(
        before: str | None,
        after: str | None,
        district: str | None,
        json_output: bool,
        path: Path | None = None,
    ) -> None:
        file = read_file(path) if read_file and path else None

        async def query(database: Database) -> tuple[Content, Content]:
            versions = await versions_of(database, district, kind)
            if file is not None:
                old = versions.find(before) if before else versions.newest()
                return await content_of(database, old), file
            old, new = pair_of(versions, before, after)
            return await content_of(database, old), await content_of(database, new)

        old, new = run_on_database(query)
        rows = list(differences(parts_of(old), parts_of(new)))
        print_rows(rows, json_output, "no difference")

    if read_file:
        diff.params.append(FILE_OPTION)
    diff.help = diff_help(kind, with_file=read_file is not None)
    return diff


FILE_OPTION = click.Option(
    ["--file", "path"],
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Compare with a file that is not adopted.",
)


def diff_help(kind: ReferenceKind, *, with_file: bool) -> str:
    """Return the help of `diff`."""
    example = (
        f"gridcall {kind} diff --file {kind}.json" if with_file else f"gridcall {kind} diff 1 3"
    )
    return (
        f"Print what differs between two versions of the {kind}, by number or name. Without TO: "
        "the one in force. Without FROM: the one before it.\n\n"
        f"\b\nExample:     {example}"
    )


def pair_of(
    versions: Versions, before: str | None, after: str | None
) -> tuple[StoredAdoption, StoredAdoption]:
    """Return the two versions to compare, or end the program."""
    new = versions.find(after) if after else versions.newest()
    if before:
        return versions.find(before), new
    if len(versions.adoptions) < 2:
        versions.refuse(f"{versions.district} has one version of its {versions.kind}")
    return versions.adoptions[-2], new


def version_commands(kind: ReferenceKind, read_file: ReadFile | None = None) -> list[click.Command]:
    """Return the commands `show`, `diff` and `history` of a kind."""
    return [show_command(kind), diff_command(kind, read_file), history_command(kind)]
