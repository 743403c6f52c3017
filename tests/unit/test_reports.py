"""The reports keep each case and each call packed, and lose nothing by it."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessment.core.facts import Fact, Key, Stamp, merge_into
from assessment.core.figures import Sums, sheets
from casebook import Call
from eventlog.codec import entry
from eventlog.core.log import MemoryLog
from eventlog.core.row import Row
from gridcall.simulation.packed_dict import PackedDict
from gridcall.simulation.reports.evaluations import add_facts
from gridcall.simulation.reports.reader import ReportReader
from gridcall.simulation.reports.records import (
    CallRecord,
    CaseRecord,
    pack_call,
    pack_case,
    unpack_call,
    unpack_case,
)
from tests.harness.histories import END, drafts_of, histories, run


@given(histories, st.booleans(), st.randoms(use_true_random=False))
def test_the_facts_and_figures_of_the_reports_are_those_of_all_rows_merged(
    history: list[Any], strict: bool, chance: random.Random
) -> None:
    drafts = drafts_of(history, strict=strict)
    rows = run(drafts)
    merged: dict[Key, Fact] = {}
    merge_into(merged, rows)
    reader = ReportReader()
    for part in causes_first(
        [*asyncio.run(MemoryLog("intake").append("city", drafts)), *rows], chance
    ):
        reader.read(part[0].log, "city", [entry(row) for row in part])
    reader.cases.put_back()
    assert merged == {
        Key(record.id, episode, worker): fact
        for record in reader.cases.values()
        for (episode, worker), fact in record.facts.items()
    }
    sums = Sums(reader.zone, END)
    deque(add_facts(sums, reader.cases.values()), maxlen=0)
    assert sums.sheets() == sheets(merged.items(), reader.zone, END)


def test_the_summary_for_people_has_its_figures_in_this_order(tmp_path: Path) -> None:
    assert list(ReportReader().conclude(tmp_path, "city", END, 1).summary) == [
        "issues", "located_by", "lines", "verdicts", "rules",
        "cases", "not_attributed", "calls", "log",
    ]  # fmt: skip


def causes_first(rows: list[Row], chance: random.Random) -> list[list[Row]]:
    """Return the rows of three logs in parts of any size, no row before the one that caused it."""
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


def call(name: str, unit: str) -> CallRecord:
    """Return the record of an open call."""
    return CallRecord(Call(name, "c", "grid", "street", unit, "deadline", 1, None), "R-1")


def calls(*records: CallRecord) -> PackedDict[CallRecord]:
    """Return these records, packed."""
    packed = PackedDict(pack_call, unpack_call)
    for record in records:
        packed[record.call.id] = record
    packed.put_back()
    return packed


def test_a_changed_call_is_put_back_in_its_place() -> None:
    packed = calls(call("first", "01"), call("second", "02"))
    packed["first"].call.answered = 5
    packed.put_back()
    assert [(each.call.id, each.call.unit, each.call.answered) for each in packed.values()] == [
        ("first", "01", 5),
        ("second", "02", None),
    ]
    assert len(packed) == 2


def test_few_calls_stay_unpacked_until_they_are_enough() -> None:
    packed = calls(call("first", "01"))
    packed["first"].call.answered = 5
    packed.put_back(at_least=2)
    assert packed["first"].call.answered == 5
    packed.put_back(at_least=1)
    assert [each.call.answered for each in packed.values()] == [5]


def test_a_look_at_all_calls_changes_none() -> None:
    packed = calls(call("first", "01"))
    for record in packed.values():
        record.call.answered = 5
    assert [record.call.answered for record in packed.values()] == [None]


def test_an_unknown_call_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        calls()["nobody"]


def test_a_packed_case_is_the_same_case_again() -> None:
    fact = Fact("0102", "01", raised=(Stamp(7, "calls", 3),))
    flags = ("no_due", "no_point")
    record = CaseRecord("c", "R-1", "hotline", grid="0102", data_flags=flags, due=9)
    record.facts[1, "ann"] = fact
    assert unpack_case("c", pack_case(record)) == record
