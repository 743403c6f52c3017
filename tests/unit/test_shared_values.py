"""A replay lets the states of cases share equal values, and its fold stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from eventlog import shared_values
from eventlog.codec import entry, row_of
from eventlog.core.log import MemoryLog
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from eventlog.input_order import SingleOrder
from eventlog.runner import Runner
from eventlog.shared_values import SharedValues, shareable
from events import catalogue as e
from events.registry import CATALOGUE
from tests.harness.city import routing
from tests.harness.tape import Tape, report


def read_again(rows: Sequence[Row]) -> list[Row]:
    """Return rows as a store gives them: each with copies of its own."""
    return [row_of(row.log, row.shard, entry(row)) for row in rows]


def holder_of(stage: Stage[Any, Any], case: str) -> e.Assignment:
    holder: e.Assignment = stage.aggregates.state(case).holder
    return holder


def two_cases() -> list[Row]:
    """Return the rows of `cases` about two cases of one grid."""
    tape = Tape("cases")
    return read_again([row for case in "ab" for row in tape.write(10, case, *report(case, 10, 20))])


def test_the_cases_of_a_grid_share_its_assignment_and_the_texts_of_their_facts() -> None:
    rows = two_cases()
    before = [(row, repr(row)) for row in rows]
    SharedValues().share(rows)
    assert [repr(row) for row, _ in before] == [text for _, text in before]
    reported, first, _, second = [row.event for row in rows]
    assert first.holder is second.holder
    assert first.matter is not second.matter, "each case has instants of its own"
    assert first.matter.category is second.matter.category
    assert first.case is reported.case is rows[0].subject, "the name by which the stage has it"


async def test_states_share_values_after_a_replay_and_equal_those_that_do_not() -> None:
    copies, log = Stage(routing, "city"), MemoryLog("cases")
    copies.replay(two_cases())
    await log.commit("city", two_cases())
    runner = Runner(Stage(routing, "city"), SingleOrder(MemoryLog("intake")), log, 3)
    await runner.replay()
    for case in "ab":
        assert runner.stage.aggregates.state(case) == copies.aggregates.state(case)
    assert holder_of(runner.stage, "a") is holder_of(runner.stage, "b")
    assert holder_of(copies, "a") is not holder_of(copies, "b")


def test_many_different_values_take_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_values, "VALUES_MAX", 1)
    values, rows = SharedValues(), two_cases()
    values.share(rows)
    assert len(values._values) == 1
    assert rows[1].event.holder == rows[3].event.holder


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: str(kind.name))
def test_only_texts_and_shared_values_are_shared(kind: Any) -> None:
    name, values, parts = shareable(kind.cls)
    hints = kind.cls.__dataclass_fields__
    assert not name or hints[name].type == "str"
    assert all("Assignment" in hints[each].type for each in values)
    assert all(texts for _, texts in parts)


def test_the_facts_of_a_case_share_their_texts() -> None:
    assert shareable(e.CaseRouted) == (
        "case",
        ("holder",),
        (("matter", ("line", "category", "urgency")),),
    )
