"""The contract of state rows: each store of them passes it.

`new_owner` gives the state rows as the next owner of the shard writes them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from eventlog.checkpoints import StateStore
from eventlog.state_codec import StateRow
from events.errors import Conflict

SHARD = "north"
VERSION = "2026-11/abc"

NewOwner = Callable[[], Awaitable[StateStore]]
Clause = Callable[[NewOwner], Awaitable[None]]


def row(subject: str, sequence: int = 1, *, live: bool = True, data: bytes = b"[]") -> StateRow:
    return StateRow(subject, sequence, live, data)


async def nothing_is_stored_at_first(new_owner: NewOwner) -> None:
    states = await new_owner()
    assert await states.claim(SHARD, VERSION) == 0
    assert list(await states.live(SHARD)) == []
    assert list(await states.load(SHARD, ["a"])) == []
    assert list(await states.page(SHARD, "", 10)) == []


async def the_last_row_of_a_subject_replaces_the_others(new_owner: NewOwner) -> None:
    states = await new_owner()
    await states.claim(SHARD, VERSION)
    settled = row("b", 4, live=False, data='["石家庄\\n"]'.encode())
    await states.write(SHARD, [row("a"), row("b", 3)], 0)
    await states.write(SHARD, [row("a", 2), settled], 7)
    assert list(await states.live(SHARD)) == [row("a", 2)]
    assert sorted(await states.load(SHARD, ["b", "a", "c"])) == [row("a", 2), settled]
    assert await states.claim(SHARD, VERSION) == 7


async def rows_are_paged_in_the_order_of_their_subjects(new_owner: NewOwner) -> None:
    states = await new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("c"), row("a", live=False), row("b")], 3)
    assert [each.subject for each in await states.page(SHARD, "", 2)] == ["a", "b"]
    assert [each.subject for each in await states.page(SHARD, "b", 2)] == ["c"]


async def the_position_moves_forward_alone(new_owner: NewOwner) -> None:
    states = await new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("a")], 7)
    await states.write(SHARD, [row("a", 2)], 0)
    await states.write(SHARD, [row("a", 3)], 5)
    assert await (await new_owner()).claim(SHARD, VERSION) == 7


async def another_version_begins_at_nothing(new_owner: NewOwner) -> None:
    states = await new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("a")], 7)
    assert await states.claim(SHARD, "2027-01/abc") == 0
    assert await states.claim(SHARD, "2027-01/abc") == 0


async def what_is_dropped_is_gone(new_owner: NewOwner) -> None:
    states = await new_owner()
    await states.claim(SHARD, VERSION)
    await states.write(SHARD, [row("a"), row("b", live=False)], 7)
    await states.drop(SHARD)
    assert list(await states.page(SHARD, "", 9)) == []
    assert await states.claim(SHARD, VERSION) == 0


async def who_was_taken_over_writes_nothing(new_owner: NewOwner) -> None:
    zombie = await new_owner()
    await zombie.claim(SHARD, VERSION)
    await zombie.write(SHARD, [row("a")], 7)
    owner = await new_owner()
    assert await owner.claim(SHARD, VERSION) == 7
    for attempt in (
        zombie.write(SHARD, [row("a", 9)], 9),
        zombie.drop(SHARD),
        zombie.claim(SHARD, "2027-01/abc"),
    ):
        with pytest.raises(Conflict, match="another owner"):
            await attempt
    assert list(await owner.live(SHARD)) == [row("a")]
    assert await owner.claim(SHARD, VERSION) == 7


CONTRACT: tuple[Clause, ...] = (
    nothing_is_stored_at_first,
    the_last_row_of_a_subject_replaces_the_others,
    rows_are_paged_in_the_order_of_their_subjects,
    the_position_moves_forward_alone,
    another_version_begins_at_nothing,
    what_is_dropped_is_gone,
    who_was_taken_over_writes_nothing,
)
