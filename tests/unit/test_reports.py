"""The tables keep what the logs say of each case packed, and lose nothing by it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment.core.facts import Fact, Key, merge_into
from assessment.core.figures import sheets
from eventlog.codec import entry
from eventlog.core.log import MemoryLog
from eventlog.core.row import Row
from gridcall.simulation.packed_dict import PackedDict
from gridcall.simulation.reports.tables import CallLine, Tables
from tests.unit.test_properties import END, drafted, histories, run


@settings(max_examples=150, deadline=None)
@given(histories, st.booleans(), st.randoms(use_true_random=False))
def test_the_facts_and_figures_of_the_tables_are_those_of_all_rows_merged(
    history: list[Any], strict: bool, chance: random.Random
) -> None:
    drafts = drafted(history, strict=strict)
    rows = run(drafts)
    merged: dict[Key, Fact] = {}
    merge_into(merged, rows)
    tables = Tables()
    for part in causes_first(
        [*asyncio.run(MemoryLog("intake").append("city", drafts)), *rows], chance
    ):
        tables.read(part[0].log, "city", [entry(row) for row in part])
    assert dict(tables.facts()) == merged
    assert sheets(tables.facts(), tables.zone, END) == sheets(merged.items(), tables.zone, END)


def causes_first(rows: list[Row], chance: random.Random) -> list[list[Row]]:
    """The rows of three logs in parts of any size, in an order in which no row comes before the one that it follows from."""
    of = {log: [row for row in rows if row.log == log] for log in ("intake", "cases", "calls")}
    cause = {"cases": "intake", "calls": "cases"}
    done, parts = dict.fromkeys(of, 0), []
    while any(of.values()):
        log = chance.choice([log for log in of if of[log]])
        free = [row for row in of[log] if log == "intake" or row.input <= done[cause[log]]]
        if part := free[: chance.randint(1, 5)]:
            parts.append(part)
            of[log], done[log] = of[log][len(part) :], part[-1].position
    return parts


CALL = CallLine(1, "R-1", "c", "grid", "street", "01", "deadline", None)


def test_what_was_changed_is_put_back_in_its_place() -> None:
    calls = PackedDict(CallLine)
    calls["first"], calls["second"] = (
        CALL,
        CallLine(2, "R-2", "c", "grid", "street", "02", "deadline", 3),
    )
    calls.put_back()
    calls["first"].outcome = "answered"
    calls.put_back()
    assert [(name, call.unit, call.outcome) for name, call in calls.items()] == [
        ("first", "01", "answered"),
        ("second", "02", "open"),
    ]
    assert len(calls) == 2


def test_looking_at_all_changes_nothing() -> None:
    calls = PackedDict(CallLine)
    calls["first"] = CALL
    calls.put_back()
    for call in calls.values():
        call.outcome = "answered"
    assert [call.outcome for call in calls.values()] == ["open"]


def test_a_shelf_has_only_what_was_put_into_it() -> None:
    with pytest.raises(KeyError):
        PackedDict(CallLine)["nobody"]
