"""Hostile clients of every kind at once, and a good client beside them.

`python -m tests.harness.chaos.hostile --seconds 3600`. A short form runs with the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import json
import re
import secrets
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from embedded.server import start_server
from gridcall.host.migrations import prepare
from tests.harness.commands import read_output, run_on_database
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville
from tests.harness.postgres import fetch_rows

SAMPLE_SECONDS = 10.0
ANSWER_SECONDS = 30.0
LOG_BYTES_MAX = 1_000_000
GOOD_ISSUES = 500
GROWTH_MAX = 1.1  # Of memory, between a sixth of the time and its end.
WINDOW = 1 / 12  # Of the time. Bodies that are just read make one sample higher than the next.
STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")

Kind = Callable[["Hostile"], Awaitable[None]]


@dataclass
class Findings:
    """The observations of a campaign: statuses by kind, memory, and the good client's receipts."""

    statuses: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    memory_mib: list[tuple[float, float]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)
    log_bytes: int = 0
    violations: list[str] = field(default_factory=list)

    def memory_before(self, share: float) -> list[float]:
        """Return the memory in MiB up to a share of the time: the samples of a window, sorted."""
        end = self.memory_mib[-1][0]
        first, last = (share - WINDOW) * end, share * end
        return sorted(mib for seconds, mib in self.memory_mib if first <= seconds <= last)


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
        self.until = time.monotonic() + self.seconds
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._sample_memory(process.running.pid))
                group.create_task(self._be_good())
                for kind in KINDS:
                    group.create_task(self._repeat(kind))
        finally:
            status = await asyncio.to_thread(process.end)
        counting.join()
        return status

    # ── Tasks ────────────────────────────────────────────────────────────────────────────────────

    def is_over(self) -> bool:
        """Tell if the time of the campaign has passed."""
        return time.monotonic() >= self.until

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
        while not self.is_over():
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

    async def _sample_memory(self, pid: int) -> None:
        started = time.monotonic()
        while not self.is_over():
            text = Path(f"/proc/{pid}/status").read_text()
            kib = int(re.search(r"VmRSS:\s+(\d+)", text)[1])  # type: ignore[index]
            self.findings.memory_mib.append((time.monotonic() - started, kib / 1024))
            await asyncio.sleep(min(SAMPLE_SECONDS, self.seconds / 60))

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
        before, after = map(findings.memory_before, (1 / 6, 1))
        growth = statistics.median(after) / statistics.median(before)
        if self.seconds >= 600 and growth > GROWTH_MAX:
            violations.append(f"memory grew by {growth:.2f}")


