"""The cost of accepting an issue, as the same senders spread over more districts.

64 senders post one issue at a time, each time to another district. Only intake's acceptor runs.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.growth.curve import Curve, Goal, Measure, Points, Size, Values
from benchmarks.growth.identities import DATA, SENDER, TYPE
from benchmarks.servers import cpu_seconds, own_server
from embedded.server import PostgresServer
from eventlog.notifier import Notifier
from eventlog.postgres.pool import Database, open_database
from gridcall.host.migrations import prepare
from intake.acceptor import Acceptor
from intake.core.submission import make_item
from intake.store import IntakeStore

SENDERS, ISSUES = 64, 60  # Issues of each sender in a round.
PYTHON, POSTGRES = "Python", "Postgres"


async def post_all(database: Database, districts: Sequence[str]) -> None:
    """Let all senders post their issues, each after the answer to the one before."""
    acceptor = Acceptor(database, Notifier())

    async def post(sender: int) -> None:
        for number in range(ISSUES):
            name = secrets.token_hex(16)
            item = make_item(name, TYPE, DATA % name.encode(), SENDER)
            await acceptor.accept(districts[(sender * 7 + number) % len(districts)], [item])

    await asyncio.gather(*map(post, range(SENDERS)))


async def measure_round(server: PostgresServer, count: int) -> Values:
    """Return the µs of Python and of Postgres for an issue over so many districts."""
    async with open_database(server.get_uri("senders")) as database:
        districts = [f"{count}-{number}" for number in range(count)]
        for district in districts:
            await IntakeStore(database).add_district(district)
        await post_all(database, districts)  # Plans are made.
        python, postgres = time.process_time(), cpu_seconds(server)
        await post_all(database, districts)
        spent = {PYTHON: time.process_time() - python, POSTGRES: cpu_seconds(server) - postgres}
    return {name: seconds / (SENDERS * ISSUES) * 1e6 for name, seconds in spent.items()}


@contextmanager
def open_server() -> Iterator[Measure]:
    """Run a Postgres with one database for all points."""
    with own_server() as server:
        asyncio.run(prepare(server.get_uri("senders")))
        yield lambda districts: asyncio.run(measure_round(server, districts))


def ratio_to_one_district(points: Points) -> float:
    """Return the cost over the most districts beside that of the fewest."""
    first, last = (sum(points[amount].values()) for amount in (min(points), max(points)))
    return last / first


CURVE = Curve(
    name="senders",
    title="Accepting an issue of 64 senders",
    x="districts",
    y="µs an issue",
    amounts={Size.QUICK: (1, 5), Size.FULL: (1, 10, 100), Size.LONG: (1, 10, 100, 1_000)},
    open=open_server,
    goals=(Goal("accepting over many districts beside one", ratio_to_one_district, 1.5),),
)
