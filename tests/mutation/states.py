"""State rows: what a checkpoint contains, who writes it, and what is loaded before a decision."""

from __future__ import annotations

from typing import Any

from eventlog.checkpoints import Checkpoints
from eventlog.postgres.states import WRITE
from tests.harness.city import MAP_ADOPTED, ROSTER_SENT
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import S, case_of, closing, reopening_of, report, visit
from tests.mutation.postgres import OnPostgres, with_checkpoints
from tests.mutation.weakening import Weakening, method, value


@method(Checkpoints, "_take_up")
async def take_up_nothing(real: Any, self: Checkpoints, row: Any) -> None:
    """Load no settled case."""


NOTHING_LOADED = Weakening("`Checkpoints` loads no settled case", take_up_nothing)
EACH_PART = Weakening(
    "`WRITE` with `greatest(known.pos, $3, $4)`",
    value(
        "eventlog.postgres.states.WRITE",
        WRITE.replace("greatest(known.pos, $4)", "greatest(known.pos, $3, $4)"),
    ),
)
NO_EPOCH = Weakening(
    "`WRITE` without `epoch = $2`",
    value(
        "eventlog.postgres.states.WRITE",
        WRITE.replace("AND epoch = $2", "AND $2::bigint IS NOT NULL"),
    ),
)


@history(with_checkpoints)
async def a_settled_case_reopens(world: OnPostgres) -> None:
    await world.come(10 * S, MAP_ADOPTED, ROSTER_SENT, report("a", 99 * S), closing("a"))
    await world.follow()
    await world.come(20 * S, reopening_of("a"))
    await world.follow()


@history(with_checkpoints, "Unavailable")
async def an_owner_dies_amid_a_checkpoint(world: OnPostgres) -> None:
    await world.come(10 * S, MAP_ADOPTED, report("a", 99 * S), report("b", 99 * S))
    await world.follow()
    await world.come(11 * S, visit("b"), visit("a"))
    world.connection.lose_answer("INSERT INTO routing.state", "now")
    await world.follow()
    await world.come(12 * S, visit("a", 2))
    await world.follow()


@history(with_checkpoints, "Conflict")
async def a_zombie_wakes_with_states(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S), report("b", 99 * S))
    await world.follow()
    zombie = world.owner("cases")
    assert zombie.runner
    assert zombie.runner.stage.observe
    assert zombie.runner._checkpoints
    zombie.runner.stage.observe([case_of("a")])
    zombie.runner._checkpoints.begin()
    other = await world.take_over("cases")
    await world.come(11 * S, closing("a"), closing("b"))
    await other.go()
    await world.wake(zombie)


FAULTS = (
    PlantedFault(
        "a settled case is loaded",
        "A settled case is loaded before an input that names it is decided.",
        (NOTHING_LOADED,),
        a_settled_case_reopens,
        ("verify", "checker: state", "checker: sequence"),
    ),
    PlantedFault(
        "the position of a checkpoint",
        "The last part of a checkpoint alone moves the recovery position.",
        (EACH_PART,),
        an_owner_dies_amid_a_checkpoint,
        ("verify",),
    ),
    PlantedFault(
        "an epoch in the fence of state rows",
        "State rows are written under the epoch of a lease.",
        (NO_EPOCH,),
        a_zombie_wakes_with_states,
        ("verify",),
    ),
)
