"""The tables of cases and of calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tools.reference_model.cases import Call, Case
from tools.reference_model.rows import Cell, Spec
from tools.reference_model.times import format_time

CASES = (
    "reference,line,category,case,located_by,grid,street,district,reported,due,ended,state,"
    "verdict,rules"
)
CALLS = (
    "raised,reference,case,from,to,receiver,because,answer_due,acknowledged,answered,ended,outcome"
)
TO_QUOTE = re.compile('[,"\r\n]')


def cases_table(profile: Spec, cases: Iterable[Case]) -> str:
    district = profile["map"]["district"]["code"]
    ordered = sorted(cases, key=lambda case: (case.reported, case.record.reference))
    return table(CASES, [case_cells(case, district) for case in ordered])


def case_cells(case: Case, district: str) -> list[Cell]:
    record, place = case.record, case.record.place
    about: list[Cell] = [record.reference, record.line, record.category, case.id]
    where = [place.located_by, place.grid, place.street, district]
    when = [format_time(instant) for instant in (case.reported, case.due, case.ended)]
    return [*about, *where, *when, case.state, case.verdict, ";".join(sorted(case.rules))]


def calls_table(profile: Spec, cases: Iterable[Case]) -> str:
    district = profile["map"]["district"]["code"]
    calls = [(call, case) for case in cases for call in case.calls]
    calls.sort(
        key=lambda both: (both[0].raised, both[1].record.reference, both[0].to == "district")
    )
    return table(CALLS, [call_cells(call, case, district) for call, case in calls])


def call_cells(call: Call, case: Case, district: str) -> list[Cell]:
    receiver = case.record.place.street if call.to == "street" else district
    what = [
        format_time(call.raised),
        case.record.reference,
        case.id,
        call.source,
        call.to,
        receiver,
        call.because,
    ]
    return [*what, format_time(call.answer_due), "", "", format_time(case.ended), outcome(case)]


def outcome(case: Case) -> str:
    """Return the outcome of a call. A data set has no answers, so that only an ending ends it."""
    return "withdrawn" if case.ended else "open"


def table(header: str, rows: Iterable[Sequence[Cell]]) -> str:
    lines = [header, *(",".join(quote(str(cell)) for cell in row) for row in rows)]
    return "\n".join(lines) + "\n"


def quote(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if TO_QUOTE.search(cell) else cell
