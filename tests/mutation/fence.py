"""The fence: what a commit and a watermark of a stage must name."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.log_contract import a_commit_that_does_not_follow_is_refused_whole, row_at
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import CITY, S, closing, report
from tests.mutation.postgres import OnPostgres, on_postgres
from tests.mutation.weakening import Weakening, in_statement

OTHER = "other"

NO_EPOCH = Weakening(
    "`COMMIT` without `epoch`", in_statement("COMMIT", "s.epoch = call.epoch", "true")
)
ANY_EPOCH, EACH_EPOCH = (
    Weakening(
        f"`COMMIT` moves all of a statement, {how}",
        in_statement(
            "COMMIT",
            "s.epoch = call.epoch",
            f"(SELECT {fold}(o.epoch = c.epoch) FROM call c JOIN {{schema}}.shard o USING (shard))",
        ),
    )
    for how, fold in (
        ("if any epoch is right", "bool_or"),
        ("if each epoch is right, or nothing", "bool_and"),
    )
)
NO_POSITION = Weakening(
    "`COMMIT` without `pos`", in_statement("COMMIT", "s.pos = call.pos", "true")
)
NO_TIME = Weakening("`COMMIT` without `time`", in_statement("COMMIT", "s.ts <= time", "true"))
NO_EPOCH_ANNOUNCED = Weakening(
    "`ANNOUNCE` without `epoch`", in_statement("ANNOUNCE", "s.epoch = call.epoch", "true")
)
NO_POSITION_ANNOUNCED = Weakening(
    "`ANNOUNCE` without `pos`", in_statement("ANNOUNCE", "s.pos = call.pos", "true")
)
NO_PRIMARY_KEY = Weakening(
    "no primary key of the stages' logs",
    sql=tuple(
        f"ALTER TABLE {schema}.log DROP CONSTRAINT log_pkey" for schema in ("routing", "escalation")
    ),
)
SAME_EPOCH = Weakening(
    "`LEASE` keeps the epoch",
    in_statement("LEASE", "epoch = greatest(epoch + 1,", "epoch = coalesce(nullif(epoch, 0),"),
)
LEASED_TWICE = Weakening(
    "`LEASE` also while another one has it",
    in_statement(
        "LEASE", "(owner = $2 OR leased_until < clock_timestamp())", "$2::text IS NOT NULL"
    ),
)


@history(on_postgres, "Conflict")
async def a_zombie_wakes_with_rows(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    zombie = world.owner("cases")
    await zombie.begin()
    await world.take_over("cases")
    await world.wake(zombie)
    await world.follow()


@history(on_postgres, "Conflict")
async def a_zombie_wakes_with_a_watermark(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    await world.follow()
    await world.take_over("calls")
    await world.announce(30 * S)
    await world.owner("cases").go()
    await world.wake(world.owner("calls"))


@history(on_postgres)
async def a_second_process_wants_the_shard(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    await world.owner("cases").begin()
    await world.owner("cases", "b").begin()
    await world.follow()


@history(on_postgres, "Unavailable")
async def a_commit_lands_after_its_retry(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    world.connection.lose_answer("fence AS", "later")
    await world.follow()
    await world.follow()
    await world.land()


@history(on_postgres, "Unavailable")
async def a_watermark_lands_after_its_retry(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    await world.follow()
    await world.announce(20 * S)
    world.connection.lose_answer("moved AS", "later")
    await world.follow()
    await world.follow()
    await world.come(25 * S, closing("a"))
    await world.follow()
    await world.land()


@history(on_postgres)
async def a_zombie_and_another_district_share_a_statement(world: OnPostgres) -> None:
    log = world.log("cases", "a")
    for shard in (CITY, OTHER):
        await log.lease(shard)
    await world.expire("cases")
    await world.log("cases", "b").lease(CITY)
    zombie, other = await asyncio.gather(
        *(log.commit(shard, [row_at(log, 1, 5)._replace(shard=shard)]) for shard in (CITY, OTHER)),
        return_exceptions=True,
    )
    if zombie is None:
        world.notice("a zombie wrote")
    if other is not None:
        world.notice("another district lost its commit")
    await world.connection.fetch("TRUNCATE routing.log, routing.shard")


@history(on_postgres)
async def the_contract(world: OnPostgres) -> None:
    log = world.log("cases", "a")
    await log.lease(CITY)
    try:
        await a_commit_that_does_not_follow_is_refused_whole(log)
    except (Exception, pytest.fail.Exception):
        world.notice("contract")
    await world.connection.fetch("TRUNCATE routing.log, routing.shard")


FAULTS = (
    PlantedFault(
        "an epoch in the fence of a commit",
        "A commit names the epoch of its lease.",
        (NO_EPOCH,),
        a_zombie_wakes_with_rows,
        ("a zombie wrote",),
    ),
    PlantedFault(
        "an epoch in the fence of a watermark",
        "A watermark that is passed on names the epoch of its lease.",
        (NO_EPOCH_ANNOUNCED,),
        a_zombie_wakes_with_a_watermark,
        ("a zombie wrote",),
    ),
    PlantedFault(
        "a zombie's group commit",
        "In a statement of several districts each fence is judged by itself.",
        (ANY_EPOCH,),
        a_zombie_and_another_district_share_a_statement,
        ("a zombie wrote",),
    ),
    PlantedFault(
        "a commit beside a zombie's",
        "A fence that is refused takes nothing from another district.",
        (EACH_EPOCH,),
        a_zombie_and_another_district_share_a_statement,
        ("another district lost its commit",),
    ),
    PlantedFault(
        "a new epoch",
        "Each lease has an epoch of its own.",
        (SAME_EPOCH,),
        a_zombie_wakes_with_rows,
        ("a zombie wrote",),
    ),
    PlantedFault(
        "one lease",
        "A shard is leased to one owner at a time.",
        (LEASED_TWICE,),
        a_second_process_wants_the_shard,
        ("Conflict",),
    ),
    PlantedFault(
        "a position in the fence of a commit",
        "A commit names the position that it follows.",
        (NO_POSITION,),
        the_contract,
        ("contract",),
    ),
    PlantedFault(
        "a position in the fence of a commit, late",
        "The same, where a commit in doubt lands after its retry.",
        (NO_POSITION,),
        a_commit_lands_after_its_retry,
        masked_by="the epoch: an owner that tries again has a new lease",
    ),
    PlantedFault(
        "epoch and position in the fence of a commit",
        "A commit names epoch and position.",
        (NO_POSITION, NO_EPOCH),
        a_commit_lands_after_its_retry,
        ("UniqueViolationError",),
    ),
    PlantedFault(
        "epoch, position and key",
        "A commit names epoch and position, and a position is there once.",
        (NO_POSITION, NO_EPOCH, NO_PRIMARY_KEY),
        a_commit_lands_after_its_retry,
        ("a zombie wrote", "verify", "checker: gap"),
    ),
    PlantedFault(
        "a position in the fence of a watermark",
        "A watermark that is passed on names the position that it follows.",
        (NO_POSITION_ANNOUNCED,),
        a_watermark_lands_after_its_retry,
        masked_by="the epoch: an owner that tries again has a new lease",
    ),
    PlantedFault(
        "epoch and position in the fence of a watermark",
        "A watermark that is passed on names epoch and position.",
        (NO_POSITION_ANNOUNCED, NO_EPOCH_ANNOUNCED),
        a_watermark_lands_after_its_retry,
        ("a zombie wrote",),
    ),
    PlantedFault(
        "a time in the fence of a commit",
        "A commit names a time that is not before what was announced.",
        (NO_TIME,),
        the_contract,
        ("contract",),
    ),
)
