"""The fence: what a commit and a watermark of a stage must name."""

from __future__ import annotations

import pytest

from tests.contract.log_contract import a_commit_that_does_not_follow_is_refused_whole
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import CITY, S, closing, report
from tests.mutation.postgres import OnPostgres, on_postgres
from tests.mutation.weakening import Weakening, in_statement

NO_EPOCH = Weakening(
    "`COMMIT` without `epoch = $2`", in_statement("COMMIT", "epoch = $2", "$2::bigint IS NOT NULL")
)
NO_POSITION = Weakening(
    "`COMMIT` without `pos = $3`",
    in_statement("COMMIT", "pos = $3 AND", "$3::bigint IS NOT NULL AND"),
)
NO_TIME = Weakening(
    "`COMMIT` without `ts <= $8`", in_statement("COMMIT", "ts <= $8", "$8::bigint IS NOT NULL")
)
NO_EPOCH_ANNOUNCED = Weakening(
    "`ANNOUNCE` without `epoch = $2`",
    in_statement("ANNOUNCE", "epoch = $2", "$2::bigint IS NOT NULL"),
)
NO_POSITION_ANNOUNCED = Weakening(
    "`ANNOUNCE` without `pos = $3`", in_statement("ANNOUNCE", "pos = $3", "$3::bigint IS NOT NULL")
)
NO_PRIMARY_KEY = Weakening(
    "no primary key of the stages' logs",
    sql=tuple(
        f"ALTER TABLE {schema}.log DROP CONSTRAINT log_pkey" for schema in ("routing", "escalation")
    ),
)
SAME_EPOCH = Weakening(
    "`LEASE` without `epoch + 1`",
    in_statement("LEASE", "epoch = epoch + 1", "epoch = greatest(epoch, 1)"),
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
    world.connection.lose_answer("WITH fence", "later")
    await world.follow()
    await world.follow()
    await world.land()


@history(on_postgres, "Unavailable")
async def a_watermark_lands_after_its_retry(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    await world.follow()
    await world.announce(20 * S)
    world.connection.lose_answer("WITH moved", "later")
    await world.follow()
    await world.follow()
    await world.come(25 * S, closing("a"))
    await world.follow()
    await world.land()


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
