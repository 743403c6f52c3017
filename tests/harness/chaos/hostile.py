"""Hostile clients of every kind at once, and a good client beside them.

`python -m tests.harness.chaos.hostile --seconds 3600`. A short form runs with the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from embedded.server import start_server
from gridcall.host.migrations import prepare
from tests.harness.chaos.harm import KINDS, STATUS, Kind, name_of, post, status_of
from tests.harness.commands import read_output, run_on_database
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville
from tests.harness.postgres import fetch_rows

ROUND_SECONDS = 300.0  # At the end of each, the hostile clients rest, and memory is measured.
REST_SECONDS = 15.0
ANSWER_SECONDS = 30.0
LOG_BYTES_MAX = 1_000_000
GOOD_ISSUES = 500
GROWTH_MAX = 1.1  # Of memory at rest, from the end of the second round to that of the last.


class Memory(NamedTuple):
    """MiB of a process in a round: its most, and when no hostile client is there any more."""

    peak: float
    at_rest: float


@dataclass
class Findings:
    """The observations of a campaign: statuses by kind, memory, and the good client's receipts."""

    statuses: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    memory: list[Memory] = field(default_factory=list)  # One of each round.
    latencies: list[float] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)
    log_bytes: int = 0
    violations: list[str] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """By how much the memory at rest grew from the end of the second round to the last."""
        return self.memory[-1].at_rest / self.memory[:2][-1].at_rest


class Hostile:
    """A campaign against one running gridcall."""

    def __init__(self, database: str, seconds: float) -> None:
        self.database = database
        self.seconds = seconds
        self.findings = Findings()
        self.good_key = adopt_exampleville(database)
        options = ("--district", "exampleville", "--source", "hostile", "--line", "sentiment")
        self.bad_key = read_output(database, "key", "add", *options, "--line", "log").strip()
        self.port = 0
        self.until = 0.0

    async def run(self) -> int:
        """Run the campaign, and return the exit status of gridcall."""
        process = await asyncio.to_thread(Process, self.database)
        counting = threading.Thread(target=self._count_log, args=[process], daemon=True)
        counting.start()
        self.port = int(process.url.rpartition(":")[2])
        try:
            async with asyncio.TaskGroup() as group:
                being_good = group.create_task(self._be_good())
                for _ in range(max(1, round(self.seconds / ROUND_SECONDS))):
                    await self._do_harm(process.running.pid, min(ROUND_SECONDS, self.seconds))
                being_good.cancel()
        finally:
            status = await asyncio.to_thread(process.end)
        counting.join()
        return status

    # ── Tasks ────────────────────────────────────────────────────────────────────────────────────

    def is_over(self) -> bool:
        """Tell if the harm of a round has lasted its time."""
        return time.monotonic() >= self.until

    async def _do_harm(self, pid: int, seconds: float) -> None:
        """Let all kinds of harm be done for a round, then rest, and measure the memory of both."""
        rest = min(REST_SECONDS, seconds / 10)
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # Begins the peak again.
        self.until = time.monotonic() + seconds - rest
        async with asyncio.TaskGroup() as group:
            for kind in KINDS:
                group.create_task(self._repeat(kind))
        await asyncio.sleep(rest)
        memory = Memory(read_mib(pid, "VmHWM"), read_mib(pid, "VmRSS"))
        self.findings.memory.append(memory)
        print(f"{memory.peak:.0f} MiB at most, {memory.at_rest:.0f} at rest", file=sys.stderr)

    async def _repeat(self, kind: Kind) -> None:
        """Do one kind of harm again and again. A connection that is cut is what it deserves."""
        while not self.is_over():
            try:
                async with asyncio.timeout(self.until - time.monotonic() + 1):
                    await kind(self)
            except (OSError, asyncio.IncompleteReadError):
                self.findings.statuses[name_of(kind)]["cut"] += 1
            except TimeoutError:
                pass
            await asyncio.sleep(0.2)

    async def _be_good(self) -> None:
        """Post issues one after another, and wait for the answer to each.

        After some it repeats them. Open cases are in memory, which is to tell of strangers alone.
        """
        number = 0
        while True:
            number += 1
            body = json.dumps(issue(f"GOOD-{number % GOOD_ISSUES}")).encode()
            started = time.monotonic()
            try:
                answer = await self.ask(post("/issues/hotline", body, self.good_key))
            except (OSError, TimeoutError) as fault:
                self.findings.violations.append(f"the good client got {type(fault).__name__}")
                continue
            self.findings.latencies.append(time.monotonic() - started)
            status = status_of(answer)
            self.findings.statuses["the good client"][status] += 1
            if status == "202":
                self.findings.receipts.append(json.loads(answer.partition(b"\r\n\r\n")[2])["id"])
            await asyncio.sleep(0.1)

    def _count_log(self, process: Process) -> None:
        assert process.running.stderr is not None
        for line in process.running.stderr:
            self.findings.log_bytes += len(line.encode())

    # ── Requests ─────────────────────────────────────────────────────────────────────────────────

    async def ask(self, *pieces: bytes, pause: float = 0.0) -> bytes:
        """Send pieces on a connection of their own, and return all that comes until its end."""
        reader, writer = await self.open()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(pause)
                return await reader.read(-1)
        finally:
            writer.close()

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a new connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def expect(self, kind: Kind, allowed: str, *pieces: bytes, pause: float = 0.0) -> None:
        """Send pieces; every answer must have one of the statuses, or 429 or 503 under pressure."""
        answer = await self.ask(*pieces, pause=pause)
        statuses = [status.decode() for status in STATUS.findall(answer)] or ["closed"]
        for status in statuses:
            self.findings.statuses[name_of(kind)][status] += 1
            if status not in {*allowed.split(), "429", "503"}:
                self.findings.violations.append(f"{name_of(kind)}: {status} is not {allowed}")

    # ── Checks ───────────────────────────────────────────────────────────────────────────────────

    def check(self, status: int) -> None:
        """Add what is wrong after the run to the findings."""
        findings, violations = self.findings, self.findings.violations
        if status != 0:
            violations.append(f"gridcall ended with status {status}")
        for name, statuses in findings.statuses.items():
            violations += [
                f"{name}: {each}" for each in statuses if each[0] == "5" and each != "503"
            ]
        known = {
            row["id"].hex for row in fetch_rows(self.database, "SELECT id FROM intake.identity")
        }
        lost = [receipt for receipt in findings.receipts if receipt not in known]
        if lost:
            violations.append(f"{len(lost)} accepted inputs are lost: {lost[:3]}")
        verified = run_on_database(self.database, "verify")
        if verified.returncode not in (0, 4):  # 4: equal so far; nobody runs the stages any more.
            violations.append(f"verify: {verified.stdout}{verified.stderr}")
        if findings.log_bytes > LOG_BYTES_MAX:
            violations.append(f"{findings.log_bytes:,} bytes of log")
        if self.seconds >= 600 and findings.growth > GROWTH_MAX:
            violations.append(f"memory at rest grew by {findings.growth:.2f}")


