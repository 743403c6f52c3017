"""Watermarks: announced under the lock, believed after reading."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from eventlog.core.row import Progress, Row, Watermark
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.runner import Runner
from intake.acceptor import Acceptor
from tests.mutation.faults import PlantedFault, history
from tests.mutation.fence import NO_TIME
from tests.mutation.inputs import S, closing, report
from tests.mutation.memory import InMemory, in_memory
from tests.mutation.postgres import OnPostgres, on_postgres
from tests.mutation.weakening import Weakening, method


@method(PostgresLog, "watermark")
async def read_unlocked_clock(
    real: Callable[..., Awaitable[Watermark]], self: PostgresLog, shard: str
) -> Watermark:
    position, watermark = await real(shard)
    return Watermark(
        position,
        max(watermark, (await self.database.fetch("SELECT intake.clock()"))[0][0])
        if self.name == "intake"
        else watermark,
    )


@method(PostgresLog, "watermark")
async def read_unwritten_time(
    real: Callable[..., Awaitable[Watermark]], self: PostgresLog, shard: str
) -> Watermark:
    mark = await real(shard)
    if self.name != "intake":
        return mark
    (said,) = (
        await self.database.fetch(
            "SELECT max(w) FROM said WHERE shard = $1 AND pos = $2", shard, mark.position
        )
    )[0]
    return Watermark(mark.position, max(mark.watermark, said or mark.watermark))


@method(Runner, "advance_time")
async def believe_at_once(real: object, self: Runner[Any, Any]) -> None:
    await self._commit(*self._take_decided())
    watermark = await self.order.time(self.stage.shard)
    await self._commit(self.stage.advance_time(watermark), self.stage.progress)
    await self.sink.announce(self.stage.shard, watermark, self.stage.input)


@method(Runner, "_commit")
async def announce_first(
    real: Callable[..., Awaitable[None]],
    self: Runner[Any, Any],
    rows: Sequence[Row],
    passed: Progress,
    *span: Any,
) -> None:
    watermark = await self.order.watermark(self.stage.shard, self.stage.read)
    if watermark is not None:
        await self.sink.announce(self.stage.shard, watermark)
    await real(rows, passed, *span)


UNLOCKED_WATERMARK = Weakening(
    "intake's watermark is the clock, without the lock", read_unlocked_clock
)
UNWRITTEN_WATERMARK = Weakening(
    "`intake.tick` locks the row and announces the time, but does not write it",
    read_unwritten_time,
    (
        "CREATE TABLE said (shard text, pos bigint, w bigint)",
        (
            "intake.tick",
            "UPDATE intake.shard s SET ts = greatest(s.ts, intake.clock())\n"
            "    FROM idle WHERE s.shard = idle.shard\n"
            "    RETURNING s.shard, s.pos, s.ts",
            "INSERT INTO said AS s SELECT shard, pos, now FROM intake.shard "
            "JOIN idle USING (shard) RETURNING s.shard, s.pos, s.w AS ts",
        ),
    ),
)


@history(on_postgres)
async def time_is_announced_while_an_input_is_on_its_way(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.follow()
    async with world.open_input(20 * S, closing("a")):
        await world.announce(30 * S)
        await world.follow()
    await world.follow()


@history(on_postgres)
async def the_clock_steps_back_after_an_announcement(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.announce(30 * S)
    await world.follow()
    await world.set_clock(31 * S, wall=20 * S)
    await world.post(Acceptor(world.connection, Notifier()), closing("a"))
    await world.follow()


@history(in_memory)
async def half_of_the_rows_are_read(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.come(20 * S, closing("a"))
    await world.announce(30 * S)
    await world.owner("cases").go()
    owner = world.owner("calls")
    await owner.begin()
    assert owner.runner
    owner.runner.batch = 2
    await owner.runner.step()
    await owner.run(owner.runner.advance_time())
    await world.follow()


@history(in_memory)
async def a_pause_before_a_commit(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.follow()
    await world.come(20 * S, closing("a"))
    await world.announce(30 * S)
    world.logs["cases"].before_commit = world.owner("calls").go
    await world.follow()


FAULTS = (
    PlantedFault(
        "time announced under the lock",
        "A watermark is announced under the lock that gives times.",
        (UNLOCKED_WATERMARK,),
        time_is_announced_while_an_input_is_on_its_way,
        ("Conflict", "stands still: Conflict", "verify", "checker: lag"),
    ),
    PlantedFault(
        "time announced under the lock, and no fence",
        "The same, without the time in the fence of commits.",
        (UNLOCKED_WATERMARK, NO_TIME),
        time_is_announced_while_an_input_is_on_its_way,
        ("verify", "checker: deadline"),
    ),
    PlantedFault(
        "time announced by a commit",
        "A watermark is a committed update.",
        (UNWRITTEN_WATERMARK,),
        the_clock_steps_back_after_an_announcement,
        ("Conflict", "stands still: Conflict", "verify", "checker: lag"),
    ),
    PlantedFault(
        "time announced by a commit, and no fence",
        "The same, without the time in the fence of commits.",
        (UNWRITTEN_WATERMARK, NO_TIME),
        the_clock_steps_back_after_an_announcement,
        ("verify", "checker: deadline"),
    ),
    PlantedFault(
        "believed after reading",
        "A watermark is believed when its position was read.",
        (Weakening("`Runner.advance_time` believes every watermark", believe_at_once),),
        half_of_the_rows_are_read,
        ("Conflict", "stands still: Conflict", "checker: lag"),
    ),
    PlantedFault(
        "passed on after the commit",
        "A stage passes a watermark on after its own commit.",
        (Weakening("`Runner._commit` announces first", announce_first),),
        a_pause_before_a_commit,
        ("Conflict", "stands still: Conflict", "verify", "checker: lag"),
    ),
)
