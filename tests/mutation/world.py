"""A district with its owners, and the outcomes that are noticed of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest

from eventlog.core.log import Log
from eventlog.runner import Runner
from events.catalogue import (
    Event,
)
from events.instants import Instant
from gridcall.pipeline import pipeline
from tests.harness.city import CONTENTS
from tests.mutation.inputs import CITY
from tools.checker.report import Violation

STAGES = ("cases", "calls", "evaluations")
ALL = 10_000
TRIES = 3


class Owner:
    """A process that owns a stage as ShardSupervisor does, but goes on only when a history says so.

    A fault that stops it is noticed. The stage is dropped, and replays its log again.
    """

    def __init__(self, world: World, log: str, process: str) -> None:
        self.world = world
        self.log = log
        self.process = process
        self.runner: Runner[Any, Any] | None = None

    async def begin(self) -> None:
        """Lease the shard if it is free, and replay its log."""
        if await self.world.try_lease(self.log, self.process):
            runner = self.world.runner(self.log, self.process)
            await runner.replay()
            self.runner = runner

    async def work(self) -> None:
        if self.runner is None:
            await self.begin()
        if self.runner:
            await self.runner.catch_up()

    async def go(self) -> None:
        await self.run(self.work())

    async def run(self, work: Awaitable[object]) -> None:
        try:
            await work
        except Exception as fault:
            self.runner = None
            self.world.notice(type(fault).__name__)

    def die(self) -> None:
        self.runner = None


class World(ABC):
    """A district with its logs and its stages, and the outcomes that were noticed."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.outcomes: set[str] = set()
        self._owners: dict[tuple[str, str], Owner] = {}

    def notice(self, what: str) -> None:
        self.outcomes.add(what)

    def owner(self, log: str, process: str = "a") -> Owner:
        return self._owners.setdefault((log, process), Owner(self, log, process))

    async def follow(self) -> None:
        """Let all stages go on, as far as nothing stops them."""
        for log in STAGES:
            await self.owner(log).go()

    def runner(self, log: str, process: str) -> Runner[Any, Any]:
        (stages,) = (each for each in pipeline(CONTENTS) if each.sink == log)
        logs = {name: self.log(name, process) for name in (*stages.sources, log)}
        return stages.processor(CITY, logs, ALL)

    async def judge(self) -> set[str]:
        """Return all outcomes: those of new owners, of verify, of the checker, and of clients."""
        for log in STAGES:
            await self._settle(log)
        try:
            if not await self.is_equal():
                self.notice("verify")
        except Exception:
            self.notice("verify")
        for violation in await self.violations():
            self.notice(f"checker: {violation.kind}")
        await self.compare_with_clients()
        return self.outcomes

    async def _settle(self, log: str) -> None:
        """Let the owner go on to the end of its source. If it is stopped, let a new owner try."""
        owner, why = self.owner(log), ""
        for _ in range(TRIES):
            if owner.runner is None:
                await self.expire(log)
                owner = Owner(self, log, "z")
            try:
                await owner.work()
            except Exception as fault:
                owner.die()
                why = type(fault).__name__
            else:
                return
        self.notice(f"stands still: {why}")

    @abstractmethod
    def log(self, name: str, process: str) -> Log: ...

    @abstractmethod
    async def come(self, at: Instant, *events: Event) -> None:
        """Accept inputs together when the clock shows `at`."""

    @abstractmethod
    async def announce(self, at: Instant) -> None:
        """Let time pass without an input."""

    @abstractmethod
    async def try_lease(self, log: str, process: str) -> bool: ...

    @abstractmethod
    async def expire(self, log: str) -> None:
        """Let the lease run out."""

    @abstractmethod
    async def is_equal(self) -> bool:
        """Return whether verify finds no difference."""

    @abstractmethod
    async def violations(self) -> Sequence[Violation]: ...

    @abstractmethod
    async def compare_with_clients(self) -> None:
        """Compare the accepted inputs with those that clients sent, and when."""
