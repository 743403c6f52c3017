"""The contract of state rows: each store of them passes it, beside a log of nine rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest

from eventlog.checkpoints import StateStore
from eventlog.core.row import Row
from eventlog.state_codec import StateRow
from events.catalogue import VisitMade
from events.errors import Conflict

SHARD = "north"
VERSION = "2026-11/abc"

LAST = 9  # The last position of the log.


class StatesWorld(Protocol):
    """A shard with a log, and the state rows beside it."""

    async def new_owner(self) -> StateStore:
        """Return the state rows as the next owner of the shard writes them."""

    async def cut_and_go_on(self, position: int) -> None:
        """Cut the log back to a position, and write as many other rows."""


def rows_after(position: int) -> list[Row]:
    """Return the rows of the log after a position."""
    visit = VisitMade(action="a", issue="a", by="ann")
    return [
        Row("cases", SHARD, place, 10, place, 1, "a", place, f"intake/{SHARD}/{place}", visit)
        for place in range(position + 1, LAST + 1)
    ]


Clause = Callable[[StatesWorld], Awaitable[None]]


def row(subject: str, sequence: int = 1, *, live: bool = True, data: bytes = b"[]") -> StateRow:
    return StateRow(subject, sequence, live, data)


async def nothing_is_stored_at_first(world: StatesWorld) -> None:
    states = await world.new_owner()
    assert await states.claim(SHARD, VERSION) == 0
    assert list(await states.live(SHARD)) == []
    assert list(await states.load(SHARD, ["a"])) == []
    assert list(await states.page(SHARD, "", 10)) == []


async def the_last_row_of_a_subject_replaces_the_others(world: StatesWorld) -> None:
    states = await world.new_owner()
    await states.claim(SHARD, VERSION)
    settled = row("b", 4, live=False, data='["石家庄\\n"]'.encode())
    await states.write(SHARD, [row("a"), row("b", 3)], 7)
    await states.write(SHARD, [row("a", 2), settled], 7, 7)
    assert list(await states.live(SHARD)) == [row("a", 2)]
    assert sorted(await states.load(SHARD, ["b", "a", "c"])) == [row("a", 2), settled]
    assert await states.claim(SHARD, VERSION) == 7


async def rows_are_paged_in_the_order_of_their_subjects(world: StatesWorld) -> None:
    states = await world.new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("c"), row("a", live=False), row("b")], 3, 3)
    assert [each.subject for each in await states.page(SHARD, "", 2)] == ["a", "b"]
    assert [each.subject for each in await states.page(SHARD, "b", 2)] == ["c"]


async def the_last_part_alone_moves_the_position(world: StatesWorld) -> None:
    states = await world.new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("a")], 7, 7)
    await states.write(SHARD, [row("a", 2)], LAST)
    assert await (await world.new_owner()).claim(SHARD, VERSION) == 7


async def the_position_never_goes_back(world: StatesWorld) -> None:
    states = await world.new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("a")], 7, 7)
    await states.write(SHARD, [row("a", 3)], 5, 5)
    assert await (await world.new_owner()).claim(SHARD, VERSION) == 7


async def another_version_begins_at_nothing(world: StatesWorld) -> None:
    states = await world.new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("a")], 7, 7)
    assert await states.claim(SHARD, "2027-01/abc") == 0
    assert await states.claim(SHARD, "2027-01/abc") == 0


async def what_is_dropped_is_gone(world: StatesWorld) -> None:
    states = await world.new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("a"), row("b", live=False)], 7, 7)
    await states.drop(SHARD)
    assert list(await states.page(SHARD, "", 9)) == []
    assert await states.claim(SHARD, VERSION) == 0


async def who_was_taken_over_writes_nothing(world: StatesWorld) -> None:
    zombie = await world.new_owner()
    await zombie.claim(SHARD, VERSION)
    await zombie.write(SHARD, [row("a")], 7, 7)
    owner = await world.new_owner()
    assert await owner.claim(SHARD, VERSION) == 7
    for attempt in (
        zombie.write(SHARD, [row("a", 9)], 9, 9),
        zombie.drop(SHARD),
        zombie.claim(SHARD, "2027-01/abc"),
    ):
        with pytest.raises(Conflict, match="another owner"):
            await attempt
    assert list(await owner.live(SHARD)) == [row("a")]
    assert await owner.claim(SHARD, VERSION) == 7


async def what_the_log_lacks_is_not_written(world: StatesWorld) -> None:
    states = await world.new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("a")], LAST, LAST)
    for position in (0, LAST):
        with pytest.raises(Conflict, match="another owner, or log"):
            await states.write(SHARD, [row("a", 2)], LAST + 1, position)
    assert list(await states.live(SHARD)) == [row("a")]
    assert await states.claim(SHARD, VERSION) == LAST


async def states_are_not_believed_beside_a_log_that_lacks_a_row_in_them(
    world: StatesWorld,
) -> None:
    states = await world.new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("a")], 3, 3)
    await states.write(SHARD, [row("b")], 7)
    await world.cut_and_go_on(6)
    assert await (await world.new_owner()).claim(SHARD, VERSION) == 0


async def states_are_believed_if_the_log_was_cut_after_them(world: StatesWorld) -> None:
    states = await world.new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("a")], 3, 3)
    await states.write(SHARD, [row("b")], 6)
    await world.cut_and_go_on(6)
    assert await (await world.new_owner()).claim(SHARD, VERSION) == 3


async def what_was_dropped_begins_with_the_log_as_it_is(world: StatesWorld) -> None:
    states = await world.new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("a")], LAST, LAST)
    await world.cut_and_go_on(6)
    states = await world.new_owner()
    await states.claim(SHARD, VERSION)
    await states.drop(SHARD)
    await states.write(SHARD, [row("a")], 7, 7)
    assert await (await world.new_owner()).claim(SHARD, VERSION) == 7


CONTRACT: tuple[Clause, ...] = (
    nothing_is_stored_at_first,
    the_last_row_of_a_subject_replaces_the_others,
    rows_are_paged_in_the_order_of_their_subjects,
    the_last_part_alone_moves_the_position,
    the_position_never_goes_back,
    another_version_begins_at_nothing,
    what_is_dropped_is_gone,
    who_was_taken_over_writes_nothing,
    what_the_log_lacks_is_not_written,
    states_are_not_believed_beside_a_log_that_lacks_a_row_in_them,
    states_are_believed_if_the_log_was_cut_after_them,
    what_was_dropped_begins_with_the_log_as_it_is,
)
