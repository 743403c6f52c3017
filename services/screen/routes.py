"""The screen's routes: the page, its map, its live stream, and the life of a case. It is read only."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.responses import Response

from eventlog.content_codec import decoded
from events.catalogue import ReferenceAdopted
from events.reference_data import GridMap, Names
from screen.follower import Follower
from screen.map_svg import drawn
from screen.payloads import timeline

HOME = Path(__file__).parent
FILES = {"screen.css": "text/css; charset=utf-8", "screen.js": "text/javascript; charset=utf-8"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SHARED = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
PAUSE_SECONDS = 0.2  # A page hears at most five times a second.
LANGUAGES = ("zh", "en")

pages = Environment(loader=FileSystemLoader(HOME / "templates"), autoescape=select_autoescape())


class Drawn(NamedTuple):
    """A map as the page draws it, in JSON, and what its district is called, by language."""

    names: Mapping[str, str]
    body: bytes


class Screen:
    """What the routes need: a follower for each district, and the contents of reference data by digest."""

    def __init__(
        self, contents: Callable[[str], Awaitable[Mapping[str, bytes]]], closing: asyncio.Event
    ) -> None:
        self.followers: dict[str, Follower] = {}
        self.closing = closing
        self._contents = contents
        self._maps: dict[tuple[str, str], Drawn] = {}

    async def map_of(self, follower: Follower) -> Drawn:
        """The map in force as the page draws it; where none was adopted yet, an empty one."""
        map_digest, names_digest = (self._digest(follower, kind) for kind in ("map", "names"))
        known = (map_digest, names_digest)
        if known not in self._maps:
            contents = {**await self._contents(map_digest), **await self._contents(names_digest)}
            if map_digest not in contents:
                return Drawn({}, msgspec.json.encode(EMPTY))
            named = decoded(contents, names_digest, Names) if names_digest in contents else None
            grid_map = decoded(contents, map_digest, GridMap)
            names = {
                "zh": grid_map.name,
                **(named.names.get(grid_map.district, {}) if named else {}),
            }
            self._maps[known] = Drawn(names, msgspec.json.encode(drawn(grid_map, named)))
        return self._maps[known]

    def _digest(self, follower: Follower, kind: str) -> str:
        adopted = follower.view.references.get(kind)
        return adopted.digest if isinstance(adopted, ReferenceAdopted) else ""


EMPTY: dict[str, Any] = {
    "name": "", "schematic": False, "width": 1000, "height": 700, "grids": [], "streets": [], "names": {},
}  # fmt: skip


@cache
def words(language: str) -> dict[str, str]:
    """Every word of the page in a language."""
    found: dict[str, dict[str, str]] = msgspec.json.decode((HOME / "words.json").read_bytes())
    return found[language]


def language_of(request: Request, asked: str | None) -> str:
    """The language that was asked for, else the first one of the browser's that is there, else Chinese."""
    if asked in LANGUAGES:
        return str(asked)
    wanted = (
        part.strip()[:2].lower() for part in request.headers.get("accept-language", "").split(",")
    )
    return next((language for language in wanted if language in LANGUAGES), LANGUAGES[0])


@lru_cache(maxsize=16)  # The map takes longer than a post may wait; it is the same for every page.
def zipped(body: bytes) -> bytes:
    """Compressed."""
    return gzip.compress(body, 6, mtime=0)


def packed(request: Request, body: bytes, kind: str) -> Response:
    """Compressed, if whoever asks can unpack it."""
    headers = {**SHARED, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            zipped(body), headers={**headers, "Content-Encoding": "gzip"}, media_type=kind
        )
    return Response(body, headers=headers, media_type=kind)


def not_there(what: str) -> Response:
    """Problem details of what is not there."""
    body = {"type": "about:blank", "title": "Not found", "status": 404, "detail": what}
    return Response(msgspec.json.encode(body), 404, SHARED, "application/problem+json")


def screen_routes(screen: Screen) -> APIRouter:
    """All of them; none is part of the door's OpenAPI document."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page(
        request: Request,
        lang: Annotated[str | None, Query()] = None,
        district: Annotated[str | None, Query()] = None,
    ) -> Response:
        language = language_of(request, lang)
        named = [
            {"code": code, "name": await called(screen, code, language)}
            for code in sorted(screen.followers)
        ]
        chosen = (
            district if district in screen.followers else next((each["code"] for each in named), "")
        )
        made = pages.get_template("page.html").render(
            lang=language, words=words(language), districts=named, district=chosen
        )
        return packed(request, made.encode(), "text/html; charset=utf-8")

    @router.get("/static/screen/{name}")
    async def static(request: Request, name: str) -> Response:
        if name not in FILES:
            return not_there(f"there is no file {name!r}")
        return packed(request, (HOME / "static" / name).read_bytes(), FILES[name])

    @router.get("/screen/{district}/map")
    async def the_map(request: Request, district: str) -> Response:
        if district not in screen.followers:
            return not_there(f"there is no district {district!r}")
        return packed(
            request, (await screen.map_of(screen.followers[district])).body, "application/json"
        )

    @router.get("/screen/{district}/cases/{case}")
    async def case(request: Request, district: str, case: str) -> Response:
        found = (
            screen.followers[district].view.cases.get(case)
            if district in screen.followers
            else None
        )
        if found is None:
            return not_there(
                "the screen does not remember this case; gridcall tail cases --subject shows it"
            )
        return packed(request, msgspec.json.encode(timeline(found)), "application/json")

    @router.get("/screen/{district}/live", response_class=EventSourceResponse)
    async def live(district: str) -> AsyncIterator[ServerSentEvent]:
        if district in screen.followers:
            async for body in told(screen, screen.followers[district]):
                yield ServerSentEvent(raw_data=body.decode())

    return router


async def called(screen: Screen, district: str, language: str) -> str:
    """What a district is called in a language, else in the map's own, else its code."""
    names = (await screen.map_of(screen.followers[district])).names
    return names.get(language) or names.get("zh") or district


async def told(screen: Screen, follower: Follower) -> AsyncIterator[bytes]:
    """What one page is told, until it goes, or the server, or what the view was folded from: then the page asks anew."""
    closing = asyncio.ensure_future(screen.closing.wait())
    version, since = -1, 0
    try:
        view = follower.view
        while not closing.done() and follower.view is view:
            newer = asyncio.ensure_future(follower.newer(version))
            await asyncio.wait({newer, closing}, return_when=asyncio.FIRST_COMPLETED)
            newer.cancel()
            version = follower.version
            yield msgspec.json.encode(follower.told(since))
            since = view.version
            await asyncio.wait({closing}, timeout=PAUSE_SECONDS)
    finally:
        closing.cancel()
