"""verify: one thread, no store, folds intake's log again and compares what the services have made of it, byte for byte.

They are the rows of the stages' logs, and the facts that assessment has merged from them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import asyncpg

from assessment.core.facts import Fact, Key, merge_into
from assessment.store import encode_fact, encoded_facts, merged_logs
from eventlog.codec import Entry, entry, entry_envelope, row_of
from eventlog.core.row import Progress, Row
from eventlog.core.stage import Stage
from eventlog.postgres.pool import map_errors
from eventlog.postgres.statements import HEAD, READ
from events.errors import Halted
from events.instants import BEGINNING
from events.topology import STAGES, WRITER
from gridcall.pipeline import pipeline
from intake.store import IntakeStore

CHUNK = 1000
BEHIND = tuple(service.name for service in STAGES)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a log is not what the fold says: envelopes, or None where a side has no row.

    Or the first fact that is not, by its key; then `pos` is its place in the order of keys.
    """

    log: str
    position: int
    folded: bytes | None
    stored: bytes | None
    cause: str

    def __str__(self) -> str:
        sides = (("the fold has", self.folded), ("stored is", self.stored))
        lines = (f"  {name:13} {body.decode() if body else 'nothing'}" for name, body in sides)
        return "\n".join(
            (
                f"{self.log} differs at position {self.position}",
                *lines,
                f"  caused by     {self.cause}",
            )
        )

    def as_json(self) -> dict[str, Any]:
        """As `gridcall verify --json` has it."""
        sides = {"folded": self.folded, "stored": self.stored}
        return {"log": self.log, "position": self.position, "cause": self.cause} | {
            name: body and json.loads(body) for name, body in sides.items()
        }


@dataclass(frozen=True, slots=True)
class Verified:
    """What was compared of a district."""

    district: str
    inputs: int
    rows: int
    facts: int
    difference: Difference | None


class Snapshot:
    """The logs of all services at one instant of the database, or of each database where they have their own."""

    def __init__(self, connections: Mapping[str, asyncpg.Connection[asyncpg.Record]]) -> None:
        self._of = {
            log: connections[service] for log, service in WRITER.items() if service in connections
        }
        self._intake = IntakeStore(connections["intake"])

    async def districts(self) -> list[str]:
        """The districts that have a log."""
        return await self._intake.district_codes()

    async def contents(self) -> dict[str, bytes]:
        """The contents of reference data, by digest."""
        return await self._intake.all_contents()

    async def has_begun(self, shard: str) -> bool:
        """Whether routing has begun with a district: else there is nothing to compare."""
        return bool(await self._of["cases"].fetchrow(HEAD.format(schema="routing"), shard))

    async def passed(self, log: str, shard: str) -> tuple[Progress, int]:
        """How far a stage is, and its last position."""
        found = await self._of[log].fetchrow(HEAD.format(schema=WRITER[log]), shard)
        return (
            (Progress(found["input"], found["ts"]), found["pos"])
            if found
            else (Progress(0, BEGINNING), 0)
        )

    async def merged(self, shard: str) -> dict[str, int]:
        """How far assessment has merged each log."""
        logs = await merged_logs(self._of["evaluations"], shard)
        return {name: merged.position for name, merged in logs.items()}

    async def facts(self, shard: str) -> dict[Key, bytes]:
        """The facts that it has."""
        return await encoded_facts(self._of["evaluations"], shard)

    async def with_cause(self, difference: Difference) -> Difference:
        """A difference with the envelope of what caused it, where that is a row."""
        log, _, rest = difference.cause.partition("/")
        shard, _, position = rest.rpartition("/")
        if log in WRITER:
            async for entries in self.entries(log, shard, int(position), int(position) - 1):
                return replace(difference, cause=entry_envelope(log, shard, entries[0]).decode())
        return difference

    async def entries(
        self, log: str, shard: str, upto: int | None = None, after: int = 0
    ) -> AsyncIterator[list[Entry]]:
        """The entries of a log, in order, after a position and up to another one."""
        position, sql = after, READ.format(schema=WRITER[log])
        while upto is None or position < upto:
            limit = CHUNK if upto is None else min(CHUNK, upto - position)
            found = [
                Entry(*record) for record in await self._of[log].fetch(sql, shard, position, limit)
            ]
            if not found:
                return
            yield found
            position = found[-1].position


