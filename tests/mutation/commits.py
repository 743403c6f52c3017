"""Commits in doubt, and stages after a fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import asyncpg

from eventlog.core.row import Progress, Row
from eventlog.core.stage import Stage
from eventlog.postgres import statements as postgres
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.log_statements import LogStatements
from eventlog.runner import Runner
from events.errors import Unavailable
from tests.mutation.faults import PlantedFault, history
from tests.mutation.fence import NO_POSITION, NO_PRIMARY_KEY
from tests.mutation.inputs import S, closing, report
from tests.mutation.memory import InMemory, in_memory
from tests.mutation.postgres import OnPostgres, on_postgres
from tests.mutation.weakening import Weakening, method
from tests.mutation.world import ALL


@method(PostgresLog, "commit")
async def commit_again(real: Callable[..., Awaitable[None]], self: PostgresLog, *args: Any) -> None:
    statements = self._statements
    fetch = statements.fetch

    async def fetch_again(*values: Any, is_shared: bool = False) -> list[asyncpg.Record]:
        try:
            return await fetch(*values, is_shared=is_shared)
        except Unavailable:
            return await fetch(*values, is_shared=is_shared)

    statements.fetch = fetch_again  # type: ignore[method-assign, assignment]
    try:
        await real(*args)
    finally:
        statements.fetch = fetch  # type: ignore[method-assign]


TRIED_AGAIN = Weakening("`PostgresLog.commit` is tried again without looking", commit_again)


@method(PostgresLog, "_is_committed")
async def always_happened(real: object, self: PostgresLog, *args: Any) -> bool:
    return True


@method(LogStatements, "fetch")
async def move_position_first(
    real: Callable[..., Awaitable[Any]],
    self: LogStatements,
    sql: str,
    *args: Any,
    is_shared: bool = False,
) -> Any:
    if sql != postgres.COMMIT:
        return await real(sql, *args)
    move = self._alone[sql].replace("FROM fence, ", "FROM fence, (SELECT WHERE false) AS nobody, ")
    moved = await self._database.fetch(move.replace("written AS", "nothing AS"), *args)
    insert = self._alone[sql].partition("written AS (")[2].rpartition(")\nSELECT")[0]
    call = self._alone[sql].partition("FROM unnest(")[2].partition("JOIN")[0]
    fence = f"SELECT name AS shard, i, pos FROM unnest({call} WHERE $1::float IS NOT NULL"
    await self._database.fetch(f"WITH fence AS ({fence}) {insert} /* written AS */", *args)
    return moved


@method(Runner, "_commit")
async def commit_row_by_row(
    real: Callable[..., Awaitable[None]],
    self: Runner[Any, Any],
    rows: Sequence[Row],
    passed: Progress,
    *span: Any,
) -> None:
    for row in rows:
        await real([row], passed)


@method(Stage, "stop")
def never_stop(real: object, self: Stage[Any, Any]) -> None:
    self.blocked = ""


@method(Runner, "replay")
async def replay_less(real: object, self: Runner[Any, Any]) -> None:
    self.stage.replay(without_last_decision(await self.sink.read(self.stage.shard, 0, ALL)))


@method(Stage, "replay")
def replay_numbers_only(
    real: Callable[..., None],
    self: Stage[Any, Any],
    rows: Iterable[Row],
) -> None:
    taken = list(rows)
    before = without_last_decision(taken)
    real(before)
    about = self.aggregates.get(taken[-1].subject)
    state, timers = about.state, about.timers
    real(taken[len(before) :])
    about.state, about.timers = state, timers


def without_last_decision(rows: Sequence[Row]) -> Sequence[Row]:
    return rows[: max((i for i, row in enumerate(rows) if row.step == 1), default=0)]


@history(on_postgres)
async def an_answer_is_lost_after_the_commit(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    world.connection.lose_answer("fence AS", "now")
    await world.follow()
    await world.come(20 * S, closing("a"))
    await world.follow()


@history(on_postgres, "Unavailable")
async def an_answer_is_lost_before_the_commit(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    world.connection.lose_answer("written", "never")
    await world.follow()
    await world.come(20 * S, closing("a"))
    await world.follow()


@history(in_memory, "Unavailable", "Halted")
async def a_commit_fails_and_its_stage_goes_on(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    world.logs["cases"].failing_commit = 1
    owner = world.owner("cases")
    await owner.begin()
    runner = owner.runner
    await owner.go()
    owner.runner = runner
    await owner.go()


@history(in_memory, "Unavailable")
async def the_second_commit_fails(world: InMemory) -> None:
    world.logs["cases"].failing_commit = 2
    await world.come(10 * S, report("a", 20 * S))
    await world.follow()
    await world.come(15 * S, closing("a"))
    await world.follow()


@history(in_memory)
async def an_owner_dies_after_its_commit(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.follow()
    world.owner("calls").die()
    await world.announce(30 * S)
    await world.follow()


FAULTS = (
    PlantedFault(
        "looking after a lost answer",
        "A commit whose answer was lost is looked up.",
        (TRIED_AGAIN,),
        an_answer_is_lost_after_the_commit,
        ("Conflict",),
    ),
    PlantedFault(
        "looking after a lost answer, without position",
        "The same, without the fence's position.",
        (TRIED_AGAIN, NO_POSITION),
        an_answer_is_lost_after_the_commit,
        ("UniqueViolationError",),
    ),
    PlantedFault(
        "looking after a lost answer, without position and key",
        "The same, without the primary key as well.",
        (TRIED_AGAIN, NO_POSITION, NO_PRIMARY_KEY),
        an_answer_is_lost_after_the_commit,
        ("verify", "checker: gap"),
    ),
    PlantedFault(
        "not taking a commit for granted",
        "A commit whose answer was lost may not have happened.",
        (Weakening("`PostgresLog._is_committed` says yes", always_happened),),
        an_answer_is_lost_before_the_commit,
        ("Conflict",),
    ),
    PlantedFault(
        "one transaction",
        "Position and rows are one transaction.",
        (
            Weakening(
                "`COMMIT` moves the position first, and writes the rows after", move_position_first
            ),
        ),
        an_answer_is_lost_before_the_commit,
        ("verify", "checker: gap"),
    ),
    PlantedFault(
        "a batch whole",
        "A batch is one commit: no decision is torn.",
        (Weakening("`Runner._commit` commits row by row", commit_row_by_row),),
        the_second_commit_fails,
        ("verify", "checker: state"),
    ),
    PlantedFault(
        "stopping after a failed commit",
        "A stage whose commit failed does nothing any more.",
        (Weakening("`Stage.stop` does nothing", never_stop),),
        a_commit_fails_and_its_stage_goes_on,
        ("verify", "checker: outcome"),
    ),
    PlantedFault(
        "recalling all",
        "A new owner recalls its whole log.",
        (Weakening("`Runner.replay` leaves out the last decision", replay_less),),
        an_owner_dies_after_its_commit,
        ("Conflict", "stands still: Conflict"),
    ),
    PlantedFault(
        "recalling all that was decided",
        "A new owner's state is the fold of its whole log.",
        (
            Weakening(
                "`Stage.recall` numbers the last decision, and does not evolve it",
                replay_numbers_only,
            ),
        ),
        an_owner_dies_after_its_commit,
        ("verify", "checker: deadline"),
    ),
)
