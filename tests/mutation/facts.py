"""The fence of a merge of facts, in a statement of several districts."""

from __future__ import annotations

import asyncio

from assessment import store
from assessment.core.facts import Fact, Facts, Key
from assessment.store import Advance, FactStore
from eventlog.postgres.log import PostgresLog
from events.errors import Conflict
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import CITY
from tests.mutation.postgres import OnPostgres, on_postgres
from tests.mutation.weakening import Weakening, value

OTHER = "other"
FACTS: Facts = {Key("case", 1, "ann"): Fact("0101", "01")}
IS_HELD = "s.epoch = call.epoch AND cases.pos = cases_after AND calls.pos = calls_after AS is_held"
FIRST_OF_EACH = [Advance(log, 0, 1, None) for log in ("cases", "calls")]


def fence_without(condition: str) -> Weakening:
    """Return the removal of a condition of the fence."""
    assert store.MERGE.count(IS_HELD) == 1
    other = store.MERGE.replace(IS_HELD, IS_HELD.replace(condition, "true"))
    name = condition.split()[0].removeprefix("s.")
    return Weakening(f"`MERGE` without `{name}`", value("assessment.store.MERGE", other))


NO_EPOCH = fence_without("s.epoch = call.epoch")
NO_POSITION = fence_without("calls.pos = calls_after")
ANY_CALL = Weakening(
    "`MERGE` stores the facts of all of its districts, if any fence holds",
    value(
        "assessment.store.MERGE",
        store.MERGE.replace("ON k.shard = held.shard", "ON k.shard IN (SELECT shard FROM call)"),
    ),
)


async def stored_districts(world: OnPostgres) -> set[str]:
    """Return the districts that have a fact."""
    records = await world.connection.fetch("SELECT DISTINCT shard FROM assessment.fact")
    return {each["shard"] for each in records}


async def begin(log: PostgresLog, facts: FactStore, district: str) -> None:
    assert await log.lease(district)
    await facts.restart(district, log.epoch(district), {"cases": 1, "calls": 1})


async def forget_all(world: OnPostgres) -> None:
    await world.connection.fetch(
        "TRUNCATE assessment.log, assessment.shard, assessment.fact, assessment.merged"
    )


@history(on_postgres)
async def a_zombie_and_another_district_share_a_merge(world: OnPostgres) -> None:
    log, facts = world.log("evaluations", "a"), FactStore(world.connection)
    for shard in (CITY, OTHER):
        await begin(log, facts, shard)
    await world.expire("evaluations")
    assert await world.log("evaluations", "b").lease(CITY)
    zombie, other = await asyncio.gather(
        *(facts.merge(each, log.epoch(each), FIRST_OF_EACH, FACTS) for each in (CITY, OTHER)),
        return_exceptions=True,
    )
    if zombie is None or CITY in await stored_districts(world):
        world.notice("a zombie wrote")
    if other is not None or OTHER not in await stored_districts(world):
        world.notice("another district lost its merge")
    await forget_all(world)


@history(on_postgres)
async def rows_are_merged_again(world: OnPostgres) -> None:
    log, facts = world.log("evaluations", "a"), FactStore(world.connection)
    await begin(log, facts, CITY)
    epoch = log.epoch(CITY)
    await facts.merge(CITY, epoch, FIRST_OF_EACH, FACTS)
    again = [Advance("cases", 1, 2, None), Advance("calls", 0, 1, None)]
    try:
        await facts.merge(CITY, epoch, again, FACTS)
    except Conflict:
        pass
    else:
        world.notice("a row was merged twice")
    await forget_all(world)


FAULTS = (
    PlantedFault(
        "an epoch in the fence of a merge",
        "A merge of facts names the epoch of its lease.",
        (NO_EPOCH,),
        a_zombie_and_another_district_share_a_merge,
        ("a zombie wrote",),
    ),
    PlantedFault(
        "a zombie's facts",
        "Facts are stored for the districts alone whose fence holds.",
        (ANY_CALL,),
        a_zombie_and_another_district_share_a_merge,
        ("a zombie wrote",),
    ),
    PlantedFault(
        "positions in the fence of a merge",
        "A merge of facts names the position of each log that it follows.",
        (NO_POSITION,),
        rows_are_merged_again,
        ("a row was merged twice",),
    ),
)
