"""Postgres's part of an issue at intake, as its table of identities grows, beside an empty one.

Both databases are on one server and take turns, with commits of 500 issues as under load. All
processes of the server count, also those that write pages behind the commits.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

import asyncpg

from benchmarks.growth.curve import Curve, Goal, Measure, Points, Size, Values
from benchmarks.servers import cpu_seconds, own_server
from embedded.server import PostgresServer
from eventlog.core.row import Sender
from eventlog.postgres.pool import PINNED
from gridcall.host.migrations import prepare
from intake.acceptor import AHEAD_US_MAX, now_us
from intake.core.submission import make_item
from intake.store.districts import ADD_DISTRICT
from intake.store.inputs import ACCEPT, district_columns, item_columns

EMPTY, GROWN = "empty", "grown"
TURNS, COMMITS, ITEMS = 6, 20, 500
DISTRICT = "exampleville"
SENDER = Sender("12345", "key:3f2a91c0")
TYPE = "gridcall.issue-reported.v1"
DATA = (
    b'{"category":"Street light","claims":[{"by":"point","code":null,"lat":53.335,"lon":-6.285}],'
    b'"due":1793606880000000,"issue":"%b","line":"hotline",'
    b'"reference":"2026-000117","rules":[],"source":"12345","urgency":"normal"}'
)
FORGET = "TRUNCATE intake.log, intake.identity"
COUNT = "SELECT count(*) FROM intake.identity"
# Identities are digests: each is on another page of the index than the one before.
ADD_IDENTITIES = """
INSERT INTO intake.identity (id, shard, pos, ts, content)
SELECT gen_random_uuid(), $1, -i, 0, gen_random_uuid() FROM generate_series(1, $2::int) i
"""
FILL = 250_000  # Identities of one statement.
WARM_MAX = 100  # Commits before the first turn.


Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def open_database(url: str) -> Connection:
    """Make a database with a district, and return a connection as the runtime has it."""
    await prepare(url)
    connection: Connection = await asyncpg.connect(url, server_settings=PINNED)
    await connection.execute(ADD_DISTRICT, DISTRICT)
    await commit(connection)  # Plans are made.
    return connection


async def commit(connection: Connection) -> None:
    """Accept new issues in one statement, as intake does."""
    names = [secrets.token_hex(16) for _ in range(ITEMS)]
    items = [make_item(name, TYPE, DATA % name.encode(), SENDER) for name in names]
    columns = (*district_columns({DISTRICT: items}), *item_columns(items))
    await connection.fetch(ACCEPT, *columns, now_us(), AHEAD_US_MAX)


async def grow(connection: Connection, identities: int) -> None:
    """Add identities until there are so many.

    Pages that this made dirty are written, and most of the pages that a checkpoint lets Postgres
    log as a whole. Under load that is once in a million issues.
    """
    missing = identities - await connection.fetchval(COUNT)
    for start in range(0, missing, FILL):
        await connection.execute(ADD_IDENTITIES, DISTRICT, min(FILL, missing - start))
    await connection.execute("CHECKPOINT")
    for _ in range(min(WARM_MAX, identities // 20_000)):
        await commit(connection)


async def measure_turns(server: PostgresServer, databases: Mapping[str, Connection]) -> Values:
    """Return the µs of Postgres for an issue in both databases."""
    spent = dict.fromkeys(databases, 0.0)
    for _ in range(TURNS):
        await databases[EMPTY].execute(FORGET)
        for name, connection in databases.items():
            before = cpu_seconds(server)
            for _ in range(COMMITS):
                await commit(connection)
            spent[name] += cpu_seconds(server) - before
    return {name: each / (TURNS * COMMITS * ITEMS) * 1e6 for name, each in spent.items()}


@contextmanager
def open_server() -> Iterator[Measure]:
    """Run a Postgres with a database that grows, and one that is emptied before each turn."""
    with own_server() as server, asyncio.Runner() as runner:
        databases = {
            name: runner.run(open_database(server.get_uri(name))) for name in (EMPTY, GROWN)
        }

        def measure(identities: int) -> Values:
            runner.run(grow(databases[GROWN], identities))
            return runner.run(measure_turns(server, databases))

        yield measure
        for connection in databases.values():
            runner.run(connection.close())


def ratio_at_age(points: Points) -> float:
    """Return what an issue costs at the largest amount beside the empty table there."""
    values = points[max(points)]
    return values[GROWN] / values[EMPTY]


CURVE = Curve(
    name="identities",
    title="Accepting an issue",
    x="identities",
    y="µs of Postgres",
    amounts={
        Size.QUICK: (1_000, 50_000),
        Size.FULL: (200_000, 1_000_000),
        Size.LONG: (200_000, 1_000_000, 5_000_000),
    },
    open=open_server,
    goals=(Goal("an issue with so many identities beside an empty table", ratio_at_age, 1.25),),
)
