"""The stored logs and facts at one instant of the database, for verify."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from assessment.core.facts import Key
from assessment.store import encoded_facts, merged_logs, stored_districts, stored_zone
from eventlog.codec import Entry
from eventlog.core.row import Progress
from eventlog.postgres.address import check_address
from eventlog.postgres.faults import map_errors, translate
from eventlog.postgres.generation import LAST_BEFORE
from eventlog.postgres.outbox import PUBLISHED
from eventlog.postgres.statements import HEAD, READ, SHARDS, WITHOUT_TRACES
from eventlog.postgres.states import StoredStates, stored_states
from eventlog.postgres.survey import Survey
from events.errors import Halted
from events.instants import BEGINNING, Instant
from events.topology import LOGS, STAGES, WRITER
from gridcall.pipeline import SIMULATE
from intake.store import IntakeStore, RecordStore
from screen.core.fold import VERSION
from screen.store.contents import ModelEnd, stored_model, stored_rows

CHUNK = 1000
DOWNSTREAM = tuple(service.name for service in STAGES)
SOURCES = {stage.log: stage.inputs for stage in STAGES if stage.log}
"""Each log that is a fold, and the logs that it reads."""

SCREEN = "screen"  # Its read model is compared if its database is named.

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class LogEnd(NamedTuple):
    """The row of a shard: the end of its log, the last input applied, and its generation."""

    position: int = 0
    time: Instant = BEGINNING
    input: int = 0
    generation: int = 0
    before: int = 0


class Snapshot:
    """The logs of all services. `connections` has one for each service, perhaps for the screen."""

    def __init__(self, connections: Mapping[str, Connection]) -> None:
        self._connections = {log: connections[service] for log, service in WRITER.items()}
        self._screen = connections.get("screen")
        self._intake = IntakeStore(connections["intake"])
        self.record = RecordStore(connections["intake"])

    async def districts(self) -> set[str]:
        """Return the districts that any table names, also where others have lost them."""
        named = await self.record.named_districts()
        named |= await stored_districts(self._connections["evaluations"])
        for log in LOGS:
            records = await self._connections[log].fetch(SHARDS.format(schema=WRITER[log]))
            named |= {record["shard"] for record in records}
        return named

    async def contents(self) -> dict[str, bytes]:
        """Return the contents of reference data by digest."""
        return await self._intake.all_contents()

    async def end(self, log: str, shard: str) -> LogEnd | None:
        """Return the end of a log; None if the shard has no row."""
        head = await self._connections[log].fetchrow(HEAD.format(schema=WRITER[log]), [shard])
        if head is None:
            return None
        return LogEnd(head["pos"], head["ts"], head["input"], head["generation"], head["before"])

    async def progress(self, log: str, shard: str) -> tuple[Progress, int]:
        """Return how far a stage is, and its last position."""
        end = await self.end(log, shard) or LogEnd()
        return Progress(end.input, end.time), end.position

    async def owners(self, log: str) -> dict[str, str]:
        """Return the owner of each shard of a log that has one."""
        heads = await Survey(log, WRITER[log], self._connections[log]).heads()
        return {head.shard: head.owner for head in heads if head.owner}

    async def published_position(self, log: str, shard: str) -> int:
        """Return the position up to which a log was published; 0 if it never was."""
        sql = PUBLISHED.format(schema=WRITER[log])
        return await self._connections[log].fetchval(sql, shard) or 0

    async def merged_positions(self, shard: str) -> dict[str, int]:
        """Return the position up to which assessment has merged each log."""
        logs = await merged_logs(self._connections["evaluations"], shard)
        return {name: merged.position for name, merged in logs.items()}

    async def rows_to_apply(self, log: str, shard: str) -> int:
        """Return how many input rows a stage can have applied.

        Of several logs that are merged, those from the earliest of their times on cannot be
        ordered yet.
        """
        ends = {source: await self.end(source, shard) or LogEnd() for source in SOURCES[log]}
        if len(ends) == 1:
            return sum(end.position for end in ends.values())
        time = min(end.time for end in ends.values())
        return sum([await self._count_before(source, shard, time) for source in ends])

    async def _count_before(self, log: str, shard: str, time: Instant) -> int:
        """Return how many rows of a log are before an instant."""
        sql = LAST_BEFORE.format(schema=WRITER[log])
        return await self._connections[log].fetchval(sql, shard, time) or 0

    async def expects_facts(self, shard: str) -> bool:
        """Tell whether facts were merged behind the log of assessment. A simulation has none."""
        head = await self._connections["evaluations"].fetchrow(
            HEAD.format(schema=WRITER["evaluations"]), [shard]
        )
        return head is not None and head["owner"] != SIMULATE

    async def read_model(self, shard: str) -> ModelEnd | None:
        """Return the screen's read model of a district, if there is one."""
        return await stored_model(self._screen, shard, VERSION) if self._screen else None

    def read_model_rows(self, model: ModelEnd) -> AsyncIterator[tuple[str, tuple[Any, ...]]]:
        """Yield each row of a read model with its name."""
        assert self._screen is not None, "there is a model"
        return stored_rows(self._screen, model)

    async def zone(self, shard: str) -> str | None:
        """Return the time zone in which assessment counts months; None if it has not begun."""
        return await stored_zone(self._connections["evaluations"], shard)

    async def facts(self, shard: str) -> dict[Key, bytes]:
        """Return the stored facts as they are encoded."""
        return await encoded_facts(self._connections["evaluations"], shard)

    async def states(self, log: str, shard: str) -> StoredStates:
        """Return the state rows of the stage that writes a log."""
        return await stored_states(self._connections[log], WRITER[log], shard)

    async def entries(
        self, log: str, shard: str, upto: int | None = None, after: int = 0
    ) -> AsyncIterator[list[Entry]]:
        """Yield the entries of a log in order, after a position and up to another one."""
        position, sql = after, READ.format(schema=WRITER[log], **WITHOUT_TRACES)
        while upto is None or position < upto:
            limit = CHUNK if upto is None else min(CHUNK, upto - position)
            records = await self._connections[log].fetch(sql, shard, position, limit)
            if not records:
                return
            entries = [Entry(*record) for record in records]
            yield entries
            position = entries[-1].position


