"""Reference data are adopted: their contents are kept, and an event of intake's log names them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec

from eventlog.content_codec import encoded
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database
from events.catalogue import ReferenceAdopted, ReferenceKind
from events.reference_data import AdmissionList, Content, Names, Policies, Roster
from gridcall.cli.queries import asked
from gridcall.cli.terminal import NOTHING_RAN, fail
from gridcall.simulation.city.profile import DISTRICT_CODE
from intake.acceptor import AHEAD_US_MAX, now_us, timed
from intake.store import IntakeStore


class DistrictCode(click.ParamType[str]):
    """The code of a district: it stands in the ids of rows, which are cut at their strokes."""

    name = "code"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(DISTRICT_CODE, value):
            self.fail(
                f"{value!r} is no district's code: it has neither strokes nor blanks", param, ctx
            )
        return value


def adopt_now(
    district: str, events: Sequence[ReferenceAdopted], contents: Mapping[str, bytes]
) -> None:
    """Adopt, and say what was."""
    adopted = asked(lambda database: adopt(database, district, events, contents))
    click.echo(f"{district}: {', '.join(adopted) or 'nothing new: all of this holds already'}")


async def adopt(
    database: Database,
    district: str,
    events: Sequence[ReferenceAdopted],
    contents: Mapping[str, bytes],
) -> list[str]:
    """Append what does not hold already; what was adopted."""
    log = PostgresLog("intake", "intake", database, Notifier())
    store = IntakeStore(database)
    known = await store.references_in_force(district)
    new = [event for event in events if known.get(event.kind) != event]
    await store.add_contents(contents)
    if new:
        await timed(store.check_clock(now_us(), AHEAD_US_MAX))
        await log.adopt(district, new)
    return [f"{event.kind} {event.name} adopted" for event in new]


KINDS: dict[ReferenceKind, type[Content]] = {
    "names": Names,
    "roster": Roster,
    "admission": AdmissionList,
    "policies": Policies,
}


def loader(kind: ReferenceKind) -> click.Command:
    """`gridcall roster load FILE` and its kin."""

    @click.command(
        "load",
        help=f"Adopt a {kind} from a JSON file.\n\n\b\nExample:     gridcall {kind} load {kind}.json --district licheng",
    )
    @click.argument(
        "path", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False)
    )
    @click.option("--district", required=True, type=DistrictCode(), metavar="CODE")
    @click.option("--name", help="The version's name; without it the file's.")
    def load(path: Path, district: str, name: str | None) -> None:
        try:
            content = msgspec.json.decode(path.read_bytes(), type=KINDS[kind], strict=True)
        except msgspec.DecodeError as error:
            fail(NOTHING_RAN, f"{path}: {error}; docs/reference-data.md shows a {kind}")
        digest, body = encoded(content)
        event = ReferenceAdopted(kind=kind, name=name or path.stem, digest=digest)
        adopt_now(district, [event], {digest: body})

    return load


COMMANDS = {
    kind: click.Group(kind, [loader(kind)], help=f"The {kind} of a district.") for kind in KINDS
}