class Compared:
    """A stored log beside what is folded, as it comes."""

    def __init__(
        self,
        log: str,
        shard: str,
        passed: Progress,
        last: int,
        stored: AsyncIterator[list[Entry]],
        heard: Callable[[Row], None],
    ) -> None:
        self.log = log
        self.shard = shard
        self.passed = passed
        self._last = last
        self.rows = 0
        self.difference: Difference | None = None
        self._stored = stored
        self._heard = heard
        self._ahead: list[Entry] = []

    async def take(self, folded: list[Row]) -> None:
        """Compare the next folded rows, until there is a difference."""
        for row in folded:
            if self.difference:
                return
            here, there = entry(row), await self._next()
            if here != there:
                self.difference = self._differs(here, there)
            self._heard(row)
            self.rows += 1

    async def end(self, stage: Stage[Any, Any]) -> None:
        """Time passes as far as it did for the stage; then nothing more may be stored.

        Where it stands at the stage's last input, perhaps no watermark has passed yet: what was overdue when its clock started
        fires with the next one.
        """
        if stage.watermark < self.passed.watermark or self.rows < self._last:
            await self.take(stage.advance_time(self.passed.watermark))
        if not self.difference and (more := await self._next()):
            self.difference = self._differs(None, more)

    async def _next(self) -> Entry | None:
        if not self._ahead:
            self._ahead = list(reversed(await anext(self._stored, [])))
        return self._ahead.pop() if self._ahead else None

    def _differs(self, here: Entry | None, there: Entry | None) -> Difference:
        sides = [
            entry_envelope(self.log, self.shard, side) if side else None for side in (here, there)
        ]
        either = here or there
        assert either is not None
        return Difference(self.log, self.rows + 1, sides[0], sides[1], either.cause)


async def verified(
    snapshot: Snapshot, district: str, progress: Callable[[int], None] = lambda inputs: None
) -> Verified:
    """Fold a district's inputs again, and compare. Ends at the first difference."""
    stages = pipeline(await snapshot.contents())
    routing, escalation = (each.make(district) for each in stages)
    facts, merged = dict[Key, Fact](), await snapshot.merged(district)

    def heard(row: Row) -> None:
        if row.position <= merged.get(row.log, 0):
            merge_into(facts, (row,))

    cases, calls = [
        Compared(
            log,
            district,
            *await snapshot.passed(log, district),
            snapshot.entries(log, district),
            heard,
        )
        for log in ("cases", "calls")
    ]

    async def on(folded: list[Row]) -> None:
        await cases.take(folded)
        heard = [row for row in folded if row.position <= calls.passed.input]
        await calls.take(escalation.apply(heard))

    async for entries in snapshot.entries("intake", district, cases.passed.input):
        await on(routing.apply([row_of("intake", district, kept) for kept in entries]))
        progress(len(entries))
        if cases.difference or calls.difference:
            break
    else:
        await cases.end(routing)
        await calls.end(escalation)
    difference = cases.difference or calls.difference
    if difference:
        difference = await snapshot.with_cause(difference)
    else:
        difference = differing(facts, await snapshot.facts(district))
    return Verified(district, routing.input, cases.rows + calls.rows, len(facts), difference)


def differing(folded: Mapping[Key, Fact], stored: Mapping[Key, bytes]) -> Difference | None:
    """The first fact that is not what the fold says."""
    here = {key: encode_fact(fact) for key, fact in folded.items()}
    for place, key in enumerate(sorted(here.keys() | stored.keys()), start=1):
        if here.get(key) != stored.get(key):
            cause = f"case {key.case}, episode {key.episode}, worker {key.worker}"
            return Difference("facts", place, here.get(key), stored.get(key), cause)
    return None


async def verify(
    url: str,
    districts: tuple[str, ...] = (),
    progress: Callable[[int], None] = lambda inputs: None,
    apart: Mapping[str, str] = MappingProxyType({}),
) -> list[Verified]:
    """Verify districts of a database, all without a choice, as they are at one instant of it.

    `apart` has the URLs of services that have databases of their own: those of later logs are looked at first, so that what
    they followed from is there.
    """
    if apart and set(apart) != set(BEHIND):
        raise Halted(f"--service-database is given for all of these or none: {', '.join(BEHIND)}")
    async with AsyncExitStack() as stack:
        connections: dict[str, asyncpg.Connection[asyncpg.Record]] = {}
        for service in (*reversed(BEHIND), "intake"):
            if service in apart or service == "intake":
                connections[service] = await stack.enter_async_context(
                    at_one_instant(apart.get(service, url))
                )
        snapshot = Snapshot(
            {
                service: connections.get(service, connections["intake"])
                for service in WRITER.values()
            }
        )
        chosen = districts or await snapshot.districts()
        for name in chosen:
            if not await snapshot.has_begun(name):
                options = " ".join(f"--service-database {service}=URL" for service in BEHIND)
                raise Halted(
                    f"routing has nothing of {name} here: it has not begun, or the stages have "
                    f"databases of their own: gridcall verify {options}"
                )
        return [await verified(snapshot, name, progress) for name in chosen]


@asynccontextmanager
async def at_one_instant(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection that sees a database as it is now."""
    with map_errors():
        connection = await asyncpg.connect(
            url, server_settings={"enable_seqscan": "off", "jit": "off"}
        )
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.fetch("SELECT 1")  # From here on it is this instant.
            yield connection
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as fault:
        raise Halted(
            f"this database is of an older gridcall, or of none ({fault}). The service that it belongs to brings it up to date "
            "when it starts: gridcall up"
        ) from fault
    finally:
        await connection.close()
