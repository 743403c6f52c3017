"""The read-only routes of the screen: the page, its map, its live stream, the life of a case."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from eventlog.content_codec import decode_content
from events.catalogue import LINES, Level
from events.errors import Unavailable
from events.reference_data import GridMap, Names
from httpedge.caller import caller_of
from httpedge.open_requests import OpenRequest, OpenRequests
from httpedge.problems import Problem
from screen.core.lists import CaseList, Place, parse_place
from screen.core.map_svg import map_payload
from screen.follower import Follower
from screen.lives import read_life
from screen.payloads import (
    LINE_COUNTS,
    TOTALS,
    call_page_payload,
    case_page_payload,
    life_payload,
)
from screen.rendering import render
from screen.search import CaseSearch
from screen.store import ListStore, StoredModel
from screen.store.lists import FIRST_CALL, CasePage
from screen.tracking import ScreenTracker
from screen.unavailable import PageRoute
from screen.words import choose_language, words

HOME = Path(__file__).parent
MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
STATIC_FILES = {
    path.name: MEDIA_TYPES[path.suffix]
    for path in sorted((HOME / "static").iterdir())
    if path.suffix in MEDIA_TYPES
}
SCRIPTS = [name for name in STATIC_FILES if name.endswith(".js")]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
PAUSE_SECONDS = 0.2  # A page gets at most five messages a second.


class RenderedMap(NamedTuple):
    """A map as JSON for the page, and the names of its district by language."""

    names: Mapping[str, str]
    body: bytes


NO_MAP = RenderedMap(
    {},
    msgspec.json.encode(
        {
            "name": "", "schematic": False, "width": 1000, "height": 700,
            "grids": [], "streets": [], "names": {},
        }
    ),
)  # fmt: skip


class Screen:
    """The state behind the routes: a follower for each district, and the rendered maps.

    `contents` returns reference data by digest. `closing` is set when the server ends.
    """

    def __init__(
        self,
        contents: Callable[[str], Awaitable[Mapping[str, bytes]]],
        lists: ListStore,
        search: CaseSearch,
        closing: asyncio.Event,
    ) -> None:
        self.followers: dict[str, Follower] = {}
        self.lists = lists
        self.search = search
        self.closing = closing
        self._contents = contents
        self._maps: dict[tuple[str, str], RenderedMap] = {}

    async def rendered_map(self, follower: Follower) -> RenderedMap:
        """Return the map in force, or an empty one before the first adoption."""
        digests = follower.setting("map"), follower.setting("names")
        if digests not in self._maps:
            contents = {**await self._contents(digests[0]), **await self._contents(digests[1])}
            if digests[0] not in contents:
                return NO_MAP
            self._maps[digests] = render_map(contents, *digests)
        return self._maps[digests]

    async def district_name(self, district: str, language: str) -> str:
        """Return the name of a district in a language, else in Chinese, else its code."""
        names = (await self.rendered_map(self.followers[district])).names
        return names.get(language) or names.get("zh") or district


def render_map(contents: Mapping[str, bytes], map_digest: str, names_digest: str) -> RenderedMap:
    """Return a map as the page draws it, with the names that were adopted beside it."""
    grid_map = decode_content(contents, map_digest, GridMap)
    names = decode_content(contents, names_digest, Names) if names_digest in contents else None
    of_district = names.names.get(grid_map.district, {}) if names else {}
    body = msgspec.json.encode(map_payload(grid_map, names))
    return RenderedMap({"zh": grid_map.name, **of_district}, body)


@lru_cache(maxsize=16)  # A map takes longer than a post may wait; it is the same for every page.
def gzip_body(body: bytes) -> bytes:
    """Return a body compressed, the same bytes each time."""
    return gzip.compress(body, 6, mtime=0)


def body_response(request: Request, body: bytes, media_type: str) -> Response:
    """Return a response with this body, compressed for a client that accepts that."""
    headers = {**HEADERS, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = gzip_body(body), "gzip"
    return Response(body, headers=headers, media_type=media_type)


def json_response(request: Request, payload: Any) -> Response:
    """Return a response with this payload as JSON."""
    return body_response(request, msgspec.json.encode(payload), "application/json")


def not_found(detail: str) -> Response:
    """Return 404 with problem details."""
    body = {"type": "about:blank", "title": "Not found", "status": 404, "detail": detail}
    return Response(msgspec.json.encode(body), 404, HEADERS, "application/problem+json")


class ListQuery(NamedTuple):
    """A list of cases as an address names it, and the place after which the page begins."""

    name: str
    line: str
    grid: str
    after: str

    def case_list(self) -> CaseList:
        """Return the list."""
        if self.grid:
            return CaseList(self.name, "grid", self.grid)
        return CaseList(self.name, "line", self.line) if self.line else CaseList(self.name)


def list_query(
    name: Annotated[str, Query(alias="list")] = "open",
    line: str = "",
    grid: str = "",
    after: str = "",
) -> ListQuery:
    """Return the list that a request names."""
    return ListQuery(name, line, grid, after)


Listed = Annotated[ListQuery, Depends(list_query)]
CalledLevel = Literal["street", "district"]


def place_after(text: str, start: Place) -> Place:
    """Return the place that a request names, or the start. Raises Problem 422."""
    try:
        return parse_place(text) if text else start
    except ValueError as fault:
        raise Problem(422, "invalid", "Invalid", f"after: {fault}") from fault


def served_model_id(screen: Screen, district: str) -> int:
    """Return the model that is served. Raises Problem 404, and Unavailable before there is one."""
    follower = screen.followers.get(district)
    if follower is None:
        raise Problem(404, "not-found", "Not found", f"there is no district {district!r}")
    if follower.served is None:
        raise Unavailable(f"the screen has not begun to read {district!r}")
    return follower.served.id


def screen_routes(screen: Screen, open_requests: OpenRequests) -> APIRouter:
    """Return all routes. None is part of the OpenAPI document of the intake API."""
    router = APIRouter(include_in_schema=False)
    router.include_router(page_routes(screen))
    router.include_router(file_routes(screen))
    router.include_router(list_routes(screen))
    router.include_router(live_routes(screen, open_requests))
    return router


def page_routes(screen: Screen) -> APIRouter:
    """Return the route of the page."""
    router = APIRouter(route_class=PageRoute)

    @router.get("/")
    async def page(
        request: Request,
        lang: Annotated[str | None, Query()] = None,
        district: Annotated[str | None, Query()] = None,
    ) -> Response:
        language = choose_language(lang, request.headers.get("accept-language", ""))
        html = await render_page(screen, language, district, caller_of(request).shard)
        return body_response(request, html.encode(), "text/html; charset=utf-8")

    return router


def file_routes(screen: Screen) -> APIRouter:
    """Return the routes of what the page loads once: its files, and the map of a district."""
    router = APIRouter()

    @router.get("/static/screen/{name}")
    async def static(request: Request, name: str) -> Response:
        if name not in STATIC_FILES:
            return not_found(f"there is no file {name!r}")
        return body_response(request, (HOME / "static" / name).read_bytes(), STATIC_FILES[name])

    @router.get("/screen/{district}/map")
    async def district_map(request: Request, district: str) -> Response:
        if district not in screen.followers:
            return not_found(f"there is no district {district!r}")
        rendered = await screen.rendered_map(screen.followers[district])
        return body_response(request, rendered.body, "application/json")

    return router


def list_routes(screen: Screen) -> APIRouter:
    """Return the routes that read the model of a district: lists, a search, one case."""
    router = APIRouter()

    @router.get("/screen/{district}/cases")
    async def cases(request: Request, district: str, listed: Listed) -> Response:
        model = served_model_id(screen, district)
        of = listed.case_list()
        if not of.is_known:
            return not_found(f"there is no list {of.name!r} of a {of.of}")
        place = place_after(listed.after, of.start)
        page, count = await screen.lists.cases(model, of, place)
        return json_response(request, case_page_payload(page, count))

    @router.get("/screen/{district}/calls")
    async def calls(
        request: Request, district: str, level: CalledLevel, after: str = ""
    ) -> Response:
        model = served_model_id(screen, district)
        place = place_after(after, FIRST_CALL)
        page, count = await screen.lists.calls(model, level, place)
        return json_response(request, call_page_payload(page, count))

    @router.get("/screen/{district}/search")
    async def search(request: Request, district: str, q: str = "") -> Response:
        files = await screen.search.find(served_model_id(screen, district), district, q)
        page = CasePage(files, None)
        return json_response(request, case_page_payload(page, len(files)))

    @router.get("/screen/{district}/cases/{case}")
    async def case(request: Request, district: str, case: str) -> Response:
        file = await screen.lists.case(served_model_id(screen, district), case)
        if file is None:
            return not_found("the screen knows no such case; it may not have read its log so far")
        life = await read_life(file, district, screen.followers[district].logs)
        return json_response(request, life_payload(file, life))

    return router


def live_routes(screen: Screen, open_requests: OpenRequests) -> APIRouter:
    """Return the route of live streams. Each counts in `open_requests`, and ends with its key."""
    router = APIRouter()
    opened_until_the_end = Depends(open_requests.of_request)

    @router.get("/screen/{district}/live", response_class=EventSourceResponse)
    async def live(
        district: str, opened: OpenRequest = opened_until_the_end
    ) -> AsyncIterator[ServerSentEvent]:
        if district in screen.followers:
            async for message in live_messages(screen, screen.followers[district], opened.ended):
                yield ServerSentEvent(raw_data=message.decode())

    return router


def tracking_routes(tracker: ScreenTracker) -> APIRouter:
    """Return the route by which intake asks for the present stage of a case."""
    router = APIRouter(include_in_schema=False)

    @router.get("/tracking/{district}/{case}")
    async def track_case(district: str, case: str, after: int = 0, wait: float = 0) -> Response:
        try:
            tracked = await tracker.find(district, case, after, wait)
        except Unavailable as fault:
            return Response(str(fault), 503, media_type="text/plain")
        return Response(msgspec.json.encode(tracked), media_type="application/json")

    return router


async def render_page(
    screen: Screen, language: str, district: str | None, allowed: str | None
) -> str:
    """Return the page of a district, or of the first one if there is no such district.

    It names the district that is `allowed`, or all of them for None.
    """
    codes = sorted(code for code in screen.followers if allowed in (None, code))
    districts = [
        {"code": code, "name": await screen.district_name(code, language)} for code in codes
    ]
    return render(
        "page.html",
        lang=language,
        words=words(language),
        districts=districts,
        district=district if district in codes else next(iter(codes), ""),
        scripts=SCRIPTS,
        totals=TOTALS,
        levels=list(reversed(get_args(Level))),
        lines=LINES,
        line_counts=LINE_COUNTS,
    )


async def live_messages(
    screen: Screen, follower: Follower, ended: asyncio.Event
) -> AsyncIterator[bytes]:
    """Yield the messages for one page.

    The stream ends with the server, without a database, and with the model that it began with. Then
    the page connects again and gets all grids. Nothing more is sent once its key has `ended`.
    """
    step, model = -1, follower.served
    version = -1 if model else follower.version
    while not screen.closing.is_set() and is_same(model, follower.served):
        await wait_for_first(follower.wait_for_newer(version), screen.closing.wait(), ended.wait())
        if ended.is_set():
            break
        version = follower.version
        try:
            board = await follower.board(step)
        except Unavailable:
            break
        model = model or follower.served
        yield msgspec.json.encode(follower.live_payload(board))
        step = board.step
        await wait_for_first(screen.closing.wait(), ended.wait(), seconds=PAUSE_SECONDS)


def is_same(before: StoredModel | None, now: StoredModel | None) -> bool:
    """Tell if a page can go on: it has seen nothing, or the counts of this model."""
    return before is None or (now is not None and before.id == now.id)


async def wait_for_first(*waits: Coroutine[Any, Any, Any], seconds: float | None = None) -> None:
    """Wait for the first of several to end, at most so many seconds.

    A stream that is dropped between two of its messages has no task that nobody would end.
    """
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
