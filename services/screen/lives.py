"""The life of a case: its rows, read from the logs at the positions that its file names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from eventlog.core.log import Source
from eventlog.core.row import Row
from eventlog.core.versions import readable
from screen.core.case_file import CaseFile
from screen.core.fold import concerned_case

ROWS_AT_ONCE = 20


async def read_life(file: CaseFile, district: str, logs: Mapping[str, Source]) -> list[Row]:
    """Return the rows of a case that are still there, log by log. Raises Unavailable.

    A log that was cut may have rows of other cases at their positions, until the model follows.
    """
    places = [(name, position) for name, life in file.life.items() for position in life]
    rows: list[Row | None] = []
    for start in range(0, len(places), ROWS_AT_ONCE):
        part = places[start : start + ROWS_AT_ONCE]
        rows += await asyncio.gather(*(logs[name].row(district, each) for name, each in part))
    known = readable(row for row in rows if row is not None)
    return [row for row in known if concerned_case(row) == file.case.id]
