"""Chaos on one database: processes and the database are killed, paused and restarted.

`python -m tests.harness.chaos.one_database --seconds 300`. A short form runs with the tests.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg

from embedded.server import PostgresServer, start_server
from tests.harness.chaos.campaign import OFTEN, Campaign, Findings, arguments, finish
from tests.harness.live import Process
from tests.harness.postgres import crash_database

FLEET = ("intake",) * 3 + ("routing",) * 2 + ("escalation",) * 2 + ("assessment",) * 2
BEHIND = """
SELECT (SELECT sum(pos) FROM intake.shard) > (SELECT sum(input) FROM routing.shard)
  OR (SELECT sum(pos) FROM routing.shard) > (SELECT sum(input) FROM escalation.shard)
  OR (SELECT sum(pos) FROM routing.shard) + (SELECT sum(pos) FROM escalation.shard)
    > (SELECT sum(input) FROM assessment.shard)
"""


class OnOneDatabase(Campaign):
    """Processes of each service on one database that crashes now and then."""

    def __init__(self, server: PostgresServer, seconds: float, seed: int, restarts: int) -> None:
        super().__init__(server.get_uri("chaos"), seconds, seed)
        self.server = server
        self.restarts = restarts
        self.fleet: list[Process] = []

    @asynccontextmanager
    async def run_processes(self) -> AsyncIterator[None]:
        self.fleet = [await self._start(service) for service in FLEET]
        try:
            yield
        finally:
            for process in self.fleet:
                await asyncio.to_thread(process.end, signal.SIGKILL)

    def intakes(self) -> list[str]:
        return [
            process.url
            for process, service in zip(self.fleet, FLEET, strict=True)
            if service == "intake"
        ]

    async def do_harm(self) -> None:
        """Kill or pause a process every three seconds, and now and then crash the database."""
        restarts = [
            self.seconds * (number + 1) / (self.restarts + 1) for number in range(self.restarts)
        ]
        started_at = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while time.monotonic() - started_at < self.seconds - 3:
                await asyncio.sleep(3)
                if restarts and time.monotonic() - started_at > restarts[0]:
                    restarts.pop(0)
                    await asyncio.to_thread(self._restart_database)
                elif self.chance.random() < 0.3:
                    group.create_task(self._pause(self.chance.randrange(len(FLEET))))
                else:
                    group.create_task(self._kill(self.chance.randrange(len(FLEET))))

    async def _kill(self, number: int) -> None:
        self.findings.faults[f"kill -9 {FLEET[number]}"] += 1
        process = self.fleet[number]
        await asyncio.to_thread(process.end, signal.SIGKILL)
        self.fleet[number] = await self._start(FLEET[number])

    async def _start(self, service: str) -> Process:
        return await asyncio.to_thread(
            Process, self.database, "--service", service, variables=OFTEN
        )

    async def _pause(self, number: int) -> None:
        """Pause a process for longer than a lease, so that another owns its shard when it wakes."""
        self.findings.faults[f"SIGSTOP {FLEET[number]}"] += 1
        pid = self.fleet[number].running.pid
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(5)
            os.kill(pid, signal.SIGCONT)

    def _restart_database(self) -> None:
        self.findings.faults["database crashed and restarted"] += 1
        with crash_database(self.server):
            pass

    async def catch_up(self) -> None:
        """Wait until every log was read to its end."""
        started_at = time.monotonic()
        connection = await asyncpg.connect(self.database)
        notified = asyncio.Event()
        await connection.add_listener("gridcall", lambda *_: notified.set())
        while await connection.fetchval(BEHIND) and time.monotonic() - started_at < 120:
            notified.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(notified.wait(), 1)
        await connection.close()


def campaign(folder: Path, seconds: float, seed: int, restarts: int) -> Findings:
    """Run a campaign on a database server of its own."""
    return asyncio.run(OnOneDatabase(start_server(folder), seconds, seed, restarts).run())


def main() -> None:
    """Run a campaign and print its findings."""
    parser = arguments(__doc__, 300)
    parser.add_argument("--restarts", type=int, default=3)
    chosen = parser.parse_args()
    finish(chosen, lambda folder: campaign(folder, chosen.seconds, chosen.seed, chosen.restarts))


if __name__ == "__main__":
    main()
