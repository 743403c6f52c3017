"""The contract of every reader: of the table, of the writer over HTTP, and of Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from eventlog.core.row import Draft, Row, Watermark
from eventlog.core.versions import readable
from eventlog.http_log import HttpLog, log_routes
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import listen, open_database
from events.errors import Unavailable
from events.instants import BEGINNING
from events.registry import UnknownEvent
from events.topology import WRITER
from httpedge.open_requests import OpenRequests
from tests.contract.log_contract import (
    SHARD,
    late_rows_are_found_by_their_cause,
    visit,
)
from tests.harness.kafka import CaughtUpReader, Topics, over_kafka
from tests.harness.versions import LAMP_LIT, LampLit, newer_build_writes
from tests.harness.waiting import wait_for_condition


class Reader(Protocol):
    """The methods of a reader."""

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]: ...

    async def row(self, shard: str, position: int) -> Row | None: ...

    async def watermark(self, shard: str) -> Watermark: ...


Clause = Callable[[PostgresLog, Reader], Awaitable[None]]


async def rows_come_in_order_after_a_position_up_to_a_limit(
    writer: PostgresLog, reader: Reader
) -> None:
    written = await writer.append(SHARD, [visit(number, number) for number in range(5)])
    assert list(await reader.read(SHARD, 0, 9)) == written
    assert list(await reader.read(SHARD, 2, 2)) == written[2:4]
    assert list(await reader.read(SHARD, 5, 9)) == []
    assert list(await reader.read(SHARD, 99, 9)) == []


async def a_watermark_tells_the_last_position_and_how_far_time_has_passed(
    writer: PostgresLog, reader: Reader
) -> None:
    assert await reader.watermark(SHARD) == Watermark(0, BEGINNING)
    await writer.append(SHARD, [visit(1, 10)])
    await writer.announce(SHARD, 20)
    assert await reader.watermark(SHARD) == Watermark(1, 20)


async def shards_are_read_separately(writer: PostgresLog, reader: Reader) -> None:
    await writer.append("other", [visit(1, 10)])
    assert list(await reader.read(SHARD, 0, 9)) == []


async def more_than_a_page_is_read_page_by_page(writer: PostgresLog, reader: Reader) -> None:
    written = await writer.append(SHARD, [visit(number, number) for number in range(2500)])
    read: list[Row] = []
    while part := await reader.read(SHARD, len(read), 1000):
        read += part
    assert read == written


async def a_row_is_found_at_its_position(writer: PostgresLog, reader: Reader) -> None:
    written = await writer.append(SHARD, [visit(number, number) for number in range(30)])
    assert list(await reader.read(SHARD, 0, 20)) == written[:20]
    assert await reader.row(SHARD, 1) == written[0]
    assert await reader.row(SHARD, 30) == written[29]
    assert await reader.row(SHARD, 31) is None
    assert list(await reader.read(SHARD, 20, 20)) == written[20:]


async def a_row_of_an_unknown_type_is_read_as_it_was_written(
    writer: PostgresLog, reader: Reader
) -> None:
    with newer_build_writes():
        drafts = [visit(1, 1), Draft(2, "a2", LampLit(lamp="ä")), visit(3, 3)]
        first, _, third = await writer.append(SHARD, drafts)
        before, unknown, after = await reader.read(SHARD, 0, 9)
    assert (before, after) == (first, third)
    assert unknown.event == UnknownEvent(LAMP_LIT, '{"lamp":"ä"}'.encode())
    assert readable([before, unknown, after]) == [first, third]


CONTRACT: tuple[Clause, ...] = (
    a_row_is_found_at_its_position,
    rows_come_in_order_after_a_position_up_to_a_limit,
    a_watermark_tells_the_last_position_and_how_far_time_has_passed,
    shards_are_read_separately,
    more_than_a_page_is_read_page_by_page,
    a_row_of_an_unknown_type_is_read_as_it_was_written,
)


@asynccontextmanager
async def over_http(url: str, notifier: Notifier, name: str = "intake") -> AsyncIterator[HttpLog]:
    """A reader over real HTTP, of a server that has the table."""
    async with open_database(url, size=2) as database:
        app = FastAPI()
        app.include_router(
            log_routes(
                PostgresLog(name, WRITER[name], database, notifier),
                notifier,
                asyncio.Event(),
                OpenRequests("readers"),
            )
        )
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve())

        async def is_started() -> bool:
            return server.started

        await wait_for_condition(is_started)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield HttpLog(name, client)
        server.should_exit = True
        await serving


@asynccontextmanager
async def writer_and_reader(url: str, source: str) -> AsyncIterator[tuple[PostgresLog, Reader]]:
    """Yield a writer, and a reader with connections and a notifier of its own."""
    async with open_database(url, size=2) as database, open_database(url, size=2) as other:
        writer = PostgresLog("intake", "intake", database, Notifier())
        if source == "table":
            yield writer, PostgresLog("intake", "intake", other, Notifier())
        else:
            async with over_http(url, Notifier()) as reader:
                yield writer, reader


@pytest.mark.parametrize("source", ["table", "http"])
@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
async def test_a_reader(clause: Clause, source: str, database: str) -> None:
    async with writer_and_reader(database, source) as (writer, reader):
        await clause(writer, reader)


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
async def test_a_reader_over_kafka(clause: Clause, database: str, topics: Topics) -> None:
    async with over_kafka(database, topics) as kafka:
        await clause(kafka.writer, CaughtUpReader(kafka))


async def test_late_rows_are_found_over_http(database: str) -> None:
    async with (
        open_database(database, size=2) as own,
        over_http(database, Notifier(), "cases") as (reader),
    ):
        writer = PostgresLog("cases", "routing", own, Notifier())
        await writer.lease(SHARD)
        await late_rows_are_found_by_their_cause(writer, reader)


async def test_a_log_without_late_rows_has_no_such_route(database: str) -> None:
    async with over_http(database, Notifier()) as reader:
        with pytest.raises(Unavailable, match="404"):
            await reader.late(SHARD, "x")


async def test_who_waits_over_http_is_woken_by_what_another_process_commits(database: str) -> None:
    notifier = Notifier()
    listening = asyncio.create_task(listen(database, notifier))
    async with (
        writer_and_reader(database, "table") as (writer, _),
        over_http(database, notifier) as reader,
    ):
        waiting = asyncio.create_task(reader.read(SHARD, 0, 9, wait=20))
        await notifier.wait_for_waiter("intake", SHARD)
        written = await writer.append(SHARD, [visit(1, 1)])
        async with asyncio.timeout(10):  # Half of its wait.
            assert list(await waiting) == written
    listening.cancel()


async def test_a_server_that_is_away_is_said_to_be_away() -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9") as client:
        with pytest.raises(Unavailable, match="cannot be read over HTTP"):
            await HttpLog("intake", client).read(SHARD, 0, 9)


async def test_a_waiter_can_be_cancelled_as_it_is_notified() -> None:
    notifier = Notifier()
    waiting = asyncio.create_task(
        notifier.wait("intake", SHARD, notifier.count("intake", SHARD), 60)
    )
    await asyncio.sleep(0)
    notifier.notify("intake", SHARD)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_poller_learns_that_somebody_waits() -> None:
    notifier = Notifier()
    looking = asyncio.create_task(notifier.wait_for_waiter("cases", "city"))
    await asyncio.sleep(0)
    assert not looking.done()
    waiting = asyncio.create_task(notifier.wait("cases", "city", 0, 60))
    await looking
    await notifier.wait_for_waiter("cases", "city")
    notifier.notify("cases", "city")
    await waiting
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await notifier.wait("cases", "city", 1, 60)
    again = asyncio.create_task(notifier.wait_for_waiter("cases", "city"))
    await asyncio.sleep(0)
    assert not again.done(), "nobody waits any more: one was notified, the other has given up"
    again.cancel()
