"""The screen after a start, beside a history that grows: when its page is up, and what it holds.

Its read model is built by a first process. A second one is started for the figures, with intake
and the screen alone, so that no stage replays beside them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx
import psutil

from benchmarks.growth.curve import Curve, Goal, Measure, Size, Values, last_value
from benchmarks.growth.history import DISTRICT, write_history
from benchmarks.servers import own_server, pss_mib
from embedded.server import PostgresServer
from tests.harness.live import Process, add_key
from tests.harness.waiting import wait_until

OPEN_SHARE = 50  # One case in so many is open.
LOOK_SECONDS = 0.2
UP, SLOWEST, MEMORY = "page is up", "slowest page of a list", "memory beside the smallest"


class Started(NamedTuple):
    """A screen that was started on a history: seconds, and MiB of PSS."""

    up_seconds: float
    page_seconds: float
    mib: float


def start_screen(url: str, cases: int) -> Started:
    """Start a screen, wait for its live page, and read through the list of all ended cases."""
    key = add_key(url, "log")
    started = time.perf_counter()
    process = Process(url, "--service", "screen")
    try:
        with httpx.Client(base_url=process.url, auth=("any", key), timeout=60) as http:
            http.get("/").raise_for_status()
            wait_until(lambda: has_live_message(http))
            up_seconds = time.perf_counter() - started
            mib = pss_mib(psutil.Process(process.running.pid))
            return Started(up_seconds, read_through(http, cases - cases // OPEN_SHARE), mib)
    finally:
        process.end()


def has_live_message(http: httpx.Client) -> bool:
    """Tell if the live stream sends a message. It ends at once until the district is followed."""
    with http.stream("GET", f"/screen/{DISTRICT}/live") as live:
        return any(line.startswith("data:") for line in live.iter_lines())


def read_through(http: httpx.Client, cases: int) -> float:
    """Read a list from its beginning to its end; return the seconds of its slowest page."""
    after, slowest, count = "", 0.0, 0
    while after is not None:
        started = time.perf_counter()
        query = {"list": "ended", "after": after}
        page = http.get(f"/screen/{DISTRICT}/cases", params=query).raise_for_status().json()
        slowest = max(slowest, time.perf_counter() - started)
        count, after = count + len(page["cases"]), page["next"]
    assert count == page["count"] == cases, "the list has every case that ended"
    return slowest


def build_model(url: str) -> None:
    """Let a first screen read the whole history."""
    process = Process(url, "--service", "screen")
    try:
        while httpx.get(f"{process.url}/readyz").status_code != 200:
            time.sleep(LOOK_SECONDS)
    finally:
        process.end()


def measure_screen(server: PostgresServer, cases: int) -> Started:
    """Return the figures of a screen beside a history of so many cases."""
    url = server.get_uri(f"screen_{cases}")
    open_ = cases // OPEN_SHARE
    asyncio.run(write_history(url, cases - open_, open_))
    build_model(url)
    return start_screen(url, cases)


@contextmanager
def open_server() -> Iterator[Measure]:
    """Run a Postgres with a database for each point."""
    smallest: list[float] = []
    with own_server() as server:

        def measure(cases: int) -> Values:
            started = measure_screen(server, cases)
            smallest.append(started.mib)
            return {
                UP: started.up_seconds,
                SLOWEST: started.page_seconds,
                MEMORY: started.mib / smallest[0],
            }

        yield measure


CURVE = Curve(
    name="screen",
    title="The screen after a start",
    x="cases",
    y="seconds; times the memory",
    amounts={
        Size.QUICK: (50, 500),
        Size.FULL: (1_000, 20_000, 100_000),
        Size.LONG: (1_000, 20_000, 100_000, 1_000_000),
    },
    open=open_server,
    goals=(
        Goal("screen: the page is up after a start, s", last_value(UP), 2.0),
        Goal("screen: the slowest page of the longest list, s", last_value(SLOWEST), 0.25),
        Goal("screen: memory beside that with the smallest history", last_value(MEMORY), 1.1),
    ),
)