def post(path: str, body: bytes, key: str = "", *headers: str, length: int | None = None) -> bytes:
    """Return the bytes of a POST whose connection is closed after the answer."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        "Connection: close",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    return "\r\n".join((*lines, "", "")).encode() + body


def status_of(answer: bytes) -> str:
    """Return the first status of an answer."""
    match = STATUS.search(answer)
    return match[1].decode() if match else "closed"


def name_of(kind: Kind) -> str:
    """Return the name of a kind of harm, as its function has it."""
    return getattr(kind, "__name__", "").replace("_", " ")


# ── The kinds of harm ─────────────────────────────────────────────────────────────────────────────


async def silent_connections(hostile: Hostile) -> None:
    """Open 200 connections that send nothing or half a head, and hold them until they are cut."""
    opened = []
    try:
        for number in range(200):
            reader, writer = await hostile.open()
            opened.append((reader, writer))
            if number % 2:
                writer.write(b"POST /issues/hotline HTTP/1.1\r\nHost: x\r\nX-")
        answers = await asyncio.gather(*(reader.read(-1) for reader, _ in opened))
        for answer in answers:
            hostile.findings.statuses[name_of(silent_connections)][status_of(answer)] += 1
    finally:
        for _, writer in opened:
            writer.close()


async def endless_headers(hostile: Hostile) -> None:
    lines = b"".join(b"X-%06d: y\r\n" % number for number in range(8_000))
    await hostile.expect(endless_headers, "431", b"GET /livez HTTP/1.1\r\nHost: x\r\n" + lines)


async def endless_address(hostile: Hostile) -> None:
    await hostile.expect(endless_address, "414 431", b"GET /" + b"a" * 200_000)


async def slow_head(hostile: Hostile) -> None:
    head = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"y" * 40
    await hostile.expect(slow_head, "408 closed", *(head[i : i + 1] for i in range(60)), pause=0.5)


async def held_bodies(hostile: Hostile) -> None:
    """Hold 17 bodies of 8 MiB half-way, all with one key."""
    half = post("/issues/sentiment", b"[" + b" " * 4_000_000, hostile.bad_key, length=8_000_000)
    bodies = (hostile.expect(held_bodies, "408 400 413 closed", half) for _ in range(17))
    await asyncio.gather(*bodies, return_exceptions=True)


async def refused_arrays(hostile: Hostile) -> None:
    items = json.dumps([{"reference": f"R-{number}", "surprise": 1} for number in range(5_000)])
    body = post("/issues/sentiment", items.encode(), hostile.bad_key)
    await hostile.expect(refused_arrays, "207", body)


async def gzip_bombs(hostile: Hostile) -> None:
    body = gzip.compress(b" " * 7_000_000)
    bomb = post("/issues/sentiment", body, hostile.bad_key, "Content-Encoding: gzip")
    await hostile.expect(gzip_bombs, "413", bomb)


async def smuggled_requests(hostile: Hostile) -> None:
    """Ask for an upgrade, and send a request as the body, in a packet of its own."""
    inner = post("/issues/hotline", b"{}", hostile.bad_key)
    outer = post(
        "/issues/sentiment", b"", hostile.bad_key, "Upgrade: h2c", length=len(inner)
    ).replace(b"Connection: close", b"Connection: close, Upgrade")
    await hostile.expect(smuggled_requests, "422", outer, inner, pause=0.1)


async def keys_in_trailers(hostile: Hostile) -> None:
    head = post("/issues/sentiment", b"", "", "Transfer-Encoding: chunked")
    head = head.replace(b"Content-Length: 0\r\n", b"")
    chunks = b"2\r\n{}\r\n0\r\n" + f"Authorization: Bearer {hostile.bad_key}\r\n\r\n".encode()
    await hostile.expect(keys_in_trailers, "401", head + chunks)


async def guessed_keys(hostile: Hostile) -> None:
    guess = post("/issues/hotline", b"{}", f"gck_{secrets.token_urlsafe(32)}")
    await hostile.expect(guessed_keys, "401", guess)


async def pipelined_requests(hostile: Hostile) -> None:
    """Send a thousand requests without waiting for an answer."""
    requests = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000
    await hostile.expect(pipelined_requests, "200", requests)


async def broken_chunks(hostile: Hostile) -> None:
    head = post("/issues/sentiment", b"", hostile.bad_key, "Transfer-Encoding: chunked")
    head = head.replace(b"Content-Length: 0\r\n", b"")
    await hostile.expect(broken_chunks, "400", head + b"z\r\n")


async def heads_of_streams(hostile: Hostile) -> None:
    """Ask for the head of a live stream, which has no end."""
    request = live_request(hostile, "HEAD", "Connection: close")
    await hostile.expect(heads_of_streams, "200", request)


async def unread_pages(hostile: Hostile) -> None:
    """Ask for pages of the log and read nothing of them."""
    request = (
        "GET /log/exampleville?limit=1000 HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {hostile.bad_key}\r\n\r\n"
    )
    await leave_unread(hostile, unread_pages, request.encode(), 30)


async def slow_readers(hostile: Hostile) -> None:
    """Ask for the live stream and read nothing of it."""
    await leave_unread(hostile, slow_readers, live_request(hostile, "GET"), 5)


def live_request(hostile: Hostile, method: str, *headers: str) -> bytes:
    """Return a request for the live stream, with a key as a browser sends it."""
    password = base64.b64encode(f"x:{hostile.bad_key}".encode()).decode()
    lines = [f"{method} /screen/exampleville/live HTTP/1.1", "Host: x", *headers]
    return "\r\n".join((*lines, f"Authorization: Basic {password}", "", "")).encode()


async def leave_unread(hostile: Hostile, kind: Kind, request: bytes, count: int) -> None:
    """Send a request on some connections, and leave every answer in its socket."""
    opened = [await hostile.open() for _ in range(count)]
    try:
        for _, writer in opened:
            cast(asyncio.Transport, writer.transport).pause_reading()
            writer.write(request)
        await asyncio.sleep(20)
    finally:
        for _, writer in opened:
            writer.close()
        hostile.findings.statuses[name_of(kind)]["left"] += len(opened)


async def actions_for_nothing(hostile: Hostile) -> None:
    """Post a thousand actions on an issue that never comes."""
    stem = secrets.token_hex(4)
    actions = [
        {"reference": f"{stem}-{n}", "type": "visit_made", "by": "w:1", "issue": {"id": "f" * 32}}
        for n in range(1_000)
    ]
    body = post("/actions", json.dumps(actions).encode(), hostile.bad_key)
    await hostile.expect(actions_for_nothing, "200 202 207", body)
    await asyncio.sleep(hostile.seconds / 30)


async def unseen_characters(hostile: Hostile) -> None:
    item = json.dumps({"reference": "A\u202eB\u200b", "category": "c"})
    body = post("/issues/sentiment", item.encode(), hostile.bad_key)
    await hostile.expect(unseen_characters, "422", body)


async def broken_bytes(hostile: Hostile) -> None:
    await hostile.expect(broken_bytes, "400 431 closed", secrets.token_bytes(200) + b"\r\n\r\n")


async def long_polls(hostile: Hostile) -> None:
    """Wait for rows that do not come, on a hundred connections of one key."""
    request = (
        "GET /log/exampleville?after=999999999&wait=20 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {hostile.bad_key}\r\n\r\n"
    ).encode()
    polls = (hostile.expect(long_polls, "200", request) for _ in range(100))
    await asyncio.gather(*polls, return_exceptions=True)


KINDS: tuple[Callable[[Hostile], Coroutine[Any, Any, None]], ...] = (
    silent_connections, endless_headers, endless_address, slow_head, held_bodies, refused_arrays,
    gzip_bombs, smuggled_requests, keys_in_trailers, guessed_keys, pipelined_requests,
    broken_chunks, heads_of_streams, unread_pages, slow_readers, actions_for_nothing,
    unseen_characters, broken_bytes, long_polls,
)  # fmt: skip


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
    windows = [findings.memory_before(number * WINDOW) for number in range(1, 13)]
    lines = [f"{name:22} {dict(counts)}" for name, counts in sorted(findings.statuses.items())]
    return "\n".join((
        *lines,
        f"good client: {len(latencies):,} answers, p50 {statistics.median(latencies) * 1e3:.0f} ms,"
        f" p99 {p99 * 1e3:.0f} ms, at most {latencies[-1] * 1e3:.0f} ms",
        "MiB in each twelfth of the time, least, median and most:",
        *(f"  {each[0]:.0f} {statistics.median(each):.0f} {each[-1]:.0f}" for each in windows),
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
