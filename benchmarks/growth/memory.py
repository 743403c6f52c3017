"""Memory of all services in one process, per open case and per settled case."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil

from benchmarks.growth.curve import Curve, Goal, Measure, Size, Values, slope
from benchmarks.growth.history import write_history
from benchmarks.servers import own_server, pss_mib
from embedded.server import PostgresServer
from tests.harness.live import Process
from tests.harness.waiting import wait_until

KIB_IN_MIB = 1024


def measure_mib(server: PostgresServer, name: str, settled: int, open_: int) -> float:
    """Return the PSS of `gridcall up` as soon as it is ready on a database with a history."""
    url = server.get_uri(name)
    asyncio.run(write_history(url, settled, open_))
    process = Process(url)
    try:
        wait_until(lambda: httpx.get(f"{process.url}/readyz").status_code == 200)
        return pss_mib(psutil.Process(process.running.pid))
    finally:
        process.end()


@contextmanager
def open_server() -> Iterator[Measure]:
    """Run a Postgres with a database for each point."""
    with own_server() as server:

        def measure(cases: int) -> Values:
            return {
                "open": measure_mib(server, f"open_{cases}", 0, cases),
                "settled": measure_mib(server, f"settled_{cases}", cases, 0),
            }

        yield measure


CURVE = Curve(
    name="memory",
    title="Memory of all services",
    x="cases",
    y="MiB of PSS",
    amounts={
        Size.QUICK: (10, 200),
        Size.FULL: (2_000, 20_000, 60_000),
        Size.LONG: (2_000, 20_000, 60_000, 500_000),
    },
    open=open_server,
    goals=(
        Goal("memory of all services, KiB an open case", slope("open", KIB_IN_MIB), 1.5),
        Goal("memory of all services, KiB a settled case", slope("settled", KIB_IN_MIB), 0.05),
    ),
)
