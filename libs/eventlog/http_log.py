"""A service's log over HTTP: `GET /log/{shard}?after=&limit=&wait=` as NDJSON, with long poll, and
the reader of it.

Every line is an envelope; the head of the log and how far time has passed stand in the headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import msgspec
from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from eventlog.codec import Wire, enveloped, opened
from eventlog.core.log import at
from eventlog.core.row import Generation, Row, Watermark
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from events.errors import Unavailable
from events.instants import Instant

NDJSON = "application/x-ndjson"
LIMIT = 1000
HEAD, PASSED, GENERATION = "gridcall-position", "gridcall-passed", "gridcall-generation"


def described() -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of an answer. Its lines together count as an array."""
    _, schemas = msgspec.json.schema_components((Wire,))
    event = schemas["Wire"]
    event |= {
        "title": "Event",
        "required": [name for name in event["required"] if name != "causationid"],
    }
    told = (
        (HEAD, "The last position of the log."),
        (PASSED, "Up to this instant, in µs, nothing more comes behind it."),
    )
    headers = {
        name: {"description": text, "required": True, "schema": {"type": "integer"}}
        for name, text in told
    }
    generation = "The number of the generation, that of the one before, and the last position that it took over from there."
    headers[GENERATION] = {
        "description": generation,
        "required": True,
        "schema": {"type": "string", "pattern": r"^\d+ \d+ \d+$"},
    }
    events = {"type": "array", "items": event}
    return {
        200: {
            "description": "Events, one a line",
            "content": {NDJSON: {"schema": events}},
            "headers": headers,
        }
    }


def log_routes(log: PostgresLog, notifier: Notifier, closing: asyncio.Event) -> APIRouter:
    """The route under which a log can be read. Whoever waits is answered when this process is
    `closing`.
    """
    router = APIRouter(tags=["log"])

    @router.get(
        "/log/{shard}", name=f"read_{log.name}", response_class=Response, responses=described()
    )
    async def read_log(
        shard: Annotated[str, Path(description="The district.")],
        after: Annotated[
            int, Query(ge=0, le=2**62, description="The last position that you have.")
        ] = 0,
        limit: Annotated[int, Query(ge=1, le=LIMIT)] = LIMIT,
        wait: Annotated[
            float, Query(ge=0, le=30, description="Seconds to wait for the next event.")
        ] = 0,
    ) -> Response:
        """The events after a position, one CloudEvents JSON a line, in order; with `wait`, at once
        when there is one.
        """
        until = monotonic() + wait
        while True:
            heard = notifier.count(log.name, shard)
            entries = await log.entries(shard, after, limit)
            if entries or closing.is_set() or monotonic() >= until:
                break
            await notifier.wait(log.name, shard, heard, until - monotonic())
        mark, generation = await log.head(shard)
        body = b"".join([enveloped(log.name, shard, kept) + b"\n" for kept in entries])
        headers = {
            HEAD: str(mark.position),
            PASSED: str(mark.watermark),
            GENERATION: " ".join(map(str, generation)),
        }
        return Response(body, media_type=NDJSON, headers=headers)

    return router


class HttpLog:
    """Reads the log of a service over HTTP. Whoever writes there is the service alone."""

    def __init__(self, name: str, client: httpx.AsyncClient) -> None:
        self.name = name
        self._client = client

    async def read(self, shard: str, after: int, limit: int, wait: float = 0) -> Sequence[Row]:
        """At most `limit` rows after a position. With `wait`, the answer comes when
        there is one.
        """
        answer = await self._get(shard, after=after, limit=min(limit, LIMIT), wait=wait)
        return [opened(line) for line in answer.content.splitlines()]

    async def row(self, shard: str, position: int) -> Row:
        """The row of a position that was read before. Raises Truncated where it is gone."""
        return at(self.name, shard, position, await self.read(shard, position - 1, 1))

    async def generation(self, shard: str) -> Generation:
        answer = await self._get(shard, after=2**62, limit=1)
        return Generation(*map(int, answer.headers[GENERATION].split(" ")))

    async def watermark(self, shard: str) -> Watermark:
        """The last position, and up to which instant nothing more comes."""
        answer = await self._get(shard, after=2**62, limit=1)
        passed: Instant = int(answer.headers[PASSED])
        return Watermark(int(answer.headers[HEAD]), passed)

    async def _get(self, shard: str, **query: float) -> httpx.Response:
        try:
            answer = await self._client.get(f"/log/{quote(shard, safe='')}", params=query)
            answer.raise_for_status()
        except httpx.HTTPError as fault:
            raise Unavailable(f"{self.name}/{shard} cannot be read over HTTP: {fault}") from fault
        return answer
