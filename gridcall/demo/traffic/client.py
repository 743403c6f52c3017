"""Requests to gridcall's HTTP APIs, repeated until they are answered."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx

from eventlog.retry import Backoff
from events.errors import GridcallError

RETRY_SECONDS_MAX = 5.0
RETRIED_STATUSES = (408, 425, 429, 500, 502, 503, 504)


class KeyRefused(GridcallError):
    """A key is not valid for a request. Nothing can be sent until a new one is made."""


async def request(
    http: httpx.AsyncClient, method: str, path: str, key: str, body: str | None = None
) -> httpx.Response:
    """Return the answer to a request, which is repeated while gridcall is unavailable or busy.

    Raises KeyRefused if repetition is of no use.
    """
    headers = {"authorization": f"Bearer {key}"}
    if body:
        headers["content-type"] = "application/json"
    backoff = Backoff(longest_seconds=RETRY_SECONDS_MAX)
    while True:
        pause = backoff.pause_seconds()
        with suppress(httpx.TransportError):
            answer = await http.request(method, path, content=body, headers=headers)
            if answer.status_code in (401, 403):
                raise KeyRefused(
                    f"{method} {path} was answered {answer.status_code}: {answer.text}"
                )
            if answer.status_code not in RETRIED_STATUSES:
                return answer
            pause = retry_seconds(answer) or pause
        await asyncio.sleep(pause)


def retry_seconds(answer: httpx.Response) -> float:
    """Return the pause that an answer demands before the next attempt; 0 if it demands none."""
    text = answer.headers.get("retry-after", "")
    return min(float(text), RETRY_SECONDS_MAX) if text.isdecimal() else 0.0
