"""Readers of a log: no gap, no repeat, and positions in the order of commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from eventlog.core.row import Row
from eventlog.core.stage import Stage
from eventlog.notifier import Notifier
from eventlog.postgres.log import Tail
from intake.acceptor import Acceptor
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import S, closing, report, visit
from tests.mutation.memory import InMemory, in_memory
from tests.mutation.postgres import OnPostgres, on_postgres
from tests.mutation.weakening import Weakening, method


def last_of(stage: Stage[Any, Any], log: str) -> int:
    """Return the last position of a log that a stage has applied."""
    return stage.read.get(log, stage.input - sum(stage.read.values()))


def pass_to(stage: Stage[Any, Any], log: str, position: int) -> None:
    """Let a stage believe that it has applied a log up to a position."""
    stage.input += position - last_of(stage, log)
    stage.read[log] = position


@method(Stage, "_apply")
def apply_over_gaps(real: Callable[..., None], self: Stage[Any, Any], row: Row, *rest: Any) -> None:
    pass_to(self, row.log, max(last_of(self, row.log), row.position - 1))
    real(row, *rest)


@method(Stage, "_apply")
def apply_again(real: Callable[..., None], self: Stage[Any, Any], row: Row, *rest: Any) -> None:
    pass_to(self, row.log, min(last_of(self, row.log), row.position - 1))
    real(row, *rest)


@method(Tail, "begin")
def begin_with_older_rows(real: object, self: Tail, epoch: int) -> None:
    self.epoch = max(self.epoch, epoch)


HOLED_TAIL = Weakening("`Tail.begin` keeps the rows of an earlier epoch", begin_with_older_rows)
NO_GAP_RULE = Weakening("`Stage` applies a row also after a gap", apply_over_gaps)
ID_SEQUENCE = """
CREATE OR REPLACE FUNCTION intake.accept(
  districts text[], places integer[], ids text[], contents uuid[], types text[], datas text[],
  sources text[], credentials text[], traces text[], now_us bigint, ahead_us_max bigint)
RETURNS TABLE (shard text, id uuid, pos bigint, ts bigint, content uuid, key bytea)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE a_shard text := districts[1];
BEGIN
  INSERT INTO intake.shard (shard) SELECT a_shard
    WHERE NOT EXISTS (SELECT FROM intake.shard WHERE shard = a_shard);
  INSERT INTO intake.log (shard, pos, ts, input, n, subject, seq, cause, type, data)
    SELECT a_shard, nextval('positions'), intake.clock(), 0, 1, subject, 1, '', type,
      convert_to(data, 'UTF8')
    FROM unnest(ids, types, datas) AS item (subject, type, data);
  UPDATE intake.shard s
    SET pos = greatest(s.pos, currval('positions')), ts = greatest(s.ts, intake.clock())
    WHERE s.shard IN (SELECT shard FROM intake.shard WHERE shard = a_shard FOR UPDATE SKIP LOCKED);
  INSERT INTO intake.identity (id, shard, pos, ts, content)
    SELECT id, a_shard, currval('positions'), intake.clock(), content
    FROM unnest(ids::uuid[], contents) AS item (id, content);
  RETURN QUERY SELECT a_shard, NULL::uuid, currval('positions'), intake.clock(), NULL::uuid, key
    FROM intake.tracking_key;
END $$
"""
FROM_A_SEQUENCE = Weakening(
    "`intake.accept` takes positions from an id sequence, without the lock",
    sql=("CREATE SEQUENCE positions", ID_SEQUENCE),
)


@history(in_memory, "Halted")
async def a_row_is_lost_on_the_way(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S), closing("a"), report("b", 99 * S))
    world.logs["intake"].garble = lambda rows: [row for row in rows if row.position != 2]
    await world.follow()


@history(in_memory, "Halted")
async def a_row_comes_twice(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S), visit("a"))
    world.logs["intake"].garble = lambda rows: [*rows, *rows[1:]]
    await world.follow()


@history(on_postgres)
async def a_shard_comes_back_to_its_first_owner(world: OnPostgres) -> None:
    for number, process in enumerate(("a", "b", "a")):
        await world.come((number + 1) * 10 * S, report(process + str(number), 99 * S))
        await world.expire("cases")
        world.owner("cases", process).die()
        await world.owner("cases", process).go()
    await world.owner("calls").go()


@history(on_postgres)
async def two_commits_cross(world: OnPostgres) -> None:
    await world.come(5 * S, report("before", 99 * S))
    async with world.open_input(10 * S, report("a", 99 * S)):
        other = asyncio.create_task(
            world.post(Acceptor(world.connection, Notifier()), report("b", 99 * S))
        )
        await world.wait_until_locked(other)
        await world.follow()
    await other
    await world.come(20 * S, report("after", 99 * S))
    await world.follow()


FAULTS = (
    PlantedFault(
        "no gap",
        "A reader accepts the next position only.",
        (NO_GAP_RULE,),
        a_row_is_lost_on_the_way,
        ("verify", "checker: outcome"),
    ),
    PlantedFault(
        "no repeat",
        "A reader refuses a position that it has.",
        (Weakening("`Stage` applies a row again", apply_again),),
        a_row_comes_twice,
        ("verify", "checker: outcome"),
    ),
    PlantedFault(
        "a tail without a hole",
        "The tail that a process stores of its own log has no gap.",
        (HOLED_TAIL,),
        a_shard_comes_back_to_its_first_owner,
        ("Halted",),
    ),
    PlantedFault(
        "a tail without a hole, read over gaps",
        "The same, without the rule about gaps.",
        (HOLED_TAIL, NO_GAP_RULE),
        a_shard_comes_back_to_its_first_owner,
        ("verify", "checker: clock"),
    ),
    PlantedFault(
        "positions in the order of commits",
        "Positions are given under the lock of the shard's row.",
        (FROM_A_SEQUENCE,),
        two_commits_cross,
        ("Halted", "verify"),
    ),
    PlantedFault(
        "positions in the order of commits, read over gaps",
        "The same, without the rule about gaps.",
        (FROM_A_SEQUENCE, NO_GAP_RULE),
        two_commits_cross,
        ("verify", "checker: outcome"),
    ),
)
