"""Hostile clients of every kind beside a good one: what becomes of gridcall and of the good one.

python benchmarks/hostile.py [SECONDS]

`gridcall up` runs as its users start it, with 1,024 files. The attackers come from this process,
without a key or with one of another source. The memory of gridcall after a sixth of the time must
be almost that at the end. The good client must be answered, and nothing that it sent may be lost.
"""

from __future__ import annotations

import asyncio
import base64
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
from table import own_server

from gridcall.host.migrations import prepare
from tests.harness.commands import database_environment, read_output
from tests.harness.live import UP, adopt_exampleville
from tests.harness.paths import ROOT
from tests.harness.postgres import fetch_rows

SECONDS = 3600.0
FILES = 1024
GROWTH_MAX, LOG_BYTES_MAX = 1.1, 1_000_000
UPGRADE = ("Connection: Upgrade", "Upgrade: h2c")
HOLD_SECONDS = 20.0  # That an attacker waits with its connections.


class Target(NamedTuple):
    """A running gridcall, with a key for the good client and one for attackers."""

    host: str
    port: int
    good: str
    bad: str

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        return await asyncio.open_connection(self.host, self.port)


def request(path: str, body: bytes = b"", key: str = "", *headers: str, method: str = "") -> bytes:
    """Return a request; without `method` it is a POST if it has a body."""
    lines = [f"{method or ('POST' if body else 'GET')} {path} HTTP/1.1", "Host: x", *headers]
    lines += [f"Authorization: Bearer {key}"] if key else []
    lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"] if body else []
    return "\r\n".join((*lines, "", "")).encode() + body


# ── Attackers ────────────────────────────────────────────────────────────────────────────────────

Statuses = Counter[str]
Attack = Callable[[Target, Statuses], Awaitable[None]]


def hold(count: int, *pieces: bytes, reads: bool = True) -> Attack:
    """Return an attack with many connections at once, which send, and then only wait.

    Attackers that do not read leave their answers in the socket.
    """

    async def attack(target: Target, statuses: Statuses) -> None:
        opened = [await target.connect() for _ in range(count)]
        for piece in pieces:
            for _, writer in opened:
                writer.write(piece)
            await asyncio.sleep(0.1)
        if reads:
            await asyncio.gather(*(note_status(reader, statuses) for reader, _ in opened))
        else:
            for _, writer in opened:
                writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(HOLD_SECONDS)
        for _, writer in opened:
            writer.close()

    return attack


