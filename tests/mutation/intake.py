"""Intake: each reference once, and clocks that leap."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg

from eventlog.notifier import Notifier
from eventlog.postgres.generation import DatabaseCheck, NewGeneration
from events.topology import UPSTREAM
from intake.acceptor import Accepted, Acceptor
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import S, report
from tests.mutation.postgres import OnPostgres, on_postgres
from tests.mutation.weakening import Weakening, method
from tests.mutation.world import STAGES

NOT_MONOTONE = Weakening(
    "`intake.accept` without `greatest(old.ts, …)`",
    sql=(("intake.accept", "greatest(old.ts, intake.clock())", "intake.clock()"),),
)
NOT_REMEMBERED = Weakening(
    "`intake.accept` does not look for known identities",
    sql=(("intake.accept", "k.id = ANY (names)", "false"),),
)
NO_IDENTITY_KEY = Weakening(
    "no primary key of identities",
    sql=("ALTER TABLE intake.identity DROP CONSTRAINT identity_pkey",),
)
ANY_CLOCK = Weakening(
    "`intake.check_clock` finds nothing",
    sql=(("intake.check_clock", "IF ahead > ahead_us_max", "IF false AND ahead > ahead_us_max"),),
)

UNLINKED = Weakening(
    "`intake.accept` computes a hash without the one before it",
    sql=(("intake.accept", "intake.chain(head,", "intake.chain(''::bytea,"),),
)
HEAD_LEFT = Weakening(
    "`intake.accept` leaves the head where it was",
    sql=(("intake.accept", "head = linked.hash", "head = s.head"),),
)
UNNAMED = Weakening(
    "`intake.row_link` leaves the credential out",
    sql=(("intake.row_link", "credential, source", "source"),),
)


@method(Acceptor, "_answer")
def accept_any_body(real: Callable[..., Accepted], self: Acceptor, *args: Any) -> Accepted:
    return real(*args)._replace(same=True)


@method(DatabaseCheck, "check")
async def accept_any_database(real: object, self: DatabaseCheck, connection: object) -> None:
    return


@history(on_postgres, "Unavailable")
async def a_reference_comes_again(world: OnPostgres) -> None:
    world.connection.lose_answer("intake.accept", "later")
    for _ in range(3):
        await world.come(10 * S, report("a", 99 * S))
    try:
        await world.connection.land()
    except asyncpg.PostgresError as fault:
        world.notice(type(fault).__name__)
    await world.follow()


@history(on_postgres, "409")
async def a_reference_comes_again_with_another_body(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    await world.come(11 * S, report("a", 20 * S))
    await world.follow()


@history(on_postgres, "ClockLeapt")
async def the_clock_leaps_for_a_moment(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    await world.set_clock(11 * S, wall=3611 * S)
    await world.post(Acceptor(world.connection, Notifier()), report("b", 99 * S))
    await world.come(12 * S, report("b", 99 * S))
    await world.follow()


@history(on_postgres, "NewGeneration")
async def a_backup_of_intake_is_restored(world: OnPostgres) -> None:
    """Restore intake's database. The stages keep theirs, and all processes restart."""
    with tempfile.TemporaryDirectory() as folder:
        await world.come(10 * S, report("a", 99 * S))
        await world.come(11 * S, report("b", 99 * S))
        await world.follow()
        check = DatabaseCheck(Path(folder), world.url, "intake")
        check.announce(await world.connection.on_connection(check.state))
        for table in ("log", "identity"):
            await world.connection.fetch(f"DELETE FROM intake.{table} WHERE pos = 2")
        await world.connection.fetch(
            "UPDATE intake.shard SET pos = 1, ts = $1, head = (SELECT hash FROM intake.log)", 10 * S
        )
        del world.submissions[1:]
        try:
            await world.connection.on_connection(check.check)
        except NewGeneration as fault:
            world.notice(type(fault).__name__)
            await world.connection.on_connection(partial(check.accept, upstream=UPSTREAM))
        await world.come(12 * S, report("c", 99 * S))
        for log in STAGES:
            await world.owner(log, "restarted").go()


FAULTS = (
    PlantedFault(
        "references remembered",
        "A reference is accepted once.",
        (NOT_REMEMBERED,),
        a_reference_comes_again,
        ("UniqueViolationError",),
    ),
    PlantedFault(
        "references remembered, and no key",
        "The same, where identities have no primary key.",
        (NOT_REMEMBERED, NO_IDENTITY_KEY),
        a_reference_comes_again,
        ("verify", "checker: twice", "checker: position"),
    ),
    PlantedFault(
        "another body refused",
        "A reference with another body is refused.",
        (Weakening("`Acceptor._answer` does not compare contents", accept_any_body),),
        a_reference_comes_again_with_another_body,
        ("clients",),
    ),
    PlantedFault(
        "a hash covers the one before it",
        "A hash covers the hash before it.",
        (UNLINKED,),
        a_reference_comes_again_with_another_body,
        ("verify",),
    ),
    PlantedFault(
        "the head moves",
        "The head of the chain moves with the rows.",
        (HEAD_LEFT,),
        a_reference_comes_again_with_another_body,
        ("verify",),
    ),
    PlantedFault(
        "a hash covers the sender",
        "A hash covers who sent the input.",
        (UNNAMED,),
        a_reference_comes_again_with_another_body,
        ("verify",),
    ),
    PlantedFault(
        "clock leaps",
        "A clock that leaps ahead is confirmed before it is followed.",
        (ANY_CLOCK,),
        the_clock_leaps_for_a_moment,
        ("clients",),
    ),
    PlantedFault(
        "generations",
        "A database behind the announced position is another one.",
        (Weakening("`DatabaseCheck.check` finds nothing", accept_any_database),),
        a_backup_of_intake_is_restored,
        ("verify", "checker: outcome"),
    ),
)
