"""`gridcall sign-head`: the ends of the districts' chains, signed by an operator."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click

from eventlog.kafka.topics import Mark
from eventlog.postgres.pool import Database
from gridcall.cli.options import districts_option
from gridcall.cli.queries import run_on_database
from gridcall.cli.terminal import NOTHING_RAN, REJECTED, emit, fail
from gridcall.heads import LOG, sign, to_lines
from gridcall.verify.chain import CheckedChain, check_chain
from intake.store import IntakeStore, RecordStore
from intake.store.record import DistrictEnd


@click.command("sign-head")
@click.option(
    "--key",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A key of OpenSSH: the private one, or the public one of an agent or a token.",
)
@districts_option
def sign_head_command(key: Path, districts: tuple[str, ...]) -> None:
    """Check the chains of the districts, and print their ends with a signature.

    Keep what it prints away from the database. `gridcall verify --head FILE` finds it in the chain
    at any later time, unless an input before it was changed or removed.

    \b
    Exit status: 0 signed · 1 a chain is broken: nothing is signed · 2 no signature
    Example:     gridcall sign-head --key ~/.ssh/id_ed25519 > head.txt
    """
    text = to_lines(run_on_database(lambda database: checked_marks(database, districts)))
    emit(text + sign(text, key))


async def checked_marks(database: Database, districts: Collection[str]) -> list[Mark]:
    """Return the end of each district's chain after a check of the chain, or end the program."""
    async with database.snapshot() as connection:
        record, store = RecordStore(connection), IntakeStore(connection)
        contents = await store.all_contents()
        marks = []
        for district in districts or await store.district_codes():
            chain, end = await check_chain(record, district, contents), await record.end(district)
            marks.append(mark_of(district, chain, end))
    if not marks:
        fail(NOTHING_RAN, "no district yet: gridcall district add CODE --map DIR --profile FILE")
    return marks


def mark_of(district: str, chain: CheckedChain, end: DistrictEnd | None) -> Mark:
    """Return the end of a chain as it is announced, or end the program if the chain is broken."""
    if chain.contradiction or end is None:
        fail(REJECTED, f"nothing is signed. {district}: {chain.contradiction}")
    return Mark(
        generation=end.generation.number,
        head=chain.head.hex(),
        log=LOG,
        position=chain.position,
        shard=district,
        watermark=end.time,
    )


COMMANDS = {"sign-head": sign_head_command}
