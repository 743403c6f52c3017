"""Contexts of traces beside rows: written with them, read with them, and in none of their bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from eventlog.codec import entry_envelope
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, open_database
from eventlog.tracing import Tracing
from events.catalogue import VisitMade
from gridcall.verify.chain import check_chain
from intake.acceptor import Acceptor
from intake.core.submission import Item
from intake.item_codec import item_of
from intake.store import IntakeStore, RecordStore
from tests.harness.districts import rows_of
from tests.harness.senders import SENDER
from tests.harness.tracers import MINE, OTHER, RecordingTracer, TracedLog

DISTRICTS = ("east", "north", "west")


def items(*numbers: int, trace: str = "") -> list[Item]:
    return [
        item_of(VisitMade(action=f"{number:032x}", issue="case", by="ann"), SENDER)._replace(
            trace=trace
        )
        for number in numbers
    ]


async def traces_of(db: Database, schema: str) -> dict[tuple[str, int], str]:
    """Return the stored contexts by district and position, the empty ones too."""
    records = await db.fetch(f"SELECT shard, pos, trace FROM {schema}.log")
    return {(shard, position): trace for shard, position, trace in records}


async def envelopes(log: PostgresLog, district: str) -> list[bytes]:
    entries = await log.entries(district, 0, 10)
    return [entry_envelope(log.name, district, each) for each in entries]


async def test_another_process_reads_the_context_of_a_row_with_the_row(database: str) -> None:
    async with open_database(database) as db:
        writer = TracedLog("cases", "routing", db, Notifier(), "a")
        await writer.lease("north")
        await writer.commit("north", rows_of("north", 0, 3))
        reader = TracedLog("cases", "routing", db, Notifier(), "b")
        assert await reader.read("north", 0, 2) == rows_of("north", 0, 3)[:2]
        assert reader.contexts == {"cases/north/1": MINE, "cases/north/2": MINE}


async def test_a_context_is_in_no_byte_of_a_row(database: str) -> None:
    async with open_database(database) as db:
        traced = TracedLog("cases", "routing", db, Notifier(), "a")
        plain = PostgresLog("cases", "routing", db, Notifier(), "a")
        for log, district in ((traced, "north"), (plain, "east")):
            await log.lease(district)
            await log.commit(district, rows_of(district, 0, 3))
        of_north = [each.replace(b"north", b"east") for each in await envelopes(plain, "north")]
        assert of_north == await envelopes(plain, "east")
        assert await envelopes(traced, "north") == await envelopes(plain, "north")
        stored = await traces_of(db, "routing")
        assert {stored["north", position] for position in (1, 2, 3)} == {MINE}
        assert {stored["east", position] for position in (1, 2, 3)} == {""}


@pytest.mark.parametrize("sampled", [(), ("north",), DISTRICTS])
async def test_districts_that_share_a_commit_have_contexts_of_their_own(
    sampled: Sequence[str], database: str
) -> None:
    async with open_database(database) as db:
        tracing = Tracing(RecordingTracer())
        log = PostgresLog("cases", "routing", db, Notifier(), "a", tracing=tracing)
        for district in DISTRICTS:
            await log.lease(district)
        for district in sampled:
            tracing.contexts.add(f"cases/{district}/2", MINE)
        await asyncio.gather(*(log.commit(each, rows_of(each, 0, 3)) for each in DISTRICTS))
        stored = await traces_of(db, "routing")
        assert {name for name, trace in stored.items() if trace} == {(each, 2) for each in sampled}
        reader = TracedLog("cases", "routing", db, Notifier(), "b")
        read = await asyncio.gather(*(reader.read(each, 0, 10) for each in DISTRICTS))
        assert read == [rows_of(each, 0, 3) for each in DISTRICTS]
        assert reader.contexts == {f"cases/{each}/2": MINE for each in sampled}


async def test_intake_stores_the_context_of_a_new_input_alone(database: str) -> None:
    async with open_database(database) as db:
        await IntakeStore(db).add_district("north")
        tracer = RecordingTracer()
        acceptor = Acceptor(db, Notifier(), Tracing(tracer))
        await acceptor.accept("north", items(1))
        await acceptor.accept("north", [*items(1, trace=OTHER), *items(2, 3, trace=MINE)])
        stored = await traces_of(db, "intake")
        assert stored == {("north", 1): "", ("north", 2): MINE, ("north", 3): MINE}
        (span,) = tracer.spans
        assert (span.name, span.parent, span.links) == ("commit intake", OTHER, [OTHER, MINE])
        assert span.ended == [None]
        checked = await check_chain(RecordStore(db), "north", ())
        assert (checked.position, checked.contradiction) == (3, None)
        reader = TracedLog("intake", "intake", db, Notifier())
        await reader.read("north", 0, 10)
        assert reader.contexts == {"intake/north/2": MINE, "intake/north/3": MINE}
