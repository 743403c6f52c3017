"""The counts of a model: of its lines, of its grids, and so of the length of each list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import asyncpg

from screen.core.case_file import GRID_FIGURES, LINE_FIGURES
from screen.core.lists import CaseList

LINE_TALLIES = """
SELECT code, accepted, open, ended, overdue, calling, queued, parked, street_calls, district_calls
FROM screen.tally WHERE model = $1 AND of = 'line'
"""
GRID_TALLY = """
SELECT open, overdue, calling FROM screen.tally WHERE model = $1 AND of = 'grid' AND code = $2
"""
# Of the newest live model of each district: the calls to streets, and to the district.
OPEN_CALLS = """
SELECT DISTINCT ON (m.shard) m.shard, called.*
FROM screen.model m, LATERAL (
  SELECT coalesce(sum(street_calls), 0)::bigint, coalesce(sum(district_calls), 0)::bigint
  FROM screen.tally t WHERE t.model = m.id AND t.of = 'line'
) called
WHERE m.state = 'live' ORDER BY m.shard, m.version DESC
"""
NO_FIGURES: Mapping[str, int] = MappingProxyType(dict.fromkeys(LINE_FIGURES, 0))

Connection: TypeAlias = "asyncpg.Connection[Any]"


async def line_figures(session: Connection, model: int) -> dict[str, Mapping[str, int]]:
    """Return the counts of each line that has any."""
    records = await session.fetch(LINE_TALLIES, model)
    return {code: dict(zip(LINE_FIGURES, row, strict=True)) for code, *row in records}


async def district_figures(session: Connection, model: int) -> Mapping[str, int]:
    """Return the counts of the whole district."""
    return sum_of((await line_figures(session, model)).values())


async def length_of(session: Connection, model: int, of: CaseList) -> int:
    """Return the length of a list of cases."""
    if of.of == "grid":
        record = await session.fetchrow(GRID_TALLY, model, of.code)
        figures = dict(zip(GRID_FIGURES, record, strict=True)) if record else NO_FIGURES
    elif of.of == "line":
        figures = (await line_figures(session, model)).get(of.code, NO_FIGURES)
    else:
        figures = await district_figures(session, model)
    return figures["open"] - figures["overdue"] if of.name == "running" else figures[of.name]


def sum_of(lines: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Return the sum of the counts of lines."""
    totals: Counter[str] = Counter()
    for figures in lines:
        totals.update(figures)
    return totals
