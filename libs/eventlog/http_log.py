"""A service's log over HTTP: the route that serves it, and the reader.

`GET /log/{shard}?after=&limit=&wait=` answers NDJSON, with long poll. Every line is an envelope;
the watermark and the generation of the log are in the headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from eventlog.codec import Entry, Wire, entry_envelope, read_envelope
from eventlog.core.log import row_at
from eventlog.core.row import Generation, Head, Row, Watermark
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from events.errors import Unavailable
from events.instants import Instant
from events.registry import CATALOGUE
from httpedge.caller import caller_of
from httpedge.open_requests import OpenRequests

NDJSON = "application/x-ndjson"
ROWS_MAX = 1000
PAGE_BYTES_MAX = 4 * 2**20  # A page waits in memory for its reader.
BEYOND_ALL = 2**62  # A position that no log reaches: the answer has headers alone.
POSITION_HEADER = "gridcall-position"
WATERMARK_HEADER = "gridcall-passed"
GENERATION_HEADER = "gridcall-generation"


def response_schema() -> dict[int | str, dict[str, Any]]:
    """Return the response for the OpenAPI document. All lines together count as an array."""
    _, schemas = msgspec.json.schema_components((Wire,))
    event = schemas["Wire"]
    event |= {
        "title": "Event",
        "required": [name for name in event["required"] if name != "causationid"],
    }
    return {
        200: {
            "description": "Events, one a line",
            "content": {NDJSON: {"schema": {"type": "array", "items": event}}},
            "headers": {
                POSITION_HEADER: header_schema("The last position of the log."),
                WATERMARK_HEADER: header_schema(
                    "Up to this instant, in µs, nothing more comes behind it."
                ),
                GENERATION_HEADER: {
                    "description": "The number of the generation, that of the one before, "
                    "and the last position that it took over from there.",
                    "required": True,
                    "schema": {"type": "string", "pattern": r"^\d+ \d+ \d+$"},
                },
            },
        }
    }


def header_schema(description: str) -> dict[str, Any]:
    """Return the schema of a header with a number."""
    return {"description": description, "required": True, "schema": {"type": "integer"}}


def page(lines: Iterable[bytes]) -> bytes:
    """Return the first lines: at least one, and no more than a page may have bytes."""
    taken: list[bytes] = []
    size = 0
    for line in lines:
        size += len(line) + 1
        if taken and size > PAGE_BYTES_MAX:
            break
        taken.append(line + b"\n")
    return b"".join(taken)


def log_routes(
    log: PostgresLog, notifier: Notifier, closing: asyncio.Event, open_requests: OpenRequests
) -> APIRouter:
    """Return the route of a log. Readers who wait are answered when this process is `closing`.

    They are counted in `open_requests`, and refused as soon as their key ends.
    """
    router = APIRouter(tags=["log"])

    async def wait_for_entries(
        shard: str, after: int, limit: int, seconds: float
    ) -> Sequence[Entry]:
        """Return the entries after a position as soon as there are any, or none in the end."""
        until = monotonic() + seconds
        while True:
            count = notifier.count(log.name, shard)
            entries = await log.entries(shard, after, limit)
            if entries or closing.is_set() or monotonic() >= until:
                return entries
            await notifier.wait(log.name, shard, count, until - monotonic())

    @router.get(
        "/log/{shard}",
        name=f"read_{log.name}",
        response_class=Response,
        responses=response_schema(),
    )
    async def read_log(
        request: Request,
        shard: Annotated[str, Path(description="The district.")],
        after: Annotated[
            int, Query(ge=0, le=BEYOND_ALL, description="The last position that you have.")
        ] = 0,
        limit: Annotated[int, Query(ge=1, le=ROWS_MAX)] = ROWS_MAX,
        wait: Annotated[
            float, Query(ge=0, le=30, description="Seconds to wait for the next event.")
        ] = 0,
    ) -> Response:
        """Return the events after a position, in order, one CloudEvents JSON a line.

        With `wait` the answer comes as soon as there is an event.
        """
        if wait:
            with open_requests.admit(caller_of(request).key) as opened:
                waiting = wait_for_entries(shard, after, limit, wait)
                entries = await opened.until_ended(waiting, request.receive)
        else:
            entries = await log.entries(shard, after, limit)
        mark, generation, _ = await log.head(shard)
        body = page([entry_envelope(log.name, shard, entry) for entry in entries])
        headers = {
            POSITION_HEADER: str(mark.position),
            WATERMARK_HEADER: str(mark.watermark),
            GENERATION_HEADER: " ".join(map(str, generation)),
        }
        return Response(body, media_type=NDJSON, headers=headers)

    if defers(log.name):
        router.include_router(late_routes(log))
    return router


def defers(log: str) -> bool:
    """Return True for a log in which inputs may wait: such a log has an index of late rows."""
    return any(kind.defers and log in kind.logs for kind in CATALOGUE.values())


def late_routes(log: PostgresLog) -> APIRouter:
    """Return the route by which the services ask how an input that had waited was decided."""
    router = APIRouter(include_in_schema=False)

    @router.get("/log/{shard}/late")
    async def read_late_rows(shard: str, cause: str) -> Response:
        entries = await log.late_entries(shard, cause)
        body = page([entry_envelope(log.name, shard, entry) for entry in entries])
        return Response(body, media_type=NDJSON)

    return router


class HttpLog:
    """The log of a service, read over HTTP. Raises Unavailable if the service does not answer."""

    def __init__(self, name: str, client: httpx.AsyncClient) -> None:
        self.name = name
        self._client = client

    async def read(self, shard: str, after: int, limit: int, wait: float = 0) -> Sequence[Row]:
        """Return at most `limit` rows after a position. With `wait` the writer waits for a row."""
        response = await self._get(shard, after=after, limit=min(limit, ROWS_MAX), wait=wait)
        return [read_envelope(line) for line in response.content.splitlines()]

    async def late(self, shard: str, cause: str) -> Sequence[Row]:
        """Return the late rows of a cause, in order."""
        response = await self._get(shard, "late", cause=cause)
        return [read_envelope(line) for line in response.content.splitlines()]

    async def row(self, shard: str, position: int) -> Row | None:
        """Return the row at a position; None if there is none."""
        return await row_at(self, shard, position)

    async def generation(self, shard: str) -> Generation:
        """Return the generation of the shard; number 0 while there is none."""
        return (await self.head(shard)).generation

    async def watermark(self, shard: str) -> Watermark:
        """Return the last position, and the instant before which no more rows come."""
        return (await self.head(shard)).mark

    async def head(self, shard: str) -> Head:
        """Return the watermark and the generation of the shard. The hash of its chain is empty."""
        headers = (await self._get(shard, after=BEYOND_ALL, limit=1)).headers
        watermark: Instant = int(headers[WATERMARK_HEADER])
        mark = Watermark(int(headers[POSITION_HEADER]), watermark)
        return Head(mark, Generation(*map(int, headers[GENERATION_HEADER].split(" "))), b"")

    async def _get(self, *parts: str, **query: float | str) -> httpx.Response:
        path = "/".join(quote(part, safe="") for part in parts)
        try:
            response = await self._client.get(f"/log/{path}", params=query)
            response.raise_for_status()
        except httpx.HTTPError as fault:
            raise Unavailable(
                f"{self.name}/{path} cannot be read over HTTP: {fault}", about=f"log {self.name}"
            ) from fault
        return response
