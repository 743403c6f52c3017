"""The page while its database is away: readable in a browser, which asks again by itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from events.errors import Unavailable
from screen.rendering import render
from screen.words import choose_language, words

RETRY_SECONDS = 5
# In the page itself, because a style sheet is behind the same key, which the database has.
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:20vh auto;padding:0 1em;"
    "background:Canvas;color:CanvasText;color-scheme:light dark}"
)
STYLE_DIGEST = b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_DIGEST}'",
    "Retry-After": str(RETRY_SECONDS),
}


class PageRoute(APIRoute):
    """A route for browsers: while the database is away it answers 503 with a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route, behind which its guards are, too."""
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                return await handle(request)
            except Unavailable:
                return unavailable_page(request)

        return handle_or_explain


def unavailable_page(request: Request) -> Response:
    """Return the page that says so, in the language of the request."""
    accepted = request.headers.get("accept-language", "")
    language = choose_language(request.query_params.get("lang"), accepted)
    html = render(
        "unavailable.html",
        lang=language,
        words=words(language),
        style=STYLE,
        seconds=RETRY_SECONDS,
    )
    return Response(html, 503, HEADERS, "text/html; charset=utf-8")