async def note_status(reader: asyncio.StreamReader, statuses: Statuses) -> None:
    """Count the status of an answer, or its absence."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(HOLD_SECONDS):
            line = await reader.readline()
            statuses[line[9:12].decode("latin-1") or "closed"] += 1
            return
    statuses["none"] += 1


def flood(start: bytes, piece: bytes, count: int = 64) -> Attack:
    """Return an attack that sends the same again and again, as long as it is taken."""

    async def attack(target: Target, statuses: Statuses) -> None:
        reader, writer = await target.connect()
        writer.write(start)
        with suppress(OSError):
            for _ in range(count):
                writer.write(piece)
                await writer.drain()
        await note_status(reader, statuses)
        writer.close()

    return attack


def attacks(target: Target) -> dict[str, Attack]:
    """Return every kind of attack."""
    bad = target.bad
    head = b"POST /issues/sentiment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with_key = head + f"Authorization: Bearer {bad}\r\n".encode()
    basic = base64.b64encode(f"x:{bad}".encode()).decode()
    refused = json.dumps([{"reference": f"r-{n}"} for n in range(2000)]).encode()
    blanks = b" " * 7_000_000
    page = request("/log/exampleville?limit=1000", b"", bad)
    live = request("/screen/exampleville/live", b"", "", f"Authorization: Basic {basic}")
    return {
        "silent": hold(300),
        "half heads": hold(300, b"GET /livez HTTP/1.1\r\nX-"),
        "bytes now and then": hold(50, head, *[b"X: y\r\n"] * 30),
        "a header without end": flood(b"GET / HTTP/1.1\r\nX: ", b"a" * 2**20),
        "headers without end": flood(b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 100_000),
        "an address without end": flood(b"GET /", b"a" * 2**20),
        "no HTTP": flood(b"\x16\x03\x01\x02\x00", b"\0" * 100, 2),
        "pipelined": flood(b"", request("/livez") * 1000),
        "bodies without a key": hold(50, head + b"Content-Length: 8000000\r\n\r\n["),
        "bodies with a key": hold(17, with_key + b"Content-Length: 8000000\r\n\r\n[" + blanks),
        "guessed keys": flood(b"", request("/issues/hotline/x", b"", "gck_guess")),
        "refused arrays": flood(b"", request("/issues/sentiment", refused, bad), 3),
        "pages that nobody reads": hold(30, page, reads=False),
        "streams that nobody reads": hold(30, live, reads=False),
        "head of streams": hold(30, live.replace(b"GET", b"HEAD", 1)),
        "upgrades": hold(30, request("/issues/sentiment", b"{}", bad, *UPGRADE)),
        "broken chunks": hold(30, with_key + b"Transfer-Encoding: chunked\r\n\r\nz\r\n"),
    }  # fmt: skip


async def repeat(
    attack: Attack, target: Target, statuses: Statuses, until: float, pause: float
) -> None:
    """Attack again and again."""
    while time.monotonic() < until:
        with suppress(OSError, TimeoutError):
            await attack(target, statuses)
        await asyncio.sleep(pause)


# ── The good client ──────────────────────────────────────────────────────────────────────────────


async def post_issues(
    target: Target, until: float, statuses: Statuses, latencies: list[float]
) -> None:
    """Post an issue ten times a second, each on a connection of its own."""
    number = 0
    while time.monotonic() < until:
        number += 1
        begun = time.perf_counter()
        body = json.dumps({"reference": f"good-{number}", "category": "Noise"}).encode()
        try:
            async with asyncio.timeout(30):
                reader, writer = await target.connect()
                writer.write(request("/issues/hotline", body, target.good, "Connection: close"))
                answer = await reader.read()
                writer.close()
            statuses[answer[9:12].decode()] += 1
        except (OSError, TimeoutError) as fault:
            statuses[type(fault).__name__] += 1
        latencies.append(time.perf_counter() - begun)
        await asyncio.sleep(0.1)


async def watch_memory(process: psutil.Process, until: float, samples: list[int]) -> None:
    """Sample the memory of gridcall every second."""
    while time.monotonic() < until:
        samples.append(process.memory_info().rss)
        await asyncio.sleep(1)


# ── The measurement ──────────────────────────────────────────────────────────────────────────────


def start(database: str, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start gridcall with few files, and return its address. Its log is a file."""
    words = [sys.executable, "-m", "gridcall", "up", "--port", "0"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))  # noqa: E731
    running = subprocess.Popen(
        words, env=database_environment(database), cwd=ROOT, stderr=log.open("wb"),
        preexec_fn=limit,
    )  # fmt: skip
    while not (match := UP.search(log.read_text())):
        assert running.poll() is None, log.read_text()
        time.sleep(0.2)
    return running, match[1]


async def attack_all(target: Target, pid: int, seconds: float) -> None:
    """Attack, and print what the good client and gridcall made of it."""
    until = time.monotonic() + seconds
    good, latencies, memory = Statuses(), list[float](), list[int]()
    kinds = {name: (attack, Statuses()) for name, attack in attacks(target).items()}
    async with asyncio.TaskGroup() as group:
        group.create_task(post_issues(target, until, good, latencies))
        group.create_task(watch_memory(psutil.Process(pid), until, memory))
        for number, (attack, statuses) in enumerate(kinds.values()):
            group.create_task(repeat(attack, target, statuses, until, 1 + number / 10))
    for name, (_, statuses) in kinds.items():
        print(f"{name:28}{dict(statuses)}")
    late = sorted(latencies)
    middle, most = (late[len(late) * percent // 100] * 1000 for percent in (50, 99))
    print(f"the good client: {dict(good)}; p50 {middle:.0f} ms, p99 {most:.0f} ms")
    early, end = (max(memory[at - 5 : at]) / 2**20 for at in (len(memory) // 6, len(memory)))
    print(f"memory: {early:.0f} MiB after a sixth of the time, {end:.0f} MiB at the end")
    print(f"… {end / early:.2f} times; the goal is {GROWTH_MAX}")


def main() -> None:
    """Attack for so many seconds."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # For the attackers.
    with own_server() as server, tempfile.TemporaryDirectory() as folder:
        database, log = server.get_uri("hostile"), Path(folder) / "log"
        asyncio.run(prepare(database, forget=True))
        good = adopt_exampleville(database)
        key = ("key", "add", "--district", "exampleville", "--source", "bad", "--line")
        bad = read_output(database, *key, "sentiment", "--line", "log").strip()
        running, url = start(database, log)
        address = urlsplit(url)
        target = Target(str(address.hostname), int(address.port or 80), good, bad)
        asyncio.run(attack_all(target, running.pid, seconds))
        running.terminate()
        print(f"gridcall ended with {running.wait(30)}; log: {log.stat().st_size:,} bytes", end="")
        print(f"; the goal is {LOG_BYTES_MAX:,}")
        ((count,),) = fetch_rows(database, "SELECT count(*) FROM intake.identity")
        print(f"{count:,} identities are stored;", read_output(database, "verify").splitlines()[-1])


if __name__ == "__main__":
    main()
