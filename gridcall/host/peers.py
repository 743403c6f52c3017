"""Services in processes of their own: where the others are, and what they are asked beside their logs."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any

import httpx
import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import Response

from eventlog.http_log import HttpLog
from eventlog.kafka.topics import Cluster
from eventlog.postgres.pool import Database
from events.errors import Halted, Unavailable
from events.topology import WRITER
from gridcall.host.migrations import KAFKA
from intake.store import IntakeStore

PORTS = {"intake": 8311, "routing": 8312, "escalation": 8313, "assessment": 8314, "screen": 8315}
KEY = "GRIDCALL_SERVICE_KEY"
OCTETS = "application/octet-stream"
districts_of = msgspec.json.Decoder(dict[str, int]).decode


@dataclass(frozen=True)
class Peers:
    """The broker, the addresses of the services, and the key by which they know each other."""

    kafka: Cluster
    key: str
    urls: Mapping[str, str]
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    @classmethod
    def from_environment(cls) -> Peers:
        """Raises Halted where something is not said that cannot be guessed."""
        for name, what in (
            (KAFKA, "the broker's address, as 127.0.0.1:19092"),
            (KEY, "a secret that all services share"),
        ):
            if not os.environ.get(name):
                raise Halted(f"{name} is not set: it is {what}")
        urls = {
            service: os.environ.get(f"GRIDCALL_{service.upper()}_URL", f"http://127.0.0.1:{port}")
            for service, port in PORTS.items()
        }
        return cls(Cluster.named(os.environ[KAFKA]), os.environ[KEY], urls)

    @asynccontextmanager
    async def reached(self) -> AsyncIterator[None]:
        """Connections to the services, for the length of the block."""
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
        """A log as its writer has it."""
        return HttpLog(name, self.clients[WRITER[name]])

    async def districts(self) -> dict[str, int]:
        """The districts and their numbers, of intake's list."""
        return districts_of((await self._intake("/districts")).content)

    async def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        """Contents of reference data by digest; what intake does not have is left out. What was changed on the way is too."""
        found = {digest: (await self._intake(f"/contents/{digest}", 404)) for digest in digests}
        bodies = {
            digest: answer.content for digest, answer in found.items() if answer.status_code == 200
        }
        return {
            digest: body for digest, body in bodies.items() if sha256(body).hexdigest() == digest
        }

    async def _intake(self, path: str, *allowed: int) -> httpx.Response:
        try:
            answer = await self.clients["intake"].get(path)
            if answer.status_code not in allowed:
                answer.raise_for_status()
        except httpx.HTTPError as fault:
            raise Unavailable(f"intake cannot be asked for {path}: {fault}") from fault
        return answer


def service_key(key: str) -> Any:
    """A dependency: only who has the services' key is answered."""

    async def check(request: Request) -> None:
        if not has_key(request, key):
            raise HTTPException(
                401,
                "This is for gridcall's own services: send GRIDCALL_SERVICE_KEY as a bearer key.",
            )

    return Depends(check)


def has_key(request: Request, key: str) -> bool:
    """Whether a request comes from one of gridcall's own services."""
    return secrets.compare_digest(
        request.headers.get("authorization", "").encode(), f"Bearer {key}".encode()
    )


def intake_routes(database: Database) -> APIRouter:
    """What intake tells the other services beside its log."""
    router = APIRouter(include_in_schema=False)

    @router.get("/districts")
    async def districts() -> Response:
        found = await IntakeStore(database).districts()
        return Response(msgspec.json.encode(found), media_type="application/json")

    @router.get("/contents/{digest}")
    async def content(digest: Annotated[str, "hex SHA-256"]) -> Response:
        body = (await IntakeStore(database).contents([digest])).get(digest)
        return Response(status_code=404) if body is None else Response(body, media_type=OCTETS)

    return router
