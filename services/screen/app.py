"""The screen as a program: it reads three logs into a read model, and shows it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from eventlog.condition import Condition, Finding, Replay
from eventlog.host import HostedService, ServiceHost
from eventlog.peers import Directory, service_key_guard
from eventlog.program import Program
from eventlog.readiness import Obstacle, reasons
from events.instants import Instant
from events.topology import DIRECTORY, WRITER
from httpedge.open_requests import OpenRequests
from httpedge.telemetry import OPEN_CALLS
from screen.core.case_file import LOGS
from screen.follower import Follower
from screen.routes import Screen, screen_routes, tracking_routes
from screen.search import CaseSearch, PeerCodes, TrackingCodes
from screen.settings import ScreenSettings
from screen.store import ListStore, ModelStore, PageStore
from screen.tracking import ScreenTracker

BASIC = HTTPBasic(realm="gridcall: any name, and GRIDCALL_SERVICE_KEY as the password")


class ScreenService(HostedService):
    """A follower for each district, and the pages. `speed` is how fast a district's time runs.

    `codes` reads tracking codes; without it a peer is asked.
    """

    def __init__(
        self, host: ServiceHost, speed: float = 1.0, codes: TrackingCodes | None = None
    ) -> None:
        super().__init__(host, "screen")
        self._models = ModelStore(host.database, host.owner)
        self._pages, lists = PageStore(host.database), ListStore(host.database)
        contents = partial(contents_of, host.directory)
        if codes is None:
            assert host.peers is not None, "a screen beside intake is given its tracking codes"
            codes = PeerCodes(host.peers)
        search = CaseSearch(lists, codes)
        self.screen = Screen(contents, lists, search, host.closing)
        self.tracker = ScreenTracker(self.screen.followers, lists)
        self._logs = {name: host.source(name) for name in LOGS}
        self._speed = speed

    def include_routes(self, app: FastAPI, key: str) -> None:
        """Add the pages, whose password is the services' key, and what intake asks."""

        async def check(sent: Annotated[HTTPBasicCredentials, Depends(BASIC)]) -> None:
            if not secrets.compare_digest(sent.password.encode(), key.encode()):
                raise HTTPException(
                    401, "The password is GRIDCALL_SERVICE_KEY", {"WWW-Authenticate": "Basic"}
                )

        open_requests = OpenRequests("live streams")
        app.include_router(screen_routes(self.screen, open_requests), dependencies=[Depends(check)])
        app.include_router(tracking_routes(self.tracker), dependencies=[service_key_guard(key)])

    def begin(self, shard: str) -> None:
        follower = Follower(
            shard,
            self._logs,
            self.host.notifier,
            self._speed,
            self._models,
            self._pages,
            self.host.outages("screen"),
            self.host.tracing,
        )
        self.screen.followers[shard] = follower
        self.host.start(follower.run())

    def awaits_time(self, shard: str, now: Instant) -> bool:
        follower = self.screen.followers.get(shard)
        return follower is not None and follower.is_watched

    async def obstacles(self, *, named: bool = False) -> list[str]:
        followers = self.screen.followers
        unread = [
            Obstacle(f"{self.name}/{district}", "not read")
            for district, follower in followers.items()
            if not follower.is_following()
        ]
        return reasons(self.name, len(followers), unread, self.replays(), named=named)

    def replays(self) -> list[Replay]:
        followers = self.screen.followers.values()
        return [follower.replay for follower in followers if follower.replay]

    async def measure(self) -> None:
        for (district, level), number in (await self._pages.open_calls()).items():
            OPEN_CALLS.labels(district, level).set(number)

    async def condition(self, *, with_parked: bool = True) -> Condition:
        findings = [
            Finding(
                check=self.name,
                sentence=f"the logs of {district} are not read: its page is not current",
                command="gridcall doctor shows the services that write them",
                heals=f"screen of {district}",
            )
            for district, follower in self.screen.followers.items()
            if not follower.is_following()
        ]
        return Condition(service=self.name, findings=findings, replays=self.replays())


async def contents_of(directory: Directory, digest: str) -> Mapping[str, bytes]:
    """Return the content of a digest, if there is one."""
    return await directory.contents([digest])


def make_service(host: ServiceHost, _: object = None) -> ScreenService:
    """Return the screen on a host."""
    return ScreenService(host)


PROGRAM = Program(
    name="screen",
    settings=ScreenSettings,
    make=make_service,
    writers=WRITER,
    directory=DIRECTORY,
    migrations=Path(__file__).parent / "migrations",
)
