"""The tables of cases and of calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tools.reference_model.cases import Call, Case
from tools.reference_model.rows import Cell, Spec
from tools.reference_model.times import format_time

CASES = {
    "1": "reference,line,category,case,located_by,grid,street,district,reported,due,ended,state,"
    "verdict,rules",
    "2": "reference,line,category,case,origin,located_by,grid,street,district,reported,due,ended,"
    "state,verdict,rules",
}
CALLS = {
    "1": "raised,reference,case,from,to,receiver,because,answer_due,acknowledged,answered,ended,"
    "outcome",
    "2": "raised,reference,case,from,to,receiver,because,repeat,joined,answer_due,acknowledged,"
    "answered,ended,outcome",
}
# Without merging each row opens its case, no call is repeated, and no reason joins one.
ORIGIN: dict[str, list[Cell]] = {"1": [], "2": ["opened"]}
REPEAT_AND_JOINED: dict[str, list[Cell]] = {"1": [], "2": [0, 0]}
TO_QUOTE = re.compile('[,"\r\n]')


def cases_table(profile: Spec, cases: Iterable[Case]) -> str:
    form = profile["format"]
    ordered = sorted(cases, key=lambda case: (case.reported, case.record.reference))
    return table(CASES[form], [case_cells(profile, case) for case in ordered])


def case_cells(profile: Spec, case: Case) -> list[Cell]:
    record, place, origin = case.record, case.record.place, ORIGIN[profile["format"]]
    about: list[Cell] = [record.reference, record.line, record.category, case.id]
    where = [place.located_by, place.grid, place.street, profile["map"]["district"]["code"]]
    when = [format_time(instant) for instant in (case.reported, case.due, case.ended)]
    return [*about, *origin, *where, *when, case.state, case.verdict, ";".join(sorted(case.rules))]


def calls_table(profile: Spec, cases: Iterable[Case]) -> str:
    calls = [(call, case) for case in cases for call in case.calls]
    calls.sort(
        key=lambda both: (both[0].raised, both[1].record.reference, both[0].to == "district")
    )
    rows = [call_cells(profile, call, case) for call, case in calls]
    return table(CALLS[profile["format"]], rows)


def call_cells(profile: Spec, call: Call, case: Case) -> list[Cell]:
    district = profile["map"]["district"]["code"]
    receiver = case.record.place.street if call.to == "street" else district
    what: list[Cell] = [
        format_time(call.raised),
        case.record.reference,
        case.id,
        call.source,
        call.to,
        receiver,
        call.because,
        *REPEAT_AND_JOINED[profile["format"]],
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
