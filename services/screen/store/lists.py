"""Lists of cases and calls, in the order of an index, a page at a time, and the search.

All that one request shows is read at one instant, of a model that was not dropped meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from eventlog.postgres.pool import Database
from events.catalogue import Level
from events.errors import Unavailable
from events.instants import BEGINNING
from screen.core.case_file import CaseFile, limit_of
from screen.core.lists import LISTS, NEWEST_FIRST, CaseList, Place
from screen.store.counts import Connection, district_figures, length_of
from screen.store.packing import unpack_file

PAGE = 100

# An index has the order of each list, so that a plan that sorts has missed it.
IN_ORDER = "SET LOCAL enable_sort = off"
CALLS = """
SELECT c.id, f.file FROM screen.call c
JOIN screen.case_file f ON f.model = c.model AND f.id = c.case_id
WHERE c.model = $1 AND c.level = $5 AND (c.due, c.id) > ($2, $3)
ORDER BY c.due, c.id LIMIT $4
"""
SOONEST = """
SELECT id, file FROM screen.case_file
WHERE model = $1 AND {flag} {scope} AND (due, id) > ($2, $3) ORDER BY due, id LIMIT $4
"""
NEWEST = """
SELECT id, file FROM screen.case_file
WHERE model = $1 AND {key} IS NOT NULL {scope} AND ({key}, id) < ($2, $3)
ORDER BY {key} DESC, id DESC LIMIT $4
"""
STEP = "SELECT step FROM screen.model WHERE id = $1 AND state <> 'dropped'"
FILE = """
SELECT f.file FROM screen.model m LEFT JOIN screen.case_file f ON f.model = m.id AND f.id = $2
WHERE m.id = $1 AND m.state <> 'dropped'
"""
BY_REFERENCE = """
SELECT id, file FROM screen.case_file
WHERE model = $1 AND reference <> '' AND reference >= $2 AND reference < $3
ORDER BY reference, id LIMIT $4
"""
LAST_CHARACTER = "\U0010ffff"


def statement(name: str, of: str) -> str:
    """Return the statement that reads a page of a list."""
    scope = "" if of == "district" else f"AND {of} = $5"
    if name in NEWEST_FIRST:
        return NEWEST.format(key=name, scope=scope)
    return SOONEST.format(flag=name, scope=scope)


STATEMENTS = {(name, of): statement(name, of) for of, names in LISTS.items() for name in names}


class CasePage(NamedTuple):
    """A page of a list of cases. `next` is the place after its last one; None at the end."""

    files: Sequence[CaseFile]
    next: Place | None


class CallPage(NamedTuple):
    """A page of a list of calls: the file of each, and its id."""

    calls: Sequence[tuple[CaseFile, str]]
    next: Place | None


class ListStore:
    """The lists of a model. Each method raises Unavailable once the model was dropped."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cases(
        self, model: int, of: CaseList, after: Place, limit: int = PAGE
    ) -> tuple[CasePage, int]:
        """Return the cases of a list after a place, and the length of the list."""
        async with open_model(self._database, model) as (session, _):
            page = await page_of_cases(session, model, of, after, limit)
            return page, await length_of(session, model, of)

    async def calls(
        self, model: int, level: Level, after: Place, limit: int = PAGE
    ) -> tuple[CallPage, int]:
        """Return the open calls to a level after a place, the soonest limit first, and how many
        there are.
        """
        async with open_model(self._database, model) as (session, _):
            page = await page_of_calls(session, model, level, after, limit)
            return page, (await district_figures(session, model))[f"{level}_calls"]

    async def case(self, model: int, id_: str) -> CaseFile | None:
        """Return the file of a case; None if the model does not know it."""
        for (file,) in await self._database.fetch(FILE, model, id_):
            return unpack_file(file) if file else None
        raise being_built()

    async def cases_of_reference(self, model: int, text: str, limit: int) -> list[CaseFile]:
        """Return the cases whose reference begins with a text."""
        async with open_model(self._database, model) as (session, _):
            end = text + LAST_CHARACTER
            records = await session.fetch(BY_REFERENCE, model, text, end, limit)
        return [unpack_file(record["file"]) for record in records]


@asynccontextmanager
async def open_model(database: Database, model: int) -> AsyncIterator[tuple[Connection, int]]:
    """Open a model at one instant, and yield the number of its commits beside the connection.

    Raises Unavailable for one that was dropped: its rows are swept.
    """
    async with database.snapshot() as session:
        await session.execute(IN_ORDER)
        step = await session.fetchval(STEP, model)
        if step is None:
            raise being_built()
        yield session, step


def being_built() -> Unavailable:
    """Return the error of a model that was dropped, because there is another one soon."""
    return Unavailable("the read model is being built again")


async def page_of_cases(
    session: Connection, model: int, of: CaseList, after: Place, limit: int
) -> CasePage:
    """Return the cases of a list after a place."""
    scope = () if of.of == "district" else (of.code,)
    sql = STATEMENTS[of.name, of.of]
    records = await session.fetch(sql, model, *after, limit, *scope)
    files = [unpack_file(record["file"]) for record in records]
    if len(files) < limit:
        return CasePage(files, None)
    return CasePage(files, of.place_of(files[-1].case.id, files[-1].keys()))


FIRST_CALL = Place(BEGINNING, "")


async def page_of_calls(
    session: Connection, model: int, level: Level, after: Place, limit: int
) -> CallPage:
    """Return the open calls to a level after a place."""
    records = await session.fetch(CALLS, model, *after, limit, level)
    calls = [(unpack_file(record["file"]), record["id"]) for record in records]
    if len(calls) < limit:
        return CallPage(calls, None)
    file, call = calls[-1]
    return CallPage(calls, Place(limit_of(file.calls[call]), call))