@asynccontextmanager
async def open_snapshot(url: str, service_databases: Mapping[str, str]) -> AsyncIterator[Snapshot]:
    """Open a snapshot of a database, or of one for each service.

    Databases of later logs are opened first, so that the causes of their rows are there. Raises
    Halted if some services have a database of their own and others do not.
    """
    if service_databases and set(service_databases) - {SCREEN} != set(DOWNSTREAM):
        needed = ", ".join(DOWNSTREAM)
        raise Halted(f"--service-database is given for all of these or none: {needed}")
    async with AsyncExitStack() as stack:
        connections: dict[str, Connection] = {}
        for service in opening_order(service_databases):
            opened = open_at_one_instant(service_databases.get(service, url))
            connections[service] = await stack.enter_async_context(opened)
        shared = connections["intake"]
        services = {service: connections.get(service, shared) for service in WRITER.values()}
        screen = connections.get(SCREEN) if service_databases else shared
        yield Snapshot(services | ({SCREEN: screen} if screen else {}))


def opening_order(service_databases: Mapping[str, str]) -> Sequence[str]:
    """Return the services whose databases are opened, the last stage first."""
    services = (SCREEN, *reversed(DOWNSTREAM))
    separate = [service for service in services if service in service_databases]
    return [*separate, "intake"]


@asynccontextmanager
async def open_at_one_instant(url: str) -> AsyncIterator[Connection]:
    """Open a connection that sees a database as it is now."""
    check_address(url)
    with map_errors():
        connection = await asyncpg.connect(
            url, server_settings={"enable_seqscan": "off", "jit": "off"}
        )
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.fetch("SELECT 1")  # The first statement fixes the instant.
            yield connection
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as fault:
        raise Halted(
            f"this database is of an older gridcall, or of none ({fault}). "
            "Its service brings it up to date when it starts: gridcall up"
        ) from fault
    except asyncpg.PostgresError as fault:
        raise translate(fault) or fault from fault
    finally:
        await connection.close()