def read_mib(pid: int, name: str) -> float:
    """Return a figure of a process's memory, by its name in /proc."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def campaign(folder: Path, seconds: float) -> Findings:
    """Run a campaign against a gridcall on a database server of its own."""
    database = start_server(folder).get_uri("hostile")
    asyncio.run(prepare(database, forget=True))
    hostile = Hostile(database, seconds)
    hostile.check(asyncio.run(hostile.run()))
    return hostile.findings


def describe(findings: Findings) -> str:
    """Return the findings as lines for people."""
    latencies = sorted(findings.latencies)
    p99 = latencies[int(len(latencies) * 0.99)]
    lines = [f"{name:22} {dict(counts)}" for name, counts in sorted(findings.statuses.items())]
    return "\n".join((
        *lines,
        f"good client: {len(latencies):,} answers, p50 {statistics.median(latencies) * 1e3:.0f} ms,"
        f" p99 {p99 * 1e3:.0f} ms, at most {latencies[-1] * 1e3:.0f} ms",
        "MiB in each round, at most and at rest:",
        *(f"  {each.peak:.0f} {each.at_rest:.0f}" for each in findings.memory),
        f"memory at rest, after the last round beside the second: {findings.growth:.2f}",
        f"log: {findings.log_bytes:,} bytes",
        *(f"FAIL {violation}" for violation in findings.violations),
    ))  # fmt: skip


def main() -> None:
    """Run a campaign and print its findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        findings = campaign(Path(folder), seconds)
        print(describe(findings))
        sys.exit(1 if findings.violations else 0)


if __name__ == "__main__":
    main()
