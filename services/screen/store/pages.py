"""The content of the live page, read at one instant of the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from eventlog.postgres.pool import Database
from events.catalogue import LINES, Level
from screen.core.case_file import CaseFile
from screen.core.fold import ListedEvent
from screen.core.lists import CaseList
from screen.store.counts import NO_FIGURES, OPEN_CALLS, line_figures, sum_of
from screen.store.lists import FIRST_CALL, open_model, page_of_calls, page_of_cases
from screen.store.packing import unpack_file

LATEST_MAX = 10  # Rows of each list. The page shows as many as it has room for.
CALLED_LEVELS: tuple[Level, ...] = ("street", "district")

GRID_TALLIES = """
SELECT code, open, overdue, calling FROM screen.tally
WHERE model = $1 AND of = 'grid' AND step > $2
"""
EVENTS = """
SELECT e.ts, e.log, e.pos, e.start, e.name, e.case_id, f.file FROM screen.event e
LEFT JOIN screen.case_file f ON f.model = e.model AND f.id = e.case_id
WHERE e.model = $1 ORDER BY e.ts DESC, e.log DESC, e.pos DESC
"""


class Board(NamedTuple):
    """A district as one commit left it. `step` is the number of that commit.

    `lines` has the counts of each line, `latest` the last cases that it accepted. `events` are the
    latest, the newest first, each with the file of its case. `grids` has the counts of grids.
    """

    step: int
    lines: Mapping[str, Mapping[str, int]]
    latest: Mapping[str, Sequence[CaseFile]]
    deadlines: Sequence[CaseFile]
    calls: Mapping[Level, Sequence[tuple[CaseFile, str]]]
    events: Sequence[tuple[ListedEvent, CaseFile | None]]
    grids: Mapping[str, Sequence[int]]

    @property
    def totals(self) -> Counter[str]:
        """The counts of the whole district."""
        return sum_of(self.lines.values())


class PageStore:
    """The counts and latest rows of a model."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_calls(self) -> dict[tuple[str, Level], int]:
        """Return the number of open calls of each district, by level."""
        return {
            (district, level): number
            for district, *numbers in await self._database.fetch(OPEN_CALLS)
            for level, number in zip(CALLED_LEVELS, numbers, strict=True)
        }

    async def board(self, model: int, since: int) -> Board:
        """Return all that the live page shows; of the grids those that changed after a step.

        Raises Unavailable once the model was dropped.
        """
        async with open_model(self._database, model) as (session, step):
            lines = dict.fromkeys(LINES, NO_FIGURES) | await line_figures(session, model)
            latest = {}
            for line in lines:
                listed = CaseList("accepted", "line", line)
                page = await page_of_cases(session, model, listed, listed.start, LATEST_MAX)
                latest[line] = page.files
            running = CaseList("running")
            deadlines = await page_of_cases(session, model, running, running.start, LATEST_MAX)
            calls = {
                level: (await page_of_calls(session, model, level, FIRST_CALL, LATEST_MAX)).calls
                for level in CALLED_LEVELS
            }
            events = [
                (ListedEvent(*event), unpack_file(file) if file else None)
                for *event, file in await session.fetch(EVENTS, model)
            ]
            grids = {code: row for code, *row in await session.fetch(GRID_TALLIES, model, since)}
            return Board(step, lines, latest, deadlines.files, calls, events, grids)
