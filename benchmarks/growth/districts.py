"""The cost of an issue through all services, and of a second without one, over more districts.

`gridcall up` runs as its users start it. The same 64 senders post one issue at a time, each time to
another district. Their cost ends once routing and escalation have read all.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from types import MappingProxyType

import psutil

from benchmarks.growth.curve import Curve, Goal, Measure, Points, Size, Values, last_value
from benchmarks.load import CONNECTIONS, Requests, as_fast_as_it_goes
from benchmarks.servers import busy_seconds, cpu_seconds, fetch_row, own_server
from embedded.server import PostgresServer
from gridcall.host.migrations import prepare
from tests.harness.commands import read_output
from tests.harness.exampleville import CITY, PROFILE
from tests.harness.live import Process, add_key

ISSUES = 6_000  # In a round.
FEW = 16  # Senders whose keys are not known yet. More at once would look like guesses.
SETTLE_SECONDS, IDLE_SECONDS = 2.0, 10.0
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
PYTHON, POSTGRES = "Python", "Postgres"
UNREAD = """
SELECT (SELECT sum(pos) FROM intake.shard) > (SELECT sum(input) FROM routing.shard)
  OR (SELECT sum(pos) FROM routing.shard) > (SELECT sum(input) FROM escalation.shard)
"""


class Cluster:
    """A `gridcall up` with districts, and the key of each. `variables` are of its environment."""

    def __init__(
        self, server: PostgresServer, count: int, variables: Mapping[str, str] = NO_VARIABLES
    ) -> None:
        self.url = server.get_uri(f"districts_{count}_{time.time_ns()}")
        asyncio.run(prepare(self.url))
        keys = [add_district(self.url, f"district-{number}") for number in range(count)]
        self.process = Process(self.url, variables=variables)
        self._requests = [Requests(self.process.url, key) for key in keys]
        self._python = psutil.Process(self.process.running.pid)
        self._server = server

    def wait(self) -> None:
        """Wait until routing and escalation have read all."""
        while asyncio.run(fetch_row(self.url, UNREAD))[0] is not False:
            time.sleep(0.05)

    def cost(self, work: Callable[[], None]) -> Values:
        """Return the processor seconds that work takes."""
        python, postgres = busy_seconds(self._python), cpu_seconds(self._server)
        work()
        return {
            PYTHON: busy_seconds(self._python) - python,
            POSTGRES: cpu_seconds(self._server) - postgres,
        }

    def post_round(self, senders: int = CONNECTIONS) -> None:
        """Let all senders post their issues, each after the answer to the one before."""
        each = ISSUES // len(self._requests)
        rounds = zip(*(requests.single(each) for requests in self._requests), strict=True)
        as_fast_as_it_goes(self._requests[0], list(chain.from_iterable(rounds)), senders)
        self.wait()


def add_district(url: str, district: str) -> str:
    """Add a district that is the made-up city by another name, and return a key for it."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as profile:
        profile.write(PROFILE.read_text().replace("exampleville", district))
        profile.flush()
        read_output(url, "district", "add", district, "--map", CITY, "--profile", profile.name)
    return add_key(url, "hotline", district=district)


@contextmanager
def open_cluster(
    server: PostgresServer, count: int, variables: Mapping[str, str] = NO_VARIABLES
) -> Iterator[Cluster]:
    """Run a `gridcall up` with so many districts, which have all begun."""
    cluster = Cluster(server, count, variables)
    try:
        cluster.wait()
        time.sleep(SETTLE_SECONDS)
        yield cluster
    finally:
        cluster.process.end()


def measure_issues(server: PostgresServer, count: int) -> Values:
    """Return the µs of Python and of Postgres for an issue over so many districts."""
    with open_cluster(server, count) as cluster:
        cluster.post_round(FEW)  # Plans are made, and intake learns all keys.
        spent = cluster.cost(cluster.post_round)
    return {name: seconds / ISSUES * 1e6 for name, seconds in spent.items()}


def measure_idle(server: PostgresServer, count: int) -> Values:
    """Return the percentage of a core that so many districts need while nothing comes."""
    with open_cluster(server, count) as cluster:
        spent = cluster.cost(lambda: time.sleep(IDLE_SECONDS))
    shares = {name: seconds / IDLE_SECONDS * 100 for name, seconds in spent.items()}
    return {**shares, "both": sum(shares.values())}


def opener(measure: Callable[[PostgresServer, int], Values]) -> Callable[[], Iterator[Measure]]:
    """Return a function that opens a Postgres with a database for each point."""

    def open_server() -> Iterator[Measure]:
        with own_server() as server:
            yield lambda districts: measure(server, districts)

    return open_server


def ratio_to_one_district(points: Points) -> float:
    """Return the cost over the most districts beside that of the fewest."""
    first, last = (sum(points[amount].values()) for amount in (min(points), max(points)))
    return last / first


AMOUNTS = {Size.QUICK: (1, 2), Size.FULL: (1, 10, 100), Size.LONG: (1, 10, 100)}
ISSUE_CURVE = Curve(
    name="districts",
    title="An issue through all services",
    x="districts",
    y="µs an issue",
    amounts=AMOUNTS,
    open=contextmanager(opener(measure_issues)),
    goals=(Goal("an issue over many districts beside one", ratio_to_one_district, 1.5),),
)
IDLE_CURVE = Curve(
    name="idle",
    title="All services while nothing comes",
    x="districts",
    y="percent of a core",
    amounts=AMOUNTS,
    open=contextmanager(opener(measure_idle)),
    goals=(Goal("percent of a core for idle districts", last_value("both"), 3.0, 1),),
)
