"""Measure what the chain of hashes costs Postgres, beside the same statements without it.

python -m benchmarks.chain

The peer is the same function, with the old head in the place of each hash. Both write the same
columns, in turns. Only the processor time of the session counts, because a commit mostly waits.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from benchmarks.servers import own_server
from eventlog.core.row import Sender
from eventlog.postgres.pool import PINNED
from eventlog.postgres.statements import APPEND
from gridcall.host.migrations import prepare
from intake.acceptor import AHEAD_US_MAX, now_us
from intake.core.submission import make_item
from intake.store.districts import ADD_DISTRICT
from intake.store.inputs import ACCEPT, district_columns, item_columns

SENDER = Sender("12345", "key:3f2a91c0")
TYPE = "gridcall.issue-reported.v1"
DATA = (
    b'{"category":"Street light","claims":[{"by":"point","code":null,"lat":53.335,"lon":-6.285}],'
    b'"due":1793606880000000,"issue":"0b6cf6bd6ec3e7b0a1f6f7a3c5d1e2f4","line":"hotline",'
    b'"reference":"2026-000117","rules":[],"source":"12345","urgency":"normal"}'
)
HASHES = re.compile(
    r"intake\.chain\((\S+), .*?\) OVER \([A-Za-z ]*ORDER BY i ROWS UNBOUNDED PRECEDING\)", re.DOTALL
)
WITH, WITHOUT = "with the chain", "without"
TURNS = 6

Call = Callable[[asyncpg.Connection, str, int], Awaitable[object]]


async def plant_peer(connection: asyncpg.Connection, name: str) -> None:
    """Make a copy of a function of intake that computes no hash."""
    query = "SELECT pg_get_functiondef($1::text::regproc)"
    text = await connection.fetchval(query, f"intake.{name}")
    assert HASHES.search(text), f"intake.{name} computes no hash"
    peer = HASHES.sub(r"\1", text).replace(f"intake.{name}(", f"intake.{name}_unlinked(", 1)
    await connection.execute(peer)


async def accept(connection: asyncpg.Connection, which: str, count: int) -> None:
    """Accept items in one statement, as intake does."""
    items = [make_item(secrets.token_hex(16), TYPE, DATA, SENDER) for _ in range(count)]
    sql = ACCEPT if which == WITH else ACCEPT.replace("intake.accept(", "intake.accept_unlinked(")
    columns = (*district_columns({which: items}), *item_columns(items))
    await connection.fetch(sql, *columns, now_us(), AHEAD_US_MAX)


async def append(connection: asyncpg.Connection, which: str, count: int) -> None:
    """Append inputs in one statement, as simulate does."""
    sql = APPEND.format(schema="intake")
    if which == WITHOUT:
        sql = sql.replace("intake.append(", "intake.append_unlinked(")
    subjects = "\n".join(secrets.token_hex(16) for _ in range(count))
    times = f"{{{','.join(['NULL'] * count)}}}"
    types, datas = "\n".join([TYPE] * count), "\n".join([DATA.decode()] * count)
    await connection.fetch(sql, which, times, subjects, types, datas, *SENDER)


def cpu_seconds(session: int) -> float:
    """Return the processor time of a session of Postgres."""
    fields = Path(f"/proc/{session}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def compare(connection: asyncpg.Connection, call: Call, count: int, calls: int) -> str:
    """Return the µs of Postgres for each item, with the chain and without."""
    session = connection.get_server_pid()
    spent = {WITH: 0.0, WITHOUT: 0.0}
    for which in spent:
        await call(connection, which, count)  # Plans are made.
    for _ in range(TURNS):
        for which in spent:
            before = cpu_seconds(session)
            for _ in range(calls):
                await call(connection, which, count)
            spent[which] += cpu_seconds(session) - before
    items = TURNS * calls * count
    return ", ".join(f"{which} {each / items * 1e6:.1f} µs" for which, each in spent.items())


async def main() -> None:
    """Measure and print."""
    with own_server() as server:
        url = server.get_uri("chain")
        await prepare(url)
        settings = {**PINNED, "synchronous_commit": "off"}
        connection = await asyncpg.connect(url, server_settings=settings)
        for name in ("accept", "append"):
            await plant_peer(connection, name)
        for district in (WITH, WITHOUT):
            await connection.execute(ADD_DISTRICT, district)
        for text, call, count, calls in (
            ("one issue a statement", accept, 1, 2_000),
            ("arrays of 100", accept, 100, 100),
            ("appended by 1,000", append, 1_000, 20),
        ):
            started = time.monotonic()
            line = await compare(connection, call, count, calls)
            print(f"{text}: an item needs {line} ({time.monotonic() - started:.0f} s)", flush=True)
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
