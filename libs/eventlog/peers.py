"""The other services of a system, reached over HTTP: their logs, the list of shards, and contents.

One service keeps the list of shards and the contents. The others ask it.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Protocol
from urllib.parse import quote

import httpx
import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import Response

from eventlog.condition import Condition, decode_conditions
from eventlog.http_log import HttpLog
from eventlog.kafka.topics import Cluster
from eventlog.notifier import Notifier
from eventlog.retry import Backoff
from events.errors import GridcallError, Unavailable

OCTETS = "application/octet-stream"
POLL_SECONDS = 1.0
ASK_SECONDS = 10.0
numbers_of = msgspec.json.Decoder(dict[str, int]).decode


class Directory(Protocol):
    """The shards that exist, and contents that rows name by digest."""

    async def shards(self) -> Mapping[str, int]:
        """Return each shard and its number. Raises Unavailable."""

    async def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        """Return contents by digest (hex SHA-256), without missing ones. Raises Unavailable."""


@dataclass(frozen=True, kw_only=True)
class Peers:
    """The broker, the addresses of the other services, and the key that all of them share.

    `writers` names the service that writes each log. `directory` names the one that keeps the
    list of shards.
    """

    cluster: Cluster
    key: str
    urls: Mapping[str, str]
    writers: Mapping[str, str]
    directory: str
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[None]:
        """Hold connections to the services for the length of the block."""
        headers = {"Authorization": f"Bearer {self.key}"}
        for service, url in self.urls.items():
            self.clients[service] = httpx.AsyncClient(
                base_url=url, headers=headers, timeout=10, trust_env=False
            )
        try:
            yield
        finally:
            for client in self.clients.values():
                await client.aclose()

    def log(self, name: str) -> HttpLog:
        """Return a log as its writer has it."""
        return HttpLog(name, self.clients[self.writers[name]])

    async def ask(self, service: str, *parts: str, **query: float) -> bytes:
        """Return what a service answers about a path of these parts. Raises Unavailable."""
        path = "".join(f"/{quote(part, safe='')}" for part in parts)
        return (await self._get(path, service=service, query=query)).content

    async def shards(self) -> Mapping[str, int]:
        """Return each shard and its number, from the directory. Raises Unavailable."""
        return numbers_of((await self._get("/shards")).content)

    async def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        """Return contents by digest, without those that are missing or were altered on the way."""
        answers = {digest: await self._get(f"/contents/{digest}", 404) for digest in digests}
        return {
            digest: answer.content
            for digest, answer in answers.items()
            if answer.status_code == 200 and sha256(answer.content).hexdigest() == digest
        }

    async def _get(
        self,
        path: str,
        *allowed: int,
        service: str = "",
        query: Mapping[str, float] | None = None,
    ) -> httpx.Response:
        name = service or self.directory
        try:
            answer = await self.clients[name].get(path, params=query)
            if answer.status_code not in allowed:
                answer.raise_for_status()
        except httpx.HTTPError as fault:
            raise Unavailable(
                f"{name} at {self.urls[name]} does not answer {path}: {fault!r}",
                about=name,
            ) from fault
        return answer


def directory_routes(directory: Directory) -> APIRouter:
    """Return the routes by which peers ask for shards and contents."""
    router = APIRouter(include_in_schema=False)

    @router.get("/shards")
    async def shards() -> Response:
        body = msgspec.json.encode(await directory.shards())
        return Response(body, media_type="application/json")

    @router.get("/contents/{digest}")
    async def content(digest: Annotated[str, "hex SHA-256"]) -> Response:
        body = (await directory.contents([digest])).get(digest)
        return Response(status_code=404) if body is None else Response(body, media_type=OCTETS)

    return router


def service_key_guard(key: str) -> Any:
    """Return a dependency that answers only requests with the services' key."""

    async def check(request: Request) -> None:
        if not has_service_key(request, key):
            raise HTTPException(
                401,
                "This is for gridcall's own services: send GRIDCALL_SERVICE_KEY as a bearer key.",
            )

    return Depends(check)


def has_service_key(request: Request, key: str) -> bool:
    """Return True for a request from one of the services. Without a key there is none."""
    sent = request.headers.get("authorization", "")
    return bool(key) and secrets.compare_digest(sent.encode(), f"Bearer {key}".encode())


async def notify_from_peer(log: HttpLog, shard: str, notifier: Notifier) -> None:
    """Ask a log's writer for new rows while someone waits for them, and notify. Stores nothing."""
    position, backoff = 0, Backoff()
    while True:
        await notifier.wait_for_waiter(log.name, shard)
        try:
            if await log.read(shard, position, 1, wait=POLL_SECONDS):
                position = (await log.watermark(shard)).position
                notifier.notify(log.name, shard)
            backoff.reset()
        except GridcallError:
            await backoff.sleep()


async def ask_conditions(service: str, url: str, key: str) -> list[Condition]:
    """Ask a service how it is. Raises Unavailable if it does not answer, or not with its key."""
    headers = {"Authorization": f"Bearer {key}"}
    try:
        async with httpx.AsyncClient(timeout=ASK_SECONDS, trust_env=False) as client:
            answer = await client.get(f"{url}/condition", headers=headers)
            if answer.status_code == 401:
                raise Unavailable(f"{service} at {url} refuses this GRIDCALL_SERVICE_KEY", service)
            answer.raise_for_status()
            return decode_conditions(answer.content)
    except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError) as fault:
        raise Unavailable(f"{service} at {url} does not answer: {fault!r}", service) from fault
