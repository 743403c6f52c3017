"""The contract of every log. A new implementation passes these functions unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from eventlog.core.log import Log, OutcomeSource
from eventlog.core.row import Draft, Progress, Row, Watermark
from events.catalogue import ReferenceAdopted, VisitMade
from events.errors import Conflict
from events.instants import BEGINNING

SHARD = "city"


def visit(number: int, at: int) -> Draft:
    return Draft(at, f"a{number}", VisitMade(action=f"a{number}", issue="case", by="ann"))


def row_at(log: Log, position: int, time: int, subject: str = "case", sequence: int = 1) -> Row:
    return Row(
        log.name,
        SHARD,
        position,
        time,
        position,
        1,
        subject,
        sequence,
        f"intake/{SHARD}/{position}",
        VisitMade(action="a", issue=subject, by="ann"),
    )


async def positions_are_given_without_gaps(log: Log) -> None:
    first = await log.append(SHARD, [visit(1, 10), visit(2, 10)])
    second = await log.append(SHARD, [visit(3, 11)])
    assert [row.position for row in [*first, *second]] == [1, 2, 3]
    assert list(await log.read(SHARD, 0, 10)) == [*first, *second]


async def time_never_goes_back(log: Log) -> None:
    rows = await log.append(SHARD, [visit(1, 10), visit(2, 5), visit(3, 12)])
    assert [row.time for row in rows] == [10, 10, 12]


async def an_announced_time_is_never_gone_behind(log: Log) -> None:
    await log.append(SHARD, [visit(1, 10)])
    assert await log.announce(SHARD, 20) == Watermark(1, 20)
    assert await log.announce(SHARD, 15) == Watermark(1, 20)
    assert [row.time for row in await log.append(SHARD, [visit(2, 12)])] == [20]
    assert await log.watermark(SHARD) == Watermark(2, 20)


async def a_commit_lets_time_pass_as_far_as_its_stage_is(log: Log) -> None:
    await log.commit(SHARD, [row_at(log, 1, 10)], Progress(7, 20))
    assert await log.watermark(SHARD) == Watermark(1, 20)
    assert await log.progress(SHARD) == Progress(7, 20)


async def a_row_keeps_its_sequence_within_its_subject(log: Log) -> None:
    adoption = ReferenceAdopted(kind="map", name="m", digest="")
    rows = await log.append(
        SHARD, [Draft(1, "reference", adoption), visit(1, 1), Draft(1, "reference", adoption)]
    )
    assert [(row.subject, row.sequence) for row in rows] == [
        ("reference", 1),
        ("a1", 1),
        ("reference", 2),
    ]
    own = [row_at(log, 4, 1, "x", 1), row_at(log, 5, 1, "y", 1), row_at(log, 6, 1, "x", 2)]
    await log.commit(SHARD, own)
    assert [(row.subject, row.sequence) for row in await log.read(SHARD, 3, 9)] == [
        ("x", 1),
        ("y", 1),
        ("x", 2),
    ]


async def a_commit_whose_sequence_is_broken_is_refused(log: Log) -> None:
    with pytest.raises(Conflict):
        await log.commit(SHARD, [row_at(log, 1, 1, "x", 1), row_at(log, 2, 1, "x", 3)])


async def rows_are_read_after_a_position_up_to_a_limit(log: Log) -> None:
    rows = await log.append(SHARD, [visit(number, 1) for number in range(5)])
    assert list(await log.read(SHARD, 2, 2)) == rows[2:4]
    assert list(await log.read(SHARD, 5, 2)) == []
    assert list(await log.read(SHARD, 9, 2)) == []


async def rows_come_back_as_they_were_committed(log: Log) -> None:
    rows = [row_at(log, 1, 5), row_at(log, 2, 5, sequence=2), row_at(log, 3, 9, sequence=3)]
    await log.commit(SHARD, rows[:1])
    await log.commit(SHARD, rows[1:])
    assert list(await log.read(SHARD, 0, 9)) == rows


async def any_text_comes_back_as_it_was(log: Log) -> None:
    text = "a\tb\nc\\n\\x00'\"{1,NULL}\x1f 事项 \U0001f6a7"
    rows = [
        Row(
            log.name,
            SHARD,
            1,
            5,
            0,
            1,
            "a case",
            1,
            "",
            VisitMade(action="a", issue="a case", by=text),
        )
    ]
    await log.commit(SHARD, rows)
    assert list(await log.read(SHARD, 0, 9)) == rows


async def a_commit_that_does_not_follow_is_refused_whole(log: Log) -> None:
    await log.commit(SHARD, [row_at(log, 1, 5)])
    for wrong in (
        [row_at(log, 1, 5)],  # A second time.
        [row_at(log, 3, 5, sequence=2)],  # A gap.
        [row_at(log, 2, 5, sequence=2), row_at(log, 4, 5, sequence=3)],  # A gap inside.
        [row_at(log, 2, 4, sequence=2)],  # Back in time.
    ):
        with pytest.raises(Conflict):
            await log.commit(SHARD, wrong)
    assert [row.position for row in await log.read(SHARD, 0, 9)] == [1]


async def shards_know_nothing_of_each_other(log: Log) -> None:
    await log.append(SHARD, [visit(1, 10)])
    assert [(row.position, row.time) for row in await log.append("other", [visit(1, 3)])] == [
        (1, 3)
    ]
    assert await log.watermark("nobody") == Watermark(0, BEGINNING)


async def times_before_1970_are_times(log: Log) -> None:
    assert [row.time for row in await log.append(SHARD, [visit(1, -5), visit(2, -7)])] == [-5, -5]


async def late_rows_are_found_by_their_cause(log: Log, reader: OutcomeSource) -> None:
    """Only a log of a stage has such rows."""
    own, early, other = (f"intake/{SHARD}/{position}" for position in (3, 1, 2))
    expiry, deadline = "clock/case/expiry/1", "clock/case/deadline/1"
    causes = (own, early, other, early, expiry, deadline)
    rows = [
        row_at(log, position, 1)._replace(input=3, step=position, cause=cause)
        for position, cause in enumerate(causes, 1)
    ]
    await log.commit(SHARD, number_rows(rows))
    assert [row.position for row in rows if row.is_late] == [2, 3, 4, 5]
    assert list(await reader.late(SHARD, early)) == number_rows(rows)[1:4:2]
    for cause, count in ((own, 0), (other, 1), (expiry, 1), (deadline, 0), ("intake/x/1", 0)):
        assert len(await reader.late(SHARD, cause)) == count, cause
    assert list(await reader.late("other", early)) == []


def number_rows(rows: list[Row]) -> list[Row]:
    """Return rows with their sequences within their subjects."""
    counts: Counter[str] = Counter()
    out = []
    for row in rows:
        counts[row.subject] += 1
        out.append(row._replace(sequence=counts[row.subject]))
    return out


CONTRACT: tuple[Callable[[Log], Awaitable[None]], ...] = (
    positions_are_given_without_gaps,
    time_never_goes_back,
    an_announced_time_is_never_gone_behind,
    a_commit_lets_time_pass_as_far_as_its_stage_is,
    a_row_keeps_its_sequence_within_its_subject,
    a_commit_whose_sequence_is_broken_is_refused,
    rows_are_read_after_a_position_up_to_a_limit,
    rows_come_back_as_they_were_committed,
    any_text_comes_back_as_it_was,
    a_commit_that_does_not_follow_is_refused_whole,
    shards_know_nothing_of_each_other,
    times_before_1970_are_times,
)
