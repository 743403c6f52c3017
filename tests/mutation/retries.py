"""A retry fires what ran out behind a parked case, each timer in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from escalation.core.decider import Escalation
from eventlog.core.decider import Input
from eventlog.core.stage import Stage
from events.catalogue import AnswerGiven, AnswerPassedOn, CaseEndedAtSource
from events.instants import BEGINNING
from events.stored_inputs import StoredInput
from tests.harness.city import POLICIES_SENT
from tests.harness.kernel.shard import adopt_level, note
from tests.harness.kernel.shard import report as report_toy
from tests.harness.kernel.shard import retry as retry_toy
from tests.mutation.faults import PlantedFault, history
from tests.mutation.index import ROWS
from tests.mutation.inputs import S, action_of, case_of, closing, report, retry
from tests.mutation.memory import InMemory, in_memory
from tests.mutation.poison import poison_until
from tests.mutation.toy import ToyWorld, in_toytown
from tests.mutation.weakening import Weakening, method


@method(Stage, "_list_due")
def forget_what_was_due(real: object, self: Stage[Any, Any], *args: Any) -> Iterator[Input]:
    return iter(())


@method(Stage, "_list_due")
def fire_last(
    real: Callable[..., Iterator[Input]], self: Stage[Any, Any], retry: Input, time: int
) -> Iterator[Input]:
    """List what was due only after all inputs that waited."""
    return real(retry, time) if time == retry.time else iter(())


@method(Stage, "_put_behind")
def forget_when_it_was_parked(
    real: Callable[..., None], self: Stage[Any, Any], name: str, stored: StoredInput | None
) -> None:
    real(name, stored)
    self.aggregates.get(name).parked_at = BEGINNING


@history(in_memory)
async def clocks_ran_out_behind_a_parked_case(world: InMemory) -> None:
    await park_at_an_answer(world)
    await world.come(14 * S, POLICIES_SENT, retry("a", "calls"))
    await world.follow()
    await world.announce(16 * S)
    await world.follow()


@history(in_memory)
async def an_end_came_too_late_behind_a_parked_case(world: InMemory) -> None:
    await park_at_an_answer(world)
    await world.come(14 * S, closing("a"))
    await world.come(15 * S, POLICIES_SENT, retry("a", "calls"))
    await world.follow()


@history(in_memory)
async def an_early_ending_parks_a_case_that_is_overdue(world: InMemory) -> None:
    poison_until(world.patch, Escalation, "a", "policies", CaseEndedAtSource)
    await world.come(10 * S, closing("a"))
    await world.come(12 * S, report("a", 5 * S))
    await world.come(14 * S, POLICIES_SENT, retry("a", "calls"))
    await world.follow()


async def park_at_an_answer(world: InMemory) -> None:
    """Let a case be parked in escalation until policies come. Its deadline is at 13 s."""
    poison_until(world.patch, Escalation, "a", "policies", AnswerPassedOn)
    await world.come(10 * S, report("a", 13 * S))
    await world.come(
        11 * S,
        AnswerGiven(action=action_of("a answered"), issue=case_of("a"), call="call", by="officer"),
    )


@history(in_toytown)
async def timers_run_out_between_two_notes_to_a_parked_case(world: ToyWorld) -> None:
    """Park a case at 11. Its deadline is at 13, a note comes at 14, its echo is at 15."""
    world.come(10, report_toy(1, "noise", 3))
    world.come(11, note(1, poison="decide", cure=1))
    world.come(14, note(1))
    world.come(20, adopt_level(1, "nowhere"), retry_toy("c1"))


FAULTS = (
    PlantedFault(
        "overdue clocks fire at a retry",
        "The clocks that ran out behind a parked case fire when it is retried.",
        (Weakening("`Stage._list_due` lists none", forget_what_was_due),),
        clocks_ran_out_behind_a_parked_case,
        ("checker: deadline",),
    ),
    PlantedFault(
        "what was due first fires first",
        "A deadline that passed behind a parked case was missed before what came later.",
        (Weakening("`Stage._list_due` lists none before the end", fire_last),),
        an_end_came_too_late_behind_a_parked_case,
        ("checker: deadline",),
    ),
    PlantedFault(
        "what starts in a decision fires after it",
        "A retry fires no clock before an input of the decision that had started it.",
        (
            Weakening(
                "`Stage._put_behind` forgets when its case was parked", forget_when_it_was_parked
            ),
        ),
        an_early_ending_parks_a_case_that_is_overdue,
        ("checker: deadline",),
    ),
    PlantedFault(
        "overdue timers of any kind fire at a retry",
        "So do the timers that follow from them, if they are due before the retry.",
        (Weakening("`Stage._list_due` lists none", forget_what_was_due),),
        timers_run_out_between_two_notes_to_a_parked_case,
        (ROWS,),
    ),
    PlantedFault(
        "timers of any kind fire in their place",
        "Each timer fires before the inputs that came after it was due.",
        (Weakening("`Stage._list_due` lists none before the end", fire_last),),
        timers_run_out_between_two_notes_to_a_parked_case,
        (ROWS,),
    ),
)
