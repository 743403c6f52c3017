"""Two logs in one order: both watermarks, `cases` first, and the place in each after a crash."""

from __future__ import annotations

from collections.abc import Sequence

from eventlog.core.merged import Page, release
from eventlog.core.row import Row
from eventlog.input_order import MergedOrder
from events.catalogue import ReferenceAdopted
from events.instants import DAY_US, HOUR_US
from events.topology import DECIDER_VERSION
from tests.harness.city import MAP_ADOPTED, POLICIES_SENT, ROSTER_SENT
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import S, report
from tests.mutation.memory import InMemory, in_memory
from tests.mutation.weakening import Weakening, method, value

MONTH_END = 31 * DAY_US - 8 * HOUR_US  # Of January 1970 in Shanghai.
ADOPTED = (MAP_ADOPTED, ROSTER_SENT, POLICIES_SENT)
DECIDER_ADOPTED = ReferenceAdopted(kind="decider", name=DECIDER_VERSION, digest="")


def believe_the_first_log(pages: Sequence[Page], limit: int) -> list[Row]:
    first, second = pages
    mark = second.mark._replace(position=second.end, watermark=first.mark.watermark)
    return release([first, second._replace(mark=mark)], limit)


def take_the_second_log_first(pages: Sequence[Page], limit: int) -> list[Row]:
    return release(pages[::-1], limit)


@method(MergedOrder, "split")
async def count_cases_alone(
    real: object, self: MergedOrder, shard: str, count: int
) -> dict[str, int]:
    return {self.logs[0]: count, self.logs[1]: 0}


@history(in_memory)
async def calls_come_later_than_the_end_of_their_month(world: InMemory) -> None:
    await world.come(0, *ADOPTED)
    await world.follow()
    await world.come(MONTH_END - 10 * S, report("a", MONTH_END - 5 * S))
    await world.come(MONTH_END + 10 * S, report("b"))
    await world.come(MONTH_END + 20 * S, report("c"))
    await world.owner("cases").go()
    await world.owner("evaluations").go()
    await world.follow()


@history(in_memory)
async def reference_data_are_passed_on_at_one_instant(world: InMemory) -> None:
    await world.come(0, *ADOPTED)
    await world.come(10 * S, report("a", 20 * S))
    await world.follow()


@history(in_memory)
async def assessment_dies_in_the_middle_of_both_logs(world: InMemory) -> None:
    await world.come(0, *ADOPTED)
    await world.come(10 * S, report("a", 20 * S))
    await world.come(30 * S, DECIDER_ADOPTED)
    await world.announce(35 * S)
    await world.follow()
    world.owner("evaluations").die()
    await world.come(40 * S, DECIDER_ADOPTED)
    for number, name in enumerate("bcdef"):
        await world.come((50 + number) * S, report(name))
    await world.announce(80 * S)
    await world.follow()


FAULTS = (
    PlantedFault(
        "both watermarks",
        "A row is released when time has passed it in both logs.",
        (
            Weakening(
                "`release` believes the watermark of `cases` alone",
                value("eventlog.input_order.release", believe_the_first_log),
            ),
        ),
        calls_come_later_than_the_end_of_their_month,
        ("verify", "checker: month"),
    ),
    PlantedFault(
        "cases before calls",
        "At one instant rows of `cases` come before those of `calls`.",
        (
            Weakening(
                "`release` takes `calls` first",
                value("eventlog.input_order.release", take_the_second_log_first),
            ),
        ),
        reference_data_are_passed_on_at_one_instant,
        ("verify", "checker: input", "checker: month"),
    ),
    PlantedFault(
        "the place in each log",
        "The number of rows that were applied tells the place in each log.",
        (Weakening("`MergedOrder.split` takes all rows for rows of `cases`", count_cases_alone),),
        assessment_dies_in_the_middle_of_both_logs,
        ("verify", "checker: month"),
    ),
)
